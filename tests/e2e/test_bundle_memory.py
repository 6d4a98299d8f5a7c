"""Memory stays flat while a bundle is made, verified and taken, however large its packets are."""

from pathlib import Path

from tests.support.memory import LIMIT_MIB, peak_mib, pieces
from tests.support.nncp_verbs import verb_argv
from tests.support.tossing import Pair

SIZE_MIB = 128


def through(path: Path, sign: str, argv: list[str]) -> list[str]:
    """A command with its output to a file (>), or its input from one (<)."""
    return ["/bin/sh", "-c", f'exec "$@" {sign} {path}', "sh", *argv]


def test_a_packet_of_128_mib(tmp_path: Path) -> None:
    """A packet larger than the limit goes through a stream with far less memory than that."""
    pair = Pair(tmp_path)
    configs = {name: f"-cfg={pair.write_config(name)}" for name in ("a", "b")}
    stream = tmp_path / "bundle"
    steps = {
        "exec": peak_mib(verb_argv("exec", configs["a"], "-nocompress", "b", "x"), pieces(SIZE_MIB)),
        "tx": peak_mib(through(stream, ">", verb_argv("bundle", configs["a"], "-tx", "b"))),
        "rx": peak_mib(through(stream, "<", verb_argv("bundle", configs["b"], "-rx"))),
        "rx -delete": peak_mib(through(stream, "<", verb_argv("bundle", configs["a"], "-rx", "-delete"))),
        "check": peak_mib(verb_argv("check", configs["b"])),
    }
    assert pair.waiting("b") == []
    [job] = pair.received()
    assert job.size_bytes > SIZE_MIB * 1024 * 1024
    assert max(steps.values()) < LIMIT_MIB, steps
