"""Memory stays flat while an exec is made, carried and tossed, however large its input is."""

import hashlib
import resource
from pathlib import Path

import pytest

from tests.support.memory import LIMIT_MIB, MIB_BYTES, peak_mib, pieces
from tests.support.nncp_verbs import verb_argv
from tests.support.tossing import Pair


def check_journey(directory: Path, size_mib: int, flags: list[str]) -> None:
    pair = Pair(directory)
    digest = hashlib.sha256()
    for piece in pieces(size_mib):
        digest.update(piece)
    summed = directory / "sum"
    pair.allow("sum", ["/bin/sh", "-c", f"/usr/bin/sha256sum > {summed}"])
    configs = {name: f"-cfg={pair.write_config(name)}" for name in ("a", "b")}
    stick = directory / "stick"
    stick.mkdir()
    steps = {
        "exec": peak_mib(verb_argv("exec", configs["a"], *flags, "b", "sum"), pieces(size_mib)),
        "xfer -tx": peak_mib(verb_argv("xfer", configs["a"], "-mkdir", "-tx", stick)),
        "xfer -rx": peak_mib(verb_argv("xfer", configs["b"], "-rx", stick)),
        "toss": peak_mib(verb_argv("toss", configs["b"])),
    }
    assert summed.read_text().split()[0] == digest.hexdigest()
    assert pair.received() == []
    assert max(steps.values()) < LIMIT_MIB, steps


@pytest.mark.parametrize("flags", [[], ["-nocompress"]])
def test_a_stream_of_96_mib(tmp_path: Path, flags: list[str]) -> None:
    """A stream about as large as the limit goes through with far less memory than that."""
    check_journey(tmp_path, 96, flags)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("flags", [[], ["-nocompress"]])
def test_a_stream_of_2_gib(place: Path, flags: list[str]) -> None:
    """A stream twenty times as large as the limit takes no more memory than a small one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert soft == resource.RLIM_INFINITY, "the limit on file sizes is too small for this test"
    check_journey(place, 2048, flags)


def test_a_decompression_bomb(tmp_path: Path) -> None:
    """A packet of a few KiB that unfolds to 512 MiB is tossed in flat memory too."""
    pair = Pair(tmp_path)
    counted = tmp_path / "count"
    pair.allow("count", ["/bin/sh", "-c", f"/usr/bin/wc -c > {counted}"])
    packet = pair.send("count", (bytes(MIB_BYTES) for _ in range(512)))
    assert packet.stat().st_size < MIB_BYTES
    peak = peak_mib(verb_argv("toss", f"-cfg={pair.write_config('b')}"))
    assert int(counted.read_text()) == 512 * MIB_BYTES
    assert peak < LIMIT_MIB
