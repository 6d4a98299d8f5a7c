"""What restricts a session, against Go in both roles: niceness, direction, lists, limits, addresses."""

import time
from pathlib import Path

import pytest

from gateway.spool.layout import NOCK_SUFFIX, Box, LockKind
from tests.support.both_nncp import GO, OURS
from tests.support.online import OnlinePair, other
from tests.support.online_packets import MIB, TINY, Mix
from tests.support.pairings import WITH_GO, at_once
from tests.support.ports import free_port
from tests.support.processes import slowness, wait_until
from tests.support.tcp_proxy import HOST, Cut, Proxy

SECONDS = 60
SLACK_SECONDS = 30
"""A busy machine may be late; a session that did not end is much later."""
BULKY = Mix((4 * MIB, 4 * MIB), large_share=0)
URGENT, NORMAL, BULK = 32, 96, 224


def make_pair(place: Path) -> OnlinePair:
    """Nodes that have each a packet of three nicenesses for the other."""
    pair = OnlinePair(place / "pair")
    for name in ("a", "b"):
        for nice in (URGENT, NORMAL, BULK):
            pair.fill(name, 1, mix=TINY, nices=[nice])
    return pair


def received_nices(pair: OnlinePair, name: str) -> list[int]:
    """The nicenesses of what has arrived at a node."""
    received = pair.packets(name, Box.RX)
    return [made.nice for made in pair.sent[other(name)] if made.packet in received]


def at(port: int) -> str:
    return f"{HOST}:{port}"


@pytest.mark.parametrize(("option", "receiver"), [("-rx", "a"), ("-tx", "b")])
@at_once(*WITH_GO)
def test_one_direction_and_a_limit_of_niceness(
    place: Path, caller: str, daemon: str, option: str, receiver: str
) -> None:
    """With -rx or -tx one direction moves, as far as -nice allows; the rest stays queued and whole."""
    pair = make_pair(place)
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        pair.call(caller, "a", "-quiet", option, "-nice", "NORMAL", "--", at(port))
    assert received_nices(pair, receiver) == [URGENT, NORMAL]
    assert received_nices(pair, other(receiver)) == []
    assert len(pair.packets(receiver, Box.TX)) == 3
    assert pair.leftovers("a") == pair.leftovers("b") == []


@at_once(*WITH_GO)
def test_list_takes_nothing_and_named_packets_alone_are_taken(place: Path, caller: str, daemon: str) -> None:
    """-list shows every packet and moves none; -pkts takes those named and leaves the others."""
    pair = make_pair(place)
    named = [made.packet for made in pair.sent["b"][:2]]
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        shown = pair.call(caller, "a", "-list", "--", at(port)).stderr.decode()
        assert all(made.packet.text in shown for made in pair.sent["b"])
        assert received_nices(pair, "a") == received_nices(pair, "b") == []
        for name in ("a", "b"):
            pair.wait_unlocked(name)
        pair.call(caller, "a", "-quiet", "-rx", "-pkts", ",".join(map(str, named)), "--", at(port))
    assert pair.packets("a", Box.RX) == set(named)
    assert received_nices(pair, "b") == []


@at_once(*WITH_GO)
def test_packets_taken_unchecked_are_checked_later(place: Path, caller: str, daemon: str) -> None:
    """With -nock packets wait unchecked and the sender keeps its own, until they are verified."""
    pair = make_pair(place)
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        pair.call(caller, "a", "-quiet", "-nock", "--", at(port))
        sent = [made.packet for made in pair.sent["b"]]
        assert pair.leftovers("a") == sorted(packet.text + NOCK_SUFFIX for packet in sent)
        assert pair.packets("b", Box.TX) == set(sent)
        pair.run(daemon, "a", "check", "-quiet", "-nock")
        assert pair.packets("a", Box.RX) == set(sent)
        for name in ("a", "b"):
            pair.wait_unlocked(name)
        pair.call(caller, "a", "-quiet", "--", at(port))
    pair.check_all()


@at_once(*WITH_GO)
def test_session_lasts_no_longer_than_its_limit(place: Path, caller: str, daemon: str) -> None:
    """A longest time at our side ends a session that would stay open for long."""
    pair = OnlinePair(place / "pair", deadline_seconds=60)
    limit_seconds = 2
    if daemon == OURS:
        pair.change("b", maxonlinetime=limit_seconds)
    options = ["-maxonlinetime", str(limit_seconds)] if caller == OURS else []
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        began = time.monotonic()
        pair.call(caller, "a", "-quiet", *options, "--", at(port))
    assert limit_seconds - 0.5 < time.monotonic() - began < limit_seconds + SLACK_SECONDS * slowness()


@at_once(*WITH_GO)
def test_session_ends_when_nothing_moves(place: Path, caller: str, daemon: str) -> None:
    """The deadline at our side, if it is the smaller one, ends a session in which nothing moves."""
    pair = OnlinePair(place / "pair", deadline_seconds=60)
    if daemon == OURS:
        pair.change("b", onlinedeadline=1)
    options = ["-onlinedeadline", "1"] if caller == OURS else []
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        began = time.monotonic()
        pair.call(caller, "a", "-quiet", *options, "--", at(port))
    assert 0.9 < time.monotonic() - began < 2 + SLACK_SECONDS * slowness()


@pytest.mark.parametrize(("locked", "kind"), [("a", LockKind.RX), ("b", LockKind.TX)])
@at_once(*WITH_GO)
def test_session_with_a_locked_neighbour_is_refused(
    place: Path, caller: str, daemon: str, locked: str, kind: LockKind
) -> None:
    """While something else holds a lock at either side, a call fails with status 1 and moves nothing."""
    pair = make_pair(place)
    neighbour = pair.books[locked].find(other(locked)).id
    with pair.listening(daemon, "b", "-quiet") as (port, _):
        with pair.spools[locked].lock(neighbour, kind):
            refused = pair.call(caller, "a", "-quiet", "--", at(port), is_checked=False)
        assert refused.returncode == 1
        assert received_nices(pair, "a") == received_nices(pair, "b") == []


@at_once(*WITH_GO)
def test_dead_addresses_are_passed_over(place: Path, caller: str, daemon: str) -> None:
    """Of several addresses those where nobody answers, or somebody who hangs up, do not stop the call."""
    pair = make_pair(place)
    with pair.listening(daemon, "b", "-quiet") as (port, _), Proxy(free_port()) as deaf:
        pair.change(
            "a",
            addrs={"closed": at(free_port()), "deaf": deaf.address, "live": at(port), "no": "no.invalid:1"},
        )
        pair.call(caller, "a", "-quiet")
        pair.check_all()


def test_address_is_chosen_by_name_or_given(place: Path) -> None:
    """NODE:NAME calls that address and no other; one on the command line replaces them all."""
    pair = make_pair(place)
    with pair.listening(GO, "b", "-quiet") as (port, _):
        pair.change("a", addrs={"closed": at(free_port()), "live": at(port)})
        assert pair.call(OURS, "a", "-quiet", alias="closed", is_checked=False).returncode == 1
        assert received_nices(pair, "b") == []
        pair.call(OURS, "a", "-quiet", alias="live")
        pair.check_all()
        for name in ("a", "b"):
            pair.wait_unlocked(name)
        pair.fill("a", 1, mix=TINY)
        pair.change("a", addrs={"closed": at(free_port())})
        pair.call(OURS, "a", "-quiet", "--", at(port))
    pair.check_all()


def test_unreachable_neighbour_is_status_1(place: Path) -> None:
    """A call that reaches nobody, or has no address, ends with status 1 and leaves everything queued."""
    pair = make_pair(place)
    assert pair.call(OURS, "a", "-quiet", "--", at(free_port()), is_checked=False).returncode == 1
    assert pair.call(OURS, "a", "-quiet", is_checked=False).returncode == 1
    assert len(pair.packets("a", Box.TX)) == 3


def test_cut_session_is_status_1(place: Path) -> None:
    """A session that ends with half a packet ends with status 1."""
    pair = OnlinePair(place / "pair")
    pair.fill("b", 1, mix=BULKY)
    with pair.listening(GO, "b", "-quiet") as (port, _), Proxy(port) as proxy:
        proxy.cut_next(Cut(MIB))
        assert pair.call(OURS, "a", "-quiet", "--", proxy.address, is_checked=False).returncode == 1
    wait_until(lambda: pair.leftovers("a"), SECONDS, "half a packet")
