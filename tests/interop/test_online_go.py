"""Online sessions between us and Go NNCP, in both roles, and between two of ours."""

from pathlib import Path

import pytest

from gateway.ids import NICE_MAX, PacketId
from gateway.spool.layout import PART_SUFFIX, Box
from tests.support.online import OnlinePair
from tests.support.online_packets import KIB, MIB, TINY, Mix
from tests.support.pairings import ALL, at_once
from tests.support.processes import wait_until

THOUSAND = 1000
SECONDS = 240
MANY = Mix((512, 32 * KIB), (256 * KIB, 3 * MIB), 0.01)
BULKY = Mix((8 * MIB, 8 * MIB), large_share=0)
MESSAGES_PER_SECOND = 10
"""So that 8 MiB, which are 129 of them, take long enough to be overtaken."""


@at_once(*ALL)
def test_thousand_mixed_packets_each_way(place: Path, caller: str, daemon: str) -> None:
    """Each of two thousand packets arrives once and undamaged, and both sides say so with status 0."""
    pair = OnlinePair(place / "pair")
    pair.fill("a", THOUSAND, mix=MANY)
    pair.fill("b", THOUSAND, mix=MANY)
    with (
        pair.listening(daemon, "b", "-quiet") as (port, _),
        pair.start_call(caller, "a", "--", at(port)) as call,
    ):
        wait_until(pair.has_all, SECONDS, "all packets", explain=pair.explain)
        assert call.wait(SECONDS) == 0
    pair.check_all()


@at_once(*ALL)
def test_packets_that_appear_during_a_session_are_sent_in_it(place: Path, caller: str, daemon: str) -> None:
    """What is queued at either side while the session is open goes at once."""
    pair = OnlinePair(place / "pair", deadline_seconds=30)
    for name in ("a", "b"):
        pair.fill(name, 1, mix=TINY)
    with (
        pair.listening(daemon, "b", "-quiet") as (port, _),
        pair.start_call(caller, "a", "-quiet", "--", at(port)),
    ):
        for _ in range(3):
            wait_until(pair.has_all, SECONDS, "what was queued so far", explain=pair.explain)
            for name in ("a", "b"):
                pair.fill(name, 2, mix=TINY)
        wait_until(pair.has_all, SECONDS, "what was queued last", explain=pair.explain)
    pair.check_all()
    assert pair.log_text("a").count("Who: call-started") == 1


@pytest.mark.parametrize("sender", ["a", "b"])
@at_once(*ALL)
def test_urgent_packet_overtakes_a_large_one_under_way(
    place: Path, caller: str, daemon: str, sender: str
) -> None:
    """A packet of better niceness that is queued late arrives before the one that is being sent."""
    pair = OnlinePair(place / "pair", deadline_seconds=10)
    receiver = "b" if sender == "a" else "a"
    for name in ("a", "b"):
        pair.change(name, txrate=MESSAGES_PER_SECOND)
    [large] = pair.fill(sender, 1, mix=BULKY, nices=[NICE_MAX])
    with (
        pair.listening(daemon, "b", "-quiet") as (port, _),
        pair.start_call(caller, "a", "-quiet", "-txrate", str(MESSAGES_PER_SECOND), "--", at(port)),
    ):
        wait_until(
            lambda: part_bytes(pair, receiver, large.packet), SECONDS, "the first piece", explain=pair.explain
        )
        [urgent] = pair.fill(sender, 1, mix=TINY, nices=[1])
        wait_until(
            lambda: urgent.packet in pair.packets(receiver, Box.RX),
            SECONDS,
            "the urgent one",
            explain=pair.explain,
        )
        assert 0 < part_bytes(pair, receiver, large.packet) < large.size_bytes


def at(port: int) -> str:
    """The address of a daemon."""
    return f"127.0.0.1:{port}"


def part_bytes(pair: OnlinePair, name: str, packet: PacketId) -> int:
    """How much of a packet has arrived."""
    part = pair.box(name, Box.RX) / (packet.text + PART_SUFFIX)
    return part.stat().st_size if part.exists() else 0
