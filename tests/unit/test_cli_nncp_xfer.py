"""``nncp xfer``: flags, what it prints, how it ends."""

from pathlib import Path

import pytest

from tests.support.nncp_verbs import Verbs
from tests.support.tossing import Pair, files_below

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    made.write_config("a")
    made.write_config("b")
    (tmp_path / "stick").mkdir()
    return made


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


def run(verbs: Verbs, pair: Pair, at: str, *flags: str) -> int:
    return verbs.run("xfer", f"-cfg={pair.directory}/{at}/cfg.json", *flags, pair.directory / "stick")


def queue(pair: Pair) -> Path:
    """Queue a packet at a for b; returns it there."""
    pair.send("x", b"body").unlink()
    [job] = pair.waiting("b")
    return job.path


def test_a_packet_is_carried_and_told(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    packet = queue(pair)
    size = packet.stat().st_size
    assert run(verbs, pair, "a", "-mkdir") == 0
    assert run(verbs, pair, "b") == 0
    [job] = pair.received()
    assert job.packet.text == packet.name
    told = capfdbinary.readouterr().err.decode().splitlines()
    place = pair.directory / "stick" / pair.id("b").text / pair.id("a").text / packet.name
    assert [line.split(" ", 1)[1] for line in told] == [
        f"Packet transfer, sent to b: {packet.name} ({size} B)",
        f"Packet transfer, received from a: {place} ({size} B)",
    ]


@pytest.mark.parametrize(
    ("flags", "is_sent"),
    [
        ([], False),
        (["-mkdir", "-rx"], False),
        (["-mkdir", "-tx"], True),
        (["-mkdir", "-nice", "95"], False),
        (["-mkdir", "-node", "self"], False),
        (["-mkdir", "-node", "b"], True),
        (["-mkdir", "-keep"], True),
    ],
)
def test_flags_decide_what_is_sent(pair: Pair, verbs: Verbs, flags: list[str], *, is_sent: bool) -> None:
    packet = queue(pair)
    assert run(verbs, pair, "a", *flags) == 0
    assert bool(files_below(pair.directory / "stick")) is is_sent
    assert packet.exists() is (not is_sent or "-keep" in flags)


def test_a_damaged_packet_ends_with_1(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    queue(pair)
    run(verbs, pair, "a", "-mkdir")
    [place] = files_below(pair.directory / "stick")
    place.write_bytes(place.read_bytes() + b"x")
    assert run(verbs, pair, "b") == 1
    assert f"{place} (".encode() in capfdbinary.readouterr().err
    assert place.exists()


def test_both_directions_alone_contradict(pair: Pair, verbs: Verbs, capfdbinary: Capture) -> None:
    assert run(verbs, pair, "a", "-rx", "-tx") == 1
    assert b"-rx and -tx can not be set simultaneously" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("flag", "text"),
    [("-node=nobody", b"Invalid -node specified"), ("-nice=zz", b"niceness 'zz'")],
)
def test_a_wrong_value_ends_with_1(
    pair: Pair, verbs: Verbs, capfdbinary: Capture, flag: str, text: bytes
) -> None:
    assert run(verbs, pair, "a", flag) == 1
    assert text in capfdbinary.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["one", "two"]])
def test_there_is_one_directory(pair: Pair, verbs: Verbs, capfdbinary: Capture, arguments: list[str]) -> None:
    assert verbs.run("xfer", f"-cfg={pair.directory}/a/cfg.json", *arguments) == 1
    assert b"Usage: nncp-xfer [options] DIR" in capfdbinary.readouterr().err


def test_a_directory_that_is_missing_is_told_and_ends_with_0(
    pair: Pair, verbs: Verbs, capfdbinary: Capture
) -> None:
    (pair.directory / "stick").rmdir()
    assert run(verbs, pair, "a") == 0
    assert b"there is no directory" in capfdbinary.readouterr().err
