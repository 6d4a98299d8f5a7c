"""What a Go node sends is tossed by us while the session goes on, whoever called."""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gateway.spool.layout import Box
from tests.support.both_nncp import GO, OURS
from tests.support.online import OnlinePair
from tests.support.processes import wait_until

WAIT_SECONDS = 60


@pytest.fixture
def pair(place: Path) -> Generator[OnlinePair]:
    """Node b has files for a, which takes them into ``incoming``."""
    pair = OnlinePair(place / "p")
    (place / "incoming").mkdir()
    pair.change("a", incoming=str(place / "incoming"))
    for name in ("one", "two"):
        send_file(pair, name)
    yield pair
    for name in ("a", "b"):
        assert "Traceback" not in "".join(path.read_text() for path in pair.directory.glob(f"{name}-*.out"))


def send_file(pair: OnlinePair, name: str) -> None:
    source = pair.directory / name
    source.write_text(f"this is {name}\n")
    pair.run(GO, "b", "file", "-quiet", str(source), "a:")


def incoming(pair: OnlinePair) -> dict[str, str]:
    """The files that were tossed at a, or are being tossed, under a name of their own until then."""
    found = {}
    for path in (pair.directory.parent / "incoming").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.read_text()
    return found


BOTH = {"one": "this is one\n", "two": "this is two\n"}


@contextlib.contextmanager
def exchanging(pair: OnlinePair, way: str, *flags: str) -> Iterator[None]:
    """Let node a exchange packets with b in one of three ways; a call is over when this yields."""
    if way == "daemon":
        with pair.listening(OURS, "a", *flags) as (port, _):
            pair.call(GO, "b", "--", f"127.0.0.1:{port}")
            yield
        return
    with pair.listening(GO, "b") as (port, _):
        if way == "call":
            pair.call(OURS, "a", *flags, "--", f"127.0.0.1:{port}")
            yield
        else:
            pair.change("a", calls=[{"cron": "* * * * * * *", "addr": f"127.0.0.1:{port}"}])
            with pair.start(OURS, "a", "caller", *flags):
                yield


def wait_tossed(pair: OnlinePair, files: dict[str, str]) -> None:
    wait_until(lambda: incoming(pair) == files, WAIT_SECONDS, "tossed files", explain=pair.explain)


@pytest.mark.parametrize("way", ["call", "daemon", "caller"])
def test_what_arrives_is_tossed(pair: OnlinePair, way: str) -> None:
    """Files are in their place and their packets gone, without a toss of their own."""
    with exchanging(pair, way, "-autotoss"):
        if way == "call":
            assert incoming(pair) == BOTH
        wait_tossed(pair, BOTH)
        wait_until(lambda: not pair.packets("a", Box.RX), WAIT_SECONDS, "removed packets")
    assert not list((pair.box("a", Box.RX) / "seen").glob("*"))


@pytest.mark.parametrize("way", ["call", "daemon", "caller"])
def test_flags_are_those_of_toss(pair: OnlinePair, way: str) -> None:
    """Marked as seen, and acknowledged, so that the sender learns of it in the same session or the next."""
    sent = pair.packets("b", Box.TX)
    with exchanging(pair, way, "-autotoss", "-autotoss-seen", "-autotoss-gen-ack"):
        wait_tossed(pair, BOTH)
        markers = pair.box("a", Box.RX) / "seen"
        wait_until(lambda: {path.name for path in markers.glob("*")} == {p.text for p in sent}, 60, "markers")
        wait_until(lambda: pair.log_text("a").count("\nWho: tx\nType: ack\n") == 2, 60, "acknowledgements")


def test_packets_of_a_kind_can_be_left_alone(pair: OnlinePair) -> None:
    """With -autotoss-nofile the files stay packets; a later toss takes them."""
    with exchanging(pair, "call", "-autotoss", "-autotoss-nofile"):
        assert incoming(pair) == {}
        assert len(pair.packets("a", Box.RX)) == 2
    pair.run(OURS, "a", "toss")
    assert incoming(pair) == BOTH


def test_packets_of_an_earlier_session_are_tossed_at_the_start(pair: OnlinePair) -> None:
    """What lay in rx before the session is tossed too."""
    with exchanging(pair, "call"):
        assert len(pair.packets("a", Box.RX)) == 2
    pair.wait_unlocked("b")
    with exchanging(pair, "call", "-autotoss"):
        assert incoming(pair) == BOTH


def test_packets_are_tossed_before_the_session_ends(pair: OnlinePair) -> None:
    """A session that is kept open for long does not keep the files waiting."""
    for name in ("a", "b"):
        pair.change(name, onlinedeadline=600)
    with pair.listening(GO, "b") as (port, _):
        with pair.start_call(OURS, "a", "-autotoss", "--", f"127.0.0.1:{port}") as call:
            wait_tossed(pair, BOTH)
            send_file(pair, "three")
            wait_tossed(pair, {**BOTH, "three": "this is three\n"})
            assert call.returncode is None
        assert "Who: call-finished\n" in pair.log_text("a")


def test_packet_that_cannot_be_tossed_is_told_by_the_status(pair: OnlinePair) -> None:
    """The exchange went well, but not all was tossed: status 1, and the packet stays."""
    pair.run(GO, "b", "exec", "-quiet", "a", "nobody-knows-this")
    with pair.listening(GO, "b") as (port, _):
        done = pair.call(OURS, "a", "-autotoss", "--", f"127.0.0.1:{port}", is_checked=False)
    assert done.returncode == 1
    assert incoming(pair) == BOTH
    assert len(pair.packets("a", Box.RX)) == 1


def test_call_of_the_configuration_says_how_to_toss(pair: OnlinePair) -> None:
    """The keys of a call count without any flag."""
    with pair.listening(GO, "b") as (port, _):
        call = {"cron": "* * * * * * *", "addr": f"127.0.0.1:{port}"}
        pair.change("a", calls=[{**call, "autotoss": True, "autotoss-doseen": True}])
        with pair.start(OURS, "a", "caller"):
            wait_tossed(pair, BOTH)
    assert len(list((pair.box("a", Box.RX) / "seen").glob("*"))) == 2
