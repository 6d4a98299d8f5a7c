"""``nncp call``: what the command line means, and with which status it ends."""

import json
import signal
from pathlib import Path

import pytest

from tests.support.both_nncp import OURS
from tests.support.online import OnlinePair
from tests.support.ports import free_port
from tests.support.processes import wait_until

WAIT_SECONDS = 60


@pytest.fixture
def pair(tmp_path: Path) -> OnlinePair:
    """Node a, which has two addresses of b where nobody is."""
    pair = OnlinePair(tmp_path / "pair")
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("main", "other")}
    pair.change("a", addrs=addresses)
    return pair


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody",), "Invalid NODE specified: unknown node 'nobody'"),
        (("b:third",), "Unknown ADDR alias specified: third, known: main, other"),
        (("-rx", "-tx", "b"), "-rx and -tx can not be set simultaneously"),
        (("-pkts", "X,Y", "b"), "Invalid packet specified in -pkts"),
        (("-nice", "nicest", "b"), "niceness 'nicest' is not known"),
        (("-ucspi", "b"), "descriptors 6 and 7"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_makes_no_sense_is_said_and_is_status_1(
    pair: OnlinePair, words: tuple[str, ...], said: str
) -> None:
    done = pair.run(OURS, "a", "call", *words, is_checked=False)
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert "Calling" not in pair.log_text("a")


@pytest.mark.parametrize("words", [(), ("b", "address", "more")], ids=["none", "three"])
def test_a_wrong_number_of_arguments_shows_the_usage(pair: OnlinePair, words: tuple[str, ...]) -> None:
    done = pair.run(OURS, "a", "call", *words, is_checked=False)
    assert done.returncode == 1
    assert b"[options] NODE[:ADDR] [FORCEADDR]" in done.stdout + done.stderr


def test_a_neighbour_without_a_key_or_without_addresses_can_not_be_called(pair: OnlinePair) -> None:
    pair.change("a", addrs={})
    done = pair.run(OURS, "a", "call", "b", is_checked=False)
    assert (done.returncode, b"no address is given" in done.stderr) == (1, True)
    config = json.loads(pair.configs["a"].read_text())
    del config["neigh"]["b"]["noisepub"]
    pair.configs["a"].write_text(json.dumps(config))
    done = pair.run(OURS, "a", "call", "b", is_checked=False)
    assert (done.returncode, b"no noisepub" in done.stderr) == (1, True)


def test_the_addresses_that_are_tried_are_those_that_are_meant(pair: OnlinePair) -> None:
    for words, count in ((("b",), 2), (("b:other",), 1), (("b", "127.0.0.1:1"), 1)):
        pair.logs["a"].unlink(missing_ok=True)
        assert pair.run(OURS, "a", "call", *words, is_checked=False).returncode == 1
        assert pair.log_text("a").count("Who: calling\n") == count


def test_quiet_prints_nothing_and_the_log_has_it_all_the_same(pair: OnlinePair) -> None:
    done = pair.run(OURS, "a", "call", "-quiet", "b", is_checked=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    assert "Who: calling\n" in pair.log_text("a")


def test_autotoss_tosses_what_came_and_a_bad_toss_is_status_1(pair: OnlinePair) -> None:
    with pair.listening(OURS, "b") as (port, _):
        pair.change("a", addrs={"main": f"127.0.0.1:{port}"})
        assert pair.call(OURS, "a", "-autotoss").returncode == 0
        pair.fill("b", 1)
        # Nothing may be executed or stored here: the packet stays, and that is told.
        assert pair.call(OURS, "a", "-autotoss", is_checked=False).returncode == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_session_in_good_order(pair: OnlinePair, number: int) -> None:
    for name in ("a", "b"):
        pair.change(name, onlinedeadline=600)
    with pair.listening(OURS, "b") as (port, _):
        with pair.start_call(OURS, "a", "--", f"127.0.0.1:{port}") as call:
            wait_until(
                lambda: "call-started" in pair.log_text("a"), WAIT_SECONDS, "a call", explain=pair.explain
            )
            call.send_signal(number)
            assert call.wait(WAIT_SECONDS) == 1
        wait_until(
            lambda: "call-finished" in pair.log_text("b"), WAIT_SECONDS, "the end", explain=pair.explain
        )
    assert "call-finished" in pair.log_text("a")
    assert "Traceback" not in call.log.read_text()
