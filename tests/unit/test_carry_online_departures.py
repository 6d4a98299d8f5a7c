"""What waits for a neighbour: found, read ahead, taken in pieces, removed when it has arrived."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from gateway.carry.online import departures
from gateway.carry.online.departures import AHEAD_BYTES, Departures
from gateway.carry.online.outbox import Outbox
from gateway.carry.online.records import Records
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.link.events import Chunk, Offer
from gateway.link.settings import LONGEST_CHUNK_BYTES
from gateway.spool.layout import Box
from tests.support.online_sessions import WAIT_SECONDS, Site, until


class Hearer:
    """Remembers what was ready."""

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self.unreadable_packets: list[PacketId] = []
        self.read_count = 0
        self.errors: list[BaseException] = []

    def offers_found(self, offers: Sequence[Offer]) -> None:
        self.offers += offers

    def read(self) -> None:
        self.read_count += 1

    def unreadable(self, packet: PacketId) -> None:
        self.unreadable_packets.append(packet)

    def broke(self, error: BaseException) -> None:
        self.errors.append(error)


Story = Callable[[Site, Departures, Hearer], Awaitable[None]]


def run(home: Path, story: Story, nice: int = 255, disk: Disk | None = None) -> Site:
    """Play a story with the departures of the node a."""
    site = Site(home, "a", disk)

    async def whole() -> None:
        async with site.office() as office, asyncio.timeout(WAIT_SECONDS):
            hearer = Hearer()
            leaving = Departures(office, site.peer, nice, Records(office.log, site.peer, nice), hearer)
            await story(site, leaving, hearer)
            await leaving.close()
            assert hearer.errors == []

    asyncio.run(whole())
    return site


def outbox_of(site: Site, nice: int = 255) -> Outbox:
    return Outbox(site.spool, site.peer.id, nice, Records(site.office().log, site.peer, nice))


async def take(leaving: Departures, chunk: Chunk) -> bytes:
    """A piece, when it was read."""
    found: list[bytes] = []

    def is_there() -> bool:
        data = leaving.take(chunk)
        if data is not None:
            found.append(bytes(data))
        return data is not None

    await until(is_there)
    return found[0]


async def take_all(leaving: Departures, packet: PacketId, size_bytes: int, chunk_bytes: int) -> bytes:
    taken = bytearray()
    while len(taken) < size_bytes:
        length_bytes = min(chunk_bytes, size_bytes - len(taken))
        taken += await take(leaving, Chunk(packet, len(taken), length_bytes))
    return bytes(taken)


def content_of(site: Site, packet: PacketId) -> bytes:
    return (site.box(Box.TX) / packet.text).read_bytes()


def test_the_most_urgent_are_listed_first_and_the_small_ones_among_equals(tmp_path: Path) -> None:
    site = Site(tmp_path, "a")
    lazy, large, small = site.queue(b"", 200), site.queue(b"xx", 10), site.queue(b"x", 10)
    site.queue(b"", 201)
    assert outbox_of(site, 200).scan((), 10) == [
        Offer(small, 10, 173),
        Offer(large, 10, 174),
        Offer(lazy, 200, 172),
    ]
    assert [offer.packet for offer in outbox_of(site).scan((), 2)] == [small, large]
    assert [offer.packet for offer in outbox_of(site, 200).scan({small, lazy}, 10)] == [large]


def test_what_is_no_packet_is_passed_over_and_told_once(tmp_path: Path) -> None:
    site = Site(tmp_path, "a")
    good = site.queue(b"")
    name = PacketId(b"x" * 32).text
    (site.box(Box.TX) / name).write_bytes(b"short")
    (site.box(Box.TX) / "batch-being-made").write_bytes(b"")
    (site.box(Box.TX) / PacketId(b"y" * 32).text).mkdir()
    office = site.office()
    outbox = Outbox(site.spool, site.peer.id, 255, Records(office.log, site.peer, 255))
    for _ in range(2):
        assert [offer.packet for offer in outbox.scan((), 10)] == [good]
    office.log.close()
    assert site.log_text().count(f"{name}: 5 bytes") == 1


def test_a_directory_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert outbox_of(Site(tmp_path, "a")).scan((), 10) == []


def test_a_packet_is_removed_with_the_copy_of_its_header_and_that_is_synced(tmp_path: Path) -> None:
    steps: list[str] = []
    site = Site(tmp_path, "a", Disk(is_syncing=False, hook=lambda step, _path: steps.append(step)))
    packets = [site.queue(bytes([number])) for number in range(3)]
    (site.box(Box.TX) / "hdr").mkdir()
    (site.box(Box.TX) / "hdr" / packets[0].text).write_bytes(b"")
    steps.clear()
    outbox_of(site).remove([*packets, PacketId(b"unknown ".ljust(32))])
    assert list(site.box(Box.TX).rglob("*")) == [site.box(Box.TX) / "hdr"]
    assert steps.count("sync-directory") == 1


@pytest.mark.parametrize("chunk_bytes", [LONGEST_CHUNK_BYTES, 1024, 100_000])
def test_a_packet_is_read_whole_in_pieces_of_any_size(tmp_path: Path, chunk_bytes: int) -> None:
    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        packet = site.queue(os.urandom(3_000_000))
        leaving.start([])
        await until(lambda: hearer.offers)
        leaving.requested(packet, 0)
        leaving.read_ahead()
        assert await take_all(leaving, packet, 3_000_172, chunk_bytes) == content_of(site, packet)

    run(tmp_path, story)


def test_a_packet_is_read_from_where_it_is_asked_for_and_anew_when_asked_again(tmp_path: Path) -> None:
    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        packet = site.queue(os.urandom(200_000))
        content = content_of(site, packet)
        leaving.start([])
        await until(lambda: hearer.offers)
        leaving.requested(packet, 150_000)
        leaving.read_ahead()
        assert await take(leaving, Chunk(packet, 150_000, 1000)) == content[150_000:151_000]
        leaving.requested(packet, 10)
        leaving.read_ahead()
        # What the engine had reserved before it forgets: it gets something of that length.
        assert len(await take(leaving, Chunk(packet, 151_000, 1000))) == 1000
        assert await take(leaving, Chunk(packet, 10, 1000)) == content[10:1010]
        leaving.halt([packet])
        assert len(await take(leaving, Chunk(packet, 1010, 50))) == 50

    run(tmp_path, story)


def test_what_is_read_ahead_is_bounded_and_an_urgent_packet_is_read_all_the_same(tmp_path: Path) -> None:
    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        long = site.queue(os.urandom(3 * AHEAD_BYTES), nice=200)
        urgent = site.queue(b"urgent", nice=1)
        leaving.start([])
        await until(lambda: len(hearer.offers) == 2)
        leaving.requested(long, 0)
        leaving.read_ahead()
        await take(leaving, Chunk(long, 0, 1))
        await until(lambda: hearer.read_count >= 1)
        assert leaving.ahead_bytes <= AHEAD_BYTES + departures.BLOCK_BYTES
        leaving.requested(urgent, 0)
        leaving.read_ahead()
        assert await take(leaving, Chunk(urgent, 0, 178)) == content_of(site, urgent)

    run(tmp_path, story)


def test_packets_that_appear_are_found_at_once(tmp_path: Path) -> None:
    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        leaving.start([])
        await until(site.box(Box.TX).is_dir)
        first = site.queue(b"first")
        await until(lambda: [offer.packet for offer in hearer.offers] == [first])
        second = site.queue(b"second", nice=9)
        await until(lambda: hearer.offers[1:] == [Offer(second, 9, 178)])

    run(tmp_path, story)


def test_a_session_that_ends_at_once_leaves_no_watch_behind(tmp_path: Path) -> None:
    site = Site(tmp_path, "a")

    async def story() -> None:
        async with site.office() as office, asyncio.timeout(WAIT_SECONDS):
            hearer = Hearer()
            leaving = Departures(office, site.peer, 255, Records(office.log, site.peer, 255), hearer)
            leaving.start([])
            await leaving.close()
            told: list[str] = []
            office.watch.add(site.box(Box.TX), lambda names: told.extend(names or ()))
            packet = site.queue(b"late")
            await until(lambda: packet.text in told)
            assert hearer.offers == []

    asyncio.run(story())
    assert [thread.name for thread in threading.enumerate() if thread.name == f"read {site.peer.name}"] == []


def test_what_the_watch_misses_is_found_by_looking(tmp_path: Path) -> None:
    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        packet = site.queue(b"x")
        leaving.start([])
        await until(lambda: hearer.offers)
        # A hard link is no event that is watched for.
        other = PacketId(b"o" * 32)
        (site.box(Box.TX) / other.text).hardlink_to(site.box(Box.TX) / packet.text)
        leaving.rescan()
        await until(lambda: [offer.packet for offer in hearer.offers] == [packet, other])

    run(tmp_path, story)


def test_of_very_many_packets_the_others_follow_when_some_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "OFFER_LIMIT_COUNT", 4)

    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        packets = [site.queue(b"", nice=nice) for nice in range(1, 11)]
        leaving.start([])
        await until(lambda: len(hearer.offers) == 4)
        assert [offer.packet for offer in hearer.offers] == packets[:4]
        leaving.confirmed(packets[:3])
        await until(lambda: len(hearer.offers) == 7)
        assert [offer.packet for offer in hearer.offers[4:]] == packets[4:7]

    run(tmp_path, story)


def test_a_packet_that_is_gone_or_shorter_can_not_be_read(tmp_path: Path) -> None:
    async def story(site: Site, leaving: Departures, hearer: Hearer) -> None:
        gone, short = site.queue(b"gone"), site.queue(b"short" * 100)
        leaving.start([])
        await until(lambda: len(hearer.offers) == 2)
        (site.box(Box.TX) / gone.text).unlink()
        os.truncate(site.box(Box.TX) / short.text, 200)
        for packet in (gone, short):
            leaving.requested(packet, 0)
            leaving.read_ahead()
        await until(lambda: hearer.unreadable_packets == [gone, short])
        leaving.requested(PacketId(b"never offered".ljust(32)), 0)
        assert len(hearer.unreadable_packets) == 3

    run(tmp_path, story)


def test_a_bug_in_the_thread_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(tmp_path, "a", Disk(is_syncing=False, hook=_raise))

    async def story() -> None:
        async with site.office() as office, asyncio.timeout(WAIT_SECONDS):
            hearer = Hearer()
            leaving = Departures(office, site.peer, 255, Records(office.log, site.peer, 255), hearer)
            leaving.start([])
            await until(lambda: hearer.errors)
            await leaving.close()

    asyncio.run(story())
    assert "a bug" in caplog.text


def _raise(_step: str, _path: Path) -> None:
    raise RuntimeError("a bug")
