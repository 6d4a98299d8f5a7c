"""``nncp bundle``: flags, what it prints, how it ends."""

from pathlib import Path

import pytest

from tests.support.nncp_verbs import Verbs, run_verb_process
from tests.support.tossing import Pair

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    made.write_config("a")
    made.write_config("b")
    return made


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


def cfg(pair: Pair, at: str) -> str:
    return f"-cfg={pair.directory}/{at}/cfg.json"


def send(pair: Pair, body: bytes = b"body") -> bytes:
    """The bundle of a packet that a has queued for b."""
    pair.send("x", body).unlink()
    return run_verb_process("bundle", cfg(pair, "a"), "-quiet", "-tx", "b").stdout


def test_a_bundle_is_written_and_taken(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    stream = send(pair)
    assert verbs.run("bundle", cfg(pair, "b"), "-rx", stdin=stream) == 0
    [job] = pair.received()
    told = capfdbinary.readouterr().err.decode()
    assert f"Bundle transfer, received from {pair.id('a')} {job.packet}" in told
    assert len(pair.waiting("b")) == 1
    assert verbs.run("bundle", cfg(pair, "a"), "-rx", "-delete", "-dryrun", stdin=stream) == 0
    assert len(pair.waiting("b")) == 1
    assert verbs.run("bundle", cfg(pair, "a"), "-rx", "-delete", stdin=stream) == 0
    assert pair.waiting("b") == []


def test_a_dry_run_removes_nothing_that_was_written(pair: Pair) -> None:
    stream = send(pair)
    dry = run_verb_process("bundle", cfg(pair, "a"), "-quiet", "-tx", "-delete", "-dryrun", "b")
    assert dry.stdout == stream
    assert len(pair.waiting("b")) == 1


@pytest.mark.parametrize("flags", [["-rx"], ["-rx", "-check"], ["-rx", "-dryrun"]])
def test_a_damaged_packet_ends_with_1(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, flags: list[str]
) -> None:
    stream = bytearray(send(pair))
    stream[1024 + 200] ^= 1
    assert verbs.run("bundle", cfg(pair, "b"), *flags, stdin=bytes(stream)) == 1
    assert b"bad checksum" in capfdbinary.readouterr().err
    assert pair.received() == []


def test_a_cut_bundle_ends_with_1(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert verbs.run("bundle", cfg(pair, "b"), "-rx", stdin=send(pair)[:-300]) == 1
    assert b"nncp-bundle: the bundle ends within a packet: it was cut" in capfdbinary.readouterr().err


def test_when_nobody_reads_the_bundle_nothing_is_removed(pair: Pair) -> None:
    pair.send("x", b"body").unlink()
    done = run_verb_process(
        "bundle", cfg(pair, "a"), "-tx", "-delete", "b", is_checked=False, stdout_closed=True
    )
    assert done.returncode == 1
    assert b"cannot write standard output" in done.stderr
    assert len(pair.waiting("b")) == 1


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], b"At least one of -rx and -tx must be specified"),
        (["-rx", "-tx"], b"-rx and -tx can not be set simultaneously"),
        (["-rx", "nobody"], b"Invalid node specified"),
    ],
)
def test_a_wrong_use_is_told(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, flags: list[str], text: bytes
) -> None:
    assert verbs.run("bundle", cfg(pair, "a"), *flags) == 1
    assert text in capfdbinary.readouterr().err
