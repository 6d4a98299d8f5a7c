"""``nncp daemon``: what the command line means, and with which status it ends."""

import signal
from pathlib import Path

import pytest

from tests.support.both_nncp import OURS
from tests.support.online import OnlinePair
from tests.support.processes import wait_until

WAIT_SECONDS = 60


@pytest.fixture
def pair(tmp_path: Path) -> OnlinePair:
    return OnlinePair(tmp_path / "pair")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-bind", "nonsense"), "allowed: HOST:PORT"),
        (("-bind", "192.0.2.1:1"), "cannot listen on 192.0.2.1:1"),
        (("-bind", "127.0.0.1:nothing", "-mcd-once"), "-mcd-once wants a number for the port"),
        (("-maxconn", "0"), "-maxconn: allowed: a whole number from 1"),
        (("-yggdrasil", "yggdrasils://x"), "Yggdrasil is not supported"),
        (("-nice", "nicest"), "niceness 'nicest' is not known"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_makes_no_sense_is_said_and_is_status_1(
    pair: OnlinePair, words: tuple[str, ...], said: str
) -> None:
    done = pair.run(OURS, "b", "daemon", *words, is_checked=False)
    assert done.returncode == 1
    assert said in done.stderr.decode()


def test_arguments_show_the_usage(pair: OnlinePair) -> None:
    done = pair.run(OURS, "b", "daemon", "a", is_checked=False)
    assert done.returncode == 1
    assert b"nncp-daemon" in done.stdout + done.stderr


def test_announcing_once_without_interfaces_is_done_at_once(pair: OnlinePair) -> None:
    assert pair.run(OURS, "b", "daemon", "-mcd-once").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_sessions_in_good_order(pair: OnlinePair, number: int) -> None:
    for name in ("a", "b"):
        pair.change(name, onlinedeadline=600)
    with (
        pair.listening(OURS, "b") as (port, daemon),
        pair.start_call(OURS, "a", "--", f"127.0.0.1:{port}") as call,
    ):
        wait_until(lambda: "call-started" in pair.log_text("a"), WAIT_SECONDS, "a call", explain=pair.explain)
        daemon.send_signal(number)
        assert daemon.wait(WAIT_SECONDS) == 0
        assert call.wait(WAIT_SECONDS) == 0
    assert "call-finished" in pair.log_text("b")
    assert "Traceback" not in daemon.log.read_text()
