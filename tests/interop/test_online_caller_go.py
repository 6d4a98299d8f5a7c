"""The callers of Go NNCP and of ours, with either's daemon: by cron, when something waits, by multicast."""

import contextlib
import json
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gateway.spool.layout import Box
from tests.support.both_nncp import GO, OURS
from tests.support.network import CABLE, Machine, cabled
from tests.support.online import OnlinePair, is_listened_on
from tests.support.ports import free_port
from tests.support.processes import wait_until

WAIT_SECONDS = 60
EVERY_SECOND = "* * * * * * *"
PAIRINGS = ((OURS, OURS), (OURS, GO), (GO, OURS))
"""Who calls, who answers."""


@pytest.fixture
def network() -> Generator[dict[str, Machine]]:
    with cabled() as (a, b):
        yield {"a": a, "b": b}


def set_globals(pair: OnlinePair, name: str, values: dict[str, object]) -> None:
    """Set keys of a node's configuration that belong to no neighbour."""
    config = json.loads(pair.configs[name].read_text())
    pair.configs[name].write_text(json.dumps({**config, **values}))


def wait_exchanged(pair: OnlinePair) -> None:
    wait_until(pair.has_all, WAIT_SECONDS, "all packets", explain=pair.explain)


def wait_finished(pair: OnlinePair, count: int) -> None:
    """Wait for the ends of calls by node a."""

    def finished_count() -> int:
        return pair.log_text("a").count("Who: call-finished\n")

    wait_until(lambda: finished_count() >= count, WAIT_SECONDS, f"{count} calls", explain=pair.explain)


@contextlib.contextmanager
def announced(pair: OnlinePair, who: str, machine: Machine) -> Iterator[int]:
    """Run a daemon at node b that listens on all addresses, the link-local one too; yields its port."""
    port = free_port()
    with pair.start(who, "b", "daemon", "-bind", f"[::]:{port}") as daemon:
        daemon.wait_ready(lambda: is_listened_on(port, machine.pid), WAIT_SECONDS, "listening")
        yield port


@pytest.mark.parametrize(("caller", "daemon"), PAIRINGS)
def test_calls_by_the_second_carry_what_comes_up(place: Path, caller: str, daemon: str) -> None:
    """Calls by cron bring both sides' packets over, also those that are queued after the first call."""
    pair = OnlinePair(place / "p")
    pair.fill("a", 5)
    pair.fill("b", 5)
    with pair.listening(daemon, "b") as (port, _):
        pair.change("a", addrs={"main": f"127.0.0.1:{port}"}, calls=[{"cron": EVERY_SECOND}])
        with pair.start(caller, "a", "caller") as calling:
            wait_exchanged(pair)
            pair.fill("a", 5)
            pair.fill("b", 5)
            wait_exchanged(pair)
            assert calling.stop() == (0 if caller == OURS else -signal.SIGTERM)
    pair.check_all()


@pytest.mark.parametrize("caller", [OURS, GO])
def test_call_is_made_only_for_packets_that_it_may_take(place: Path, caller: str) -> None:
    """With when-tx-exists nobody is called for packets above the call's niceness, and at once for others."""
    pair = OnlinePair(place / "p")
    pair.fill("a", 3, nices=[200])
    with pair.listening(OURS, "b") as (port, _):
        needed = {"cron": EVERY_SECOND, "nice": "100", "when-tx-exists": True}
        pair.change("a", addrs={"main": f"127.0.0.1:{port}"}, calls=[needed])
        with pair.start(caller, "a", "caller", "-debug") as calling:
            wait_until(
                lambda: calling.log.read_text().count("Who: caller-time\n") > 2,
                WAIT_SECONDS,
                "two times at which a call was not needed",
            )
            assert "call-started" not in pair.log_text("a")
            urgent = pair.fill("a", 2, nices=[50])
            wait_until(
                lambda: pair.packets("b", Box.RX) == {made.packet for made in urgent},
                WAIT_SECONDS,
                "the urgent packets",
                explain=pair.explain,
            )


def test_direction_and_niceness_of_a_call_are_kept(place: Path) -> None:
    """A call that only sends, up to a niceness, leaves everything else where it is."""
    pair = OnlinePair(place / "p")
    urgent = pair.fill("a", 3, nices=[50])
    pair.fill("a", 3, nices=[200])
    pair.fill("b", 3, nices=[50])
    with pair.listening(GO, "b") as (port, _):
        call = {"cron": EVERY_SECOND, "nice": "100", "xx": "tx", "addr": f"127.0.0.1:{port}"}
        pair.change("a", calls=[call])
        with pair.start(OURS, "a", "caller", "b"):
            wait_finished(pair, 2)
    assert pair.packets("b", Box.RX) == {made.packet for made in urgent}
    assert pair.packets("a", Box.RX) == set()


def test_every_address_has_its_turn(place: Path) -> None:
    """Addresses that do not answer cost time only; the session is with the one that does."""
    pair = OnlinePair(place / "p")
    pair.fill("a", 3)
    with pair.listening(GO, "b") as (port, _):
        addresses = {"gone": "127.0.0.1:1", "pipe": "|exit 1", "main": f"127.0.0.1:{port}"}
        pair.change("a", addrs=addresses, calls=[{"cron": EVERY_SECOND}])
        with pair.start(OURS, "a", "caller"):
            wait_exchanged(pair)
    pair.check_all()
    assert "no handshake within" not in pair.log_text("a"), "nothing was waited for in vain"


@pytest.mark.parametrize(("caller", "daemon"), PAIRINGS)
def test_neighbours_on_one_cable_need_no_addresses(
    place: Path, network: dict[str, Machine], caller: str, daemon: str
) -> None:
    """A caller hears where a daemon is, and calls it there."""
    pair = OnlinePair(place / "p", machines=network)
    pair.fill("a", 5)
    pair.fill("b", 5)
    pair.change("a", calls=[{"cron": EVERY_SECOND}])
    set_globals(pair, "a", {"mcd-listen": [f"^{CABLE}$"]})
    set_globals(pair, "b", {"mcd-send": {"^cab": 1}})
    with announced(pair, daemon, network["b"]) as port, pair.start(caller, "a", "caller"):
        wait_exchanged(pair)
    pair.check_all()
    assert f"MCD discovered b's address: [fe80::b%{CABLE}]:{port}\n" in pair.log_text("a")


@pytest.mark.parametrize(("caller", "daemon"), PAIRINGS)
def test_one_announcement_is_enough_for_a_waiting_call(
    place: Path, network: dict[str, Machine], caller: str, daemon: str
) -> None:
    """A call with -mcd-wait goes where the neighbour announces itself once, by daemon -mcd-once."""
    pair = OnlinePair(place / "p", machines=network)
    pair.fill("a", 2)
    set_globals(pair, "a", {"mcd-listen": [CABLE]})
    with (
        announced(pair, GO, network["b"]) as port,
        pair.start_call(caller, "a", "-mcd-wait", "60") as calling,
    ):
        set_globals(pair, "b", {"mcd-send": {CABLE: 3600}})

        def is_heard() -> bool:
            # The call may not listen yet.
            pair.run(daemon, "b", "daemon", "-mcd-once", "-bind", f"[::]:{port}")
            return "MCD discovered" in pair.log_text("a")

        wait_until(is_heard, WAIT_SECONDS, "an announcement that is heard", explain=pair.explain)
        assert calling.wait(WAIT_SECONDS) == 0
    pair.check_all()


@pytest.mark.parametrize("caller", [OURS, GO])
def test_call_that_hears_nobody_gives_up(place: Path, network: dict[str, Machine], caller: str) -> None:
    """After -mcd-wait without an announcement nobody is called, whatever addresses are configured."""
    pair = OnlinePair(place / "p", machines=network)
    pair.change("a", addrs={"main": "127.0.0.1:1"})
    set_globals(pair, "a", {"mcd-listen": [CABLE]})
    done = pair.call(caller, "a", "-mcd-wait", "1", is_checked=False)
    assert done.returncode == 1
    assert b" 1 seconds" in done.stderr
    assert "call-started" not in pair.log_text("a")
