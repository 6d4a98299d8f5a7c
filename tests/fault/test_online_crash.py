"""Sessions that stop dead, or whose disk refuses, at any step of receiving and sending.

The table of states is in docs/reference/online.md; here every state is made and left again.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.link.settings import LinkSettings, Padding
from gateway.packet.mth import mth
from gateway.spool.layout import NOCK_SUFFIX, PART_SUFFIX, SEEN_DIRECTORY, Box
from tests.support.crash import run_until_step
from tests.support.online_sessions import LASTING_SECONDS, Site, meet, meet_until
from tests.support.tossing import failing_disk

STEP_LIMIT = 120
BRIEF = LinkSettings(padding=Padding.NONE, idle_seconds=0.3)
BODY = os.urandom(150_000)


def nothing(_rx: Path, _packet: PacketId, _content: bytes) -> None:
    """The packet is new."""


def half(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / f"{packet}{PART_SUFFIX}").write_bytes(content[:70_000])


def all_of_it(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / f"{packet}{PART_SUFFIX}").write_bytes(content)


def too_much(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / f"{packet}{PART_SUFFIX}").write_bytes(content + b"!")


def wrong(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / f"{packet}{PART_SUFFIX}").write_bytes(bytes(len(content) - 1))


def unverified(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / f"{packet}{NOCK_SUFFIX}").write_bytes(content)


def unverified_and_wrong(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / f"{packet}{NOCK_SUFFIX}").write_bytes(content[:-1])


def here(rx: Path, packet: PacketId, content: bytes) -> None:
    (rx / packet.text).write_bytes(content)


def tossed(rx: Path, packet: PacketId, _content: bytes) -> None:
    (rx / SEEN_DIRECTORY).mkdir()
    (rx / SEEN_DIRECTORY / packet.text).touch()


Prepare = Callable[[Path, PacketId, bytes], None]
"""Lays what an earlier session left of a packet into b's rx."""

STORIES = [nothing, half, all_of_it, too_much, wrong, unverified, unverified_and_wrong, here, tossed]


class Scene:
    """Two packets at a, one of them in some state at b already."""

    def __init__(self, home: Path, prepare: Prepare) -> None:
        self.home = home
        self.a, self.b = Site(home, "a"), Site(home, "b")
        self.contents: dict[PacketId, bytes] = {}
        for body in (BODY, b"small"):
            packet = self.a.queue(body)
            self.contents[packet] = (self.a.box(Box.TX) / packet.text).read_bytes()
        rx = self.b.box(Box.RX)
        rx.mkdir(parents=True)
        first = next(iter(self.contents))
        prepare(rx, first, self.contents[first])
        self.first = first

    def meet(self, at: str, disk: Disk) -> None:
        """Hold a session in which one of the nodes has this disk."""
        a = Site(self.home, "a", disk if at == "a" else None)
        b = Site(self.home, "b", disk if at == "b" else None)
        asyncio.run(meet(a, b, BRIEF))

    def meet_until_all_arrived(self, at: str = "", disk: Disk | None = None) -> None:
        """Hold a session, in which one of the nodes may have this disk, until there is nothing left to do."""
        a, b = (
            Site(self.home, name, disk if at == name else None, deadline_seconds=LASTING_SECONDS)
            for name in "ab"
        )
        asyncio.run(meet_until(a, b, self.has_all_arrived))

    def has_all_arrived(self) -> bool:
        """Whether everything is where it belongs, and nothing was left lying about."""
        names = {packet.text for packet in self.contents if not self.is_seen(packet)}
        return self.b.names(Box.RX) == names and self.a.names(Box.TX) == set()

    def check_nothing_lost(self) -> None:
        """See that each packet is whole on one side at least, and what is under its name at b is it."""
        for packet, content in self.contents.items():
            arrived = self.b.box(Box.RX) / packet.text
            if arrived.exists():
                assert arrived.read_bytes() == content
            elif not self.is_seen(packet):
                assert (self.a.box(Box.TX) / packet.text).read_bytes() == content

    def is_seen(self, packet: PacketId) -> bool:
        """Whether b has tossed it."""
        return (self.b.box(Box.RX) / SEEN_DIRECTORY / packet.text).exists()

    def row(self) -> str:
        """The row of the table that the first packet stands in."""
        rx, packet = self.b.box(Box.RX), self.first
        where = "waits" if (self.a.box(Box.TX) / packet.text).exists() else "gone"
        part, size_bytes = rx / f"{packet}{PART_SUFFIX}", len(self.contents[packet])
        if part.exists():
            found_bytes = part.stat().st_size
            order = (found_bytes > size_bytes) - (found_bytes < size_bytes)
            return f"{('as long', 'longer', 'shorter')[order]}, {where}"
        if (rx / f"{packet}{NOCK_SUFFIX}").exists():
            return f"nock, {where}"
        if (rx / packet.text).exists():
            return f"here, {where}"
        return f"{'tossed' if self.is_seen(packet) else 'nothing'}, {where}"


ANEW = {"nothing, waits", "shorter, waits", "as long, waits", "here, waits", "here, gone"}
ROWS = {
    nothing: ANEW,
    half: {"shorter, waits", "as long, waits", "nock, waits", "here, waits", "here, gone"},
    all_of_it: {"as long, waits", "nock, waits", "here, waits", "here, gone"},
    too_much: {"longer, waits", *ANEW},
    wrong: {"shorter, waits", "as long, waits", "nock, waits", *ANEW},
    unverified: {"nock, waits", "here, waits", "here, gone"},
    unverified_and_wrong: {"nock, waits", *ANEW},
    here: {"here, waits", "here, gone"},
    tossed: {"tossed, waits", "tossed, gone"},
}
"""The rows of the table that each story passes through; stops in all stories leave every one of them."""


@pytest.mark.parametrize("at", ["a", "b"])
@pytest.mark.parametrize("prepare", STORIES, ids=lambda prepare: prepare.__name__)
def test_after_a_stop_at_any_step_the_next_session_ends_the_work(
    tmp_path: Path, at: str, prepare: Prepare
) -> None:
    """No packet is lost or damaged by kill -9 at any step, and the next session brings all of them."""
    rows = set()
    for step in range(STEP_LIMIT):
        scene = Scene(tmp_path / str(step), prepare)

        def work(disk: Disk, scene: Scene = scene) -> None:
            scene.meet_until_all_arrived(at, disk)

        was_stopped, _ = run_until_step(step, work)
        rows.add(scene.row())
        scene.check_nothing_lost()
        scene.meet_until_all_arrived()
        scene.check_nothing_lost()
        assert scene.has_all_arrived()
        if not was_stopped:
            break
    else:
        raise AssertionError("the session never came to its end")
    assert step > 2
    # Stops at a find b wherever it happens to be.
    assert rows <= ROWS[prepare] if at == "a" else rows == ROWS[prepare]


@pytest.mark.parametrize("at", ["a", "b"])
@pytest.mark.parametrize(
    ("number", "prepare"), [(errno.ENOSPC, nothing), (errno.EIO, half), (errno.EIO, unverified)]
)
def test_a_refusal_at_any_step_loses_nothing(tmp_path: Path, at: str, number: int, prepare: Prepare) -> None:
    """A full or failing disk costs at most the packet at hand, and the next session brings it."""
    for step in range(STEP_LIMIT):
        scene = Scene(tmp_path / str(step), prepare)
        disk, steps = failing_disk(step, number)
        scene.meet(at, disk)
        scene.check_nothing_lost()
        scene.meet_until_all_arrived()
        scene.check_nothing_lost()
        assert scene.has_all_arrived()
        if len(steps) <= step:
            break
    else:
        raise AssertionError("the session never came to its end")


def test_a_packet_is_removed_only_after_it_and_its_directory_were_synced(tmp_path: Path) -> None:
    """Whatever the power cut, one of the two sides has the packet."""
    steps: list[tuple[str, str, str]] = []

    def disk(site: str) -> Disk:
        return Disk(is_syncing=False, hook=lambda step, path: steps.append((site, step, path.name)))

    a, b = Site(tmp_path, "a", disk("a")), Site(tmp_path, "b", disk("b"))
    packets = [a.queue(os.urandom(size)) for size in (100, 200_000)]
    asyncio.run(meet(a, b))
    for packet in packets:
        assert mth((b.box(Box.RX) / packet.text).read_bytes()) == packet.raw
        order = [
            steps.index(("b", "sync", f"{packet}{PART_SUFFIX}")),
            steps.index(("b", "rename", packet.text)),
            steps.index(("a", "remove", packet.text)),
        ]
        assert order == sorted(order)
        assert ("b", "sync-directory", "rx") in steps[order[1] : order[2]]
