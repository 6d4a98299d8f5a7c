"""Sessions between two nodes of ours, and with a peer that the test plays."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from gateway.carry.online.call import CallPlan
from gateway.carry.online.ending import Ending
from gateway.carry.online.listener import ListenerSettings
from gateway.carry.online.office import Hooks
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.link.events import Confirmed, EndReason, Halted, Offer, Offered, Received, Requested
from gateway.link.settings import LinkSettings, Padding
from gateway.nodes import Node
from gateway.packet.mth import mth
from gateway.spool.layout import Box, LockKind
from gateway.spool.link_state import LinkStates
from tests.support.online_sessions import SHORT, WAIT_SECONDS, Site, meet, meet_in, played, until
from tests.support.spools import make_packet

LASTING = LinkSettings(padding=Padding.NONE, idle_seconds=60)


def sites(home: Path) -> tuple[Site, Site]:
    return Site(home, "a"), Site(home, "b")


def content_of(body: bytes, nice: int = 96) -> tuple[PacketId, bytes]:
    content = make_packet(nice, body)
    return PacketId(mth(content)), content


def test_packets_go_both_ways_and_are_removed_where_they_came_from(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    to_b = {a.queue(os.urandom(size)).text for size in (0, 1, 65_000, 65_232, 300_000)}
    to_a = {b.queue(os.urandom(size)).text for size in (5, 2_000_000)}
    result, ending = asyncio.run(meet(a, b))
    assert (result.is_connected, result.is_complete) == (True, True)
    assert ending.is_complete
    assert b.names(Box.RX) == to_b
    assert a.names(Box.RX) == to_a
    assert a.names(Box.TX) == b.names(Box.TX) == set()
    for site, names in ((a, to_a), (b, to_b)):
        for name in names:
            content = (site.box(Box.RX) / name).read_bytes()
            assert mth(content) == PacketId.parse(name).raw
            assert (site.box(Box.RX) / "hdr" / name).read_bytes() == content[:172]


def test_the_log_tells_what_the_go_tools_tell(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    a.queue(b"x")
    asyncio.run(meet(a, b))
    assert a.events() == ["sp-infos-tx", "call-started", "sp-done", "call-finished"]
    assert b.events() == ["call-started", "sp-infos-rx", "sp-info", "sp-file-done", "call-finished"]


def test_small_packets_that_gather_while_the_disk_is_busy_share_one_sync_of_the_directory(
    tmp_path: Path,
) -> None:
    steps: list[tuple[str, str]] = []
    count = 300
    all_are_written = threading.Event()

    def hook(step: str, path: Path) -> None:
        steps.append((step, path.name))
        if sum(name == "write" for name, _ in steps) == count:
            all_are_written.set()
        if step == "sync" and path.name.endswith(".part"):
            assert all_are_written.wait(WAIT_SECONDS)

    a, b = Site(tmp_path, "a"), Site(tmp_path, "b", Disk(is_syncing=False, hook=hook))
    names = {a.queue(os.urandom(100)).text for _ in range(count)}
    patient = LinkSettings(padding=Padding.NONE, idle_seconds=5)
    result, _ = asyncio.run(meet(a, b, patient))
    assert result.is_complete
    assert b.names(Box.RX) == names
    assert sum(step == "sync" and name.endswith(".part") for step, name in steps) == count
    assert steps.count(("sync-directory", "rx")) < 10


@pytest.mark.parametrize(("way", "box"), [("rx", Box.RX), ("tx", Box.TX)])
def test_a_call_may_go_one_way_only_and_then_needs_one_lock_only(tmp_path: Path, way: str, box: Box) -> None:
    a, b = sites(tmp_path)
    a.queue(b"to b")
    b.queue(b"to a")
    settings = LinkSettings(
        padding=Padding.NONE, idle_seconds=1, is_receiving=way == "rx", is_sending=way == "tx"
    )
    other_lock = LockKind.TX if way == "rx" else LockKind.RX
    with a.spool.lock(a.peer.id, other_lock):
        result, _ = asyncio.run(meet(a, b, settings))
    assert result.is_complete
    assert (len(a.names(Box.RX)), len(b.names(Box.RX))) == ((1, 0) if box is Box.RX else (0, 1))


def test_a_listing_takes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    packet = b.queue(b"to a", nice=200)
    a.queue(b"to b")
    with a.spool.lock(a.peer.id, LockKind.RX), a.spool.lock(a.peer.id, LockKind.TX):
        settings = LinkSettings(padding=Padding.NONE, idle_seconds=1, nice=10)
        result, _ = asyncio.run(meet(a, b, settings, is_listing=True))
    assert result.is_connected
    assert a.names(Box.RX) == b.names(Box.RX) == set()
    assert f"Packet {packet} (" in a.log_text()
    assert "sp-infos-tx" not in a.events()


def test_only_the_packets_that_are_named_are_taken(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    wanted = b.queue(b"one")
    other = b.queue(b"two")
    asyncio.run(meet(a, b, only=frozenset({wanted})))
    assert a.names(Box.RX) == {wanted.text}
    assert b.names(Box.TX) == {other.text}
    assert a.events().count("sp-info") == 2


def test_packets_that_are_too_nice_stay(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    urgent, lazy = a.queue(b"x", nice=10), a.queue(b"y", nice=11)
    asyncio.run(meet(a, b, LinkSettings(padding=Padding.NONE, idle_seconds=1, nice=10)))
    assert b.names(Box.RX) == {urgent.text}
    assert a.names(Box.TX) == {lazy.text}


def test_what_is_here_already_or_was_tossed_is_confirmed_and_not_sent_again(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    here, tossed = a.queue(b"here"), a.queue(b"tossed")
    b.box(Box.RX).mkdir(parents=True)
    (b.box(Box.RX) / here.text).write_bytes((a.box(Box.TX) / here.text).read_bytes())
    b.spool.mark_seen(b.peer.id, tossed)
    _, ending = asyncio.run(meet(a, b))
    assert a.names(Box.TX) == set()
    assert b.names(Box.RX) == {here.text}
    assert {"sp-info-done", "sp-info-seen"} <= set(b.events())
    assert ending.received_bytes < 2000


def test_a_download_goes_on_where_it_was_and_is_verified_as_a_whole(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    packet = a.queue(os.urandom(500_000))
    content = (a.box(Box.TX) / packet.text).read_bytes()
    b.box(Box.RX).mkdir(parents=True)
    (b.box(Box.RX) / f"{packet}.part").write_bytes(content[:400_001])
    _, ending = asyncio.run(meet(a, b))
    assert ending.received_bytes < 110_000
    assert b.names(Box.RX) == {packet.text}
    assert a.names(Box.TX) == set()
    assert {"sp-file-downloaded", "sp-checker-done"} <= set(b.events())


def test_a_whole_part_is_verified_without_the_network(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    packet = a.queue(os.urandom(100_000))
    content = (a.box(Box.TX) / packet.text).read_bytes()
    b.box(Box.RX).mkdir(parents=True)
    (b.box(Box.RX) / f"{packet}.part").write_bytes(content)
    _, ending = asyncio.run(meet(a, b))
    assert ending.received_bytes < 2000
    assert b.names(Box.RX) == {packet.text}
    assert a.names(Box.TX) == set()


@pytest.mark.parametrize(
    "length", [99_999, 100_172, 100_173, 200_000], ids=["shorter", "as long", "longer", "far longer"]
)
def test_a_part_with_wrong_content_is_replaced_in_the_same_session(tmp_path: Path, length: int) -> None:
    a, b = sites(tmp_path)
    packet = a.queue(os.urandom(100_000))
    b.box(Box.RX).mkdir(parents=True)
    (b.box(Box.RX) / f"{packet}.part").write_bytes(os.urandom(length))
    asyncio.run(meet(a, b))
    assert b.names(Box.RX) == {packet.text}
    assert a.names(Box.TX) == set()


def test_unverified_files_of_an_earlier_session_are_verified_and_bad_ones_fetched_anew(
    tmp_path: Path,
) -> None:
    a, b = sites(tmp_path)
    good, bad = a.queue(b"good"), a.queue(b"bad")
    b.box(Box.RX).mkdir(parents=True)
    (b.box(Box.RX) / f"{good}.nock").write_bytes((a.box(Box.TX) / good.text).read_bytes())
    (b.box(Box.RX) / f"{bad}.nock").write_bytes(b"garbage")
    asyncio.run(meet(a, b))
    assert b.names(Box.RX) == {good.text, bad.text}
    assert a.names(Box.TX) == set()
    assert "Err: the hash is wrong; it is removed" in b.log_text()


@pytest.mark.parametrize("is_offered_first", [True, False])
def test_what_an_earlier_session_left_unverified_is_confirmed_once(
    tmp_path: Path, *, is_offered_first: bool
) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        left, content = content_of(b"left")
        here, here_content = content_of(b"here")
        b.box(Box.RX).mkdir(parents=True)
        (b.box(Box.RX) / f"{left}.nock").write_bytes(content)
        (b.box(Box.RX) / here.text).write_bytes(here_content)
        offers = [Offer(left, 1, len(content))]
        async with played(b, settings=LASTING) as (peer, _):
            await peer.begin(offers if is_offered_first else [])
            await peer.until(lambda: peer.session.is_established)
            await until(lambda: "sp-checker-done" in b.events())
            more = [] if is_offered_first else offers
            more.append(Offer(here, 2, len(here_content)))
            peer.session.announce(more, asyncio.get_running_loop().time())
            await peer.flush()
            await peer.until(lambda: {left, here} <= {event.packet for event in peer.of(Confirmed)})
            assert len(peer.of(Confirmed)) == 2

    asyncio.run(story())


def test_without_verifying_packets_stay_aside_and_are_not_confirmed(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    packet = a.queue(b"x" * 1000)
    asyncio.run(meet(a, b, listening=ListenerSettings(is_nock=True)))
    assert b.names(Box.RX) == {f"{packet}.nock"}
    assert a.names(Box.TX) == {packet.text}
    asyncio.run(meet(a, b, listening=ListenerSettings(is_nock=True)))
    assert "sp-info-nock" in b.events()
    asyncio.run(meet(a, b))
    assert b.names(Box.RX) == {packet.text}
    assert a.names(Box.TX) == set()


def test_a_packet_that_appears_in_a_session_is_sent_at_once(tmp_path: Path) -> None:
    async def story() -> float:
        a, b = sites(tmp_path)
        loop = asyncio.get_running_loop()
        async with a.office() as calling, b.office() as answering:
            session = asyncio.ensure_future(meet_in(calling, answering, CallPlan(a.peer, (), SHORT)))
            await until(lambda: "call-started" in a.events())
            started = loop.time()
            packet = a.queue(b"new")
            await until(lambda: packet.text in b.names(Box.RX))
            took_seconds = loop.time() - started
            await session
        assert a.names(Box.TX) == set()
        return took_seconds

    assert asyncio.run(story()) < 5


def test_an_urgent_packet_overtakes_a_long_one(tmp_path: Path) -> None:
    async def story() -> None:
        a, b = sites(tmp_path)
        long = a.queue(os.urandom(40_000_000), nice=200)
        async with a.office() as calling, b.office() as answering:
            # So slow that the long one takes minutes.
            settings = LinkSettings(padding=Padding.NONE, tx_per_second_count=20)
            session = asyncio.ensure_future(meet_in(calling, answering, CallPlan(a.peer, (), settings)))
            await until(lambda: f"{long}.part" in b.names(Box.RX))
            urgent = a.queue(b"urgent", nice=1)
            await until(lambda: urgent.text in b.names(Box.RX))
            assert f"{long}.part" in b.names(Box.RX)
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)
        assert (b.box(Box.RX) / f"{long}.part").stat().st_size > 0

    asyncio.run(story())


def test_a_cancelled_call_confirms_what_is_whole_and_keeps_what_is_not(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        whole, content = content_of(b"whole")
        half, long_content = content_of(os.urandom(200_000))
        async with played(b, settings=LASTING) as (peer, serving):
            await peer.begin([Offer(whole, 1, len(content)), Offer(half, 2, len(long_content))])
            await peer.until(lambda: len(peer.of(Requested)) == 2)
            for piece in (content, long_content[:65_232]):
                chunk = peer.session.wants_chunk(asyncio.get_running_loop().time())
                assert chunk is not None
                peer.session.send_chunk(chunk, piece[: chunk.length_bytes], asyncio.get_running_loop().time())
                await peer.flush()
            await until(lambda: f"{half}.part" in b.names(Box.RX))
            serving.cancel()
            await peer.until_closed()
            assert [event.packet for event in peer.of(Confirmed)] == [whole]
        assert b.names(Box.RX) == {whole.text, f"{half}.part"}
        assert (b.box(Box.RX) / f"{half}.part").read_bytes() == long_content[:65_232]

    asyncio.run(story())


def test_a_wrong_hash_ends_that_packet_only_and_nothing_is_confirmed(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        packet, content = content_of(b"x" * 1000)
        other, other_content = content_of(b"y")
        async with played(b) as (peer, serving):
            await peer.begin([Offer(packet, 1, len(content))])
            await peer.until(lambda: peer.of(Requested))
            await peer.send_packet(content[:-1] + b"!")
            peer.session.announce([Offer(other, 1, len(other_content))], asyncio.get_running_loop().time())
            await peer.flush()
            await peer.until(lambda: len(peer.of(Requested)) == 2)
            await peer.send_packet(other_content)
            await peer.until(lambda: peer.of(Confirmed))
            assert [event.packet for event in peer.of(Confirmed)] == [other]
            peer.close()
            ending = await serving
            assert not ending.is_complete
        assert b.names(Box.RX) == {other.text}
        assert "sp-file-bad-checksum" in b.events()

    asyncio.run(story())


def test_a_packet_for_which_there_is_no_space_is_not_asked_for(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        small, content = content_of(b"small")
        async with played(b) as (peer, _):
            await peer.begin([Offer(PacketId(b"h" * 32), 1, 1 << 60), Offer(small, 2, len(content))])
            await peer.until(lambda: peer.of(Requested))
            assert [event.packet for event in peer.of(Requested)] == [small]
        assert "sp-info-no-space" in b.events()

    asyncio.run(story())


def test_a_reserve_of_space_is_not_used(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    a.queue(b"x")

    async def story() -> None:
        async with a.office() as calling, b.office(reserve_bytes=1 << 60) as answering:
            result, _ = await meet_in(calling, answering, CallPlan(a.peer, (), SHORT))
            assert result.is_connected

    asyncio.run(story())
    assert b.names(Box.RX) == set()
    assert "sp-info-no-space" in b.events()


def test_a_neighbour_that_is_busy_is_not_answered(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    with b.spool.lock(b.peer.id, LockKind.TX):
        result, ending = asyncio.run(meet(a, b))
    assert not result.is_connected
    assert ending.ended.reason is EndReason.REFUSED
    assert "lockdir-flock" in b.events()


def test_a_caller_whose_own_locks_are_held_does_not_call(tmp_path: Path) -> None:
    a, b = sites(tmp_path)

    async def story() -> None:
        async with b.office() as answering, a.office() as calling:
            with a.spool.lock(a.peer.id, LockKind.RX):
                result, _ = await meet_in(calling, answering, CallPlan(a.peer, (), SHORT))
        assert not result.is_connected
        assert "is locked by another process" in result.text

    asyncio.run(story())


def test_the_locks_are_free_when_the_session_is_over(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    asyncio.run(meet(a, b))
    for site in (a, b):
        for kind in (LockKind.RX, LockKind.TX):
            with site.spool.lock(site.peer.id, kind):
                pass


def test_hooks_are_called_before_and_when_something_came(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    b.queue(b"x")
    told: list[str] = []

    def on_start(node: Node) -> None:
        told.append(f"start {node.name}")
        a.queue(b"made at the last moment")

    hooks = Hooks(on_start=on_start, on_received=lambda node: told.append(f"received {node.name}"))
    asyncio.run(meet(a, b, hooks=hooks))
    assert told == ["start b", "received b"]
    assert len(b.names(Box.RX)) == 1


def test_the_state_of_the_link_is_kept(tmp_path: Path) -> None:
    a, b = sites(tmp_path)
    a.queue(b"x")

    async def story() -> Ending:
        links = LinkStates(a.spool.layout, a.spool.disk)
        async with a.office(links=links) as calling, b.office() as answering:
            _, ending = await meet_in(calling, answering, CallPlan(a.peer, (), SHORT))
        state = links.read(a.peer.id)
        assert state.history is not None
        assert state.history.totals.session_count == 1
        assert state.history.totals.sent_bytes == ending.received_bytes
        assert state.sessions == ()
        return ending

    asyncio.run(story())


def test_a_peer_that_halts_and_asks_again_gets_the_packet(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        packet = b.queue(os.urandom(3_000_000))
        async with played(b) as (peer, _):
            await peer.begin()
            await peer.until(lambda: peer.of(Offered))
            now = asyncio.get_running_loop().time()
            peer.session.request(packet, 0, now)
            await peer.flush()
            peer.session.request(packet, 2_900_000, now)
            await peer.flush()
            await peer.until(lambda: any(event.is_last for event in peer.of(Received)))
            assert peer.of(Halted) == []

    asyncio.run(story())


def test_a_packet_that_vanishes_is_passed_over(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        gone, there = b.queue(b"gone", nice=1), b.queue(b"there", nice=2)
        async with played(b) as (peer, serving):
            await peer.begin()
            await peer.until(lambda: len(peer.of(Offered)) == 2)
            (b.box(Box.TX) / gone.text).unlink()
            now = asyncio.get_running_loop().time()
            peer.session.request(gone, 0, now)
            peer.session.request(there, 0, now)
            await peer.flush()
            await peer.until(lambda: any(event.packet == there for event in peer.of(Received)))
            peer.close()
            assert not (await serving).is_complete

    asyncio.run(story())


def test_a_disk_that_refuses_ends_one_packet_only(tmp_path: Path) -> None:
    a = Site(tmp_path, "a")
    bad, good = a.queue(b"bad" * 30_000), a.queue(b"good")

    def hook(step: str, path: Path) -> None:
        if step == "write" and path.name.startswith(bad.text):
            raise OSError(28, os.strerror(28))

    b = Site(tmp_path, "b", Disk(is_syncing=False, hook=hook))
    result, ending = asyncio.run(meet(a, b))
    assert result.is_connected
    assert not ending.is_complete
    assert good.text in b.names(Box.RX)
    assert bad.text not in b.names(Box.RX)
    assert a.names(Box.TX) == {bad.text}
    assert "No space left on device" in b.log_text()


def test_a_bug_in_a_thread_ends_the_session_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a = Site(tmp_path, "a")
    a.queue(b"x")

    def hook(step: str, _path: Path) -> None:
        if step == "write":
            raise RuntimeError("a bug")

    b = Site(tmp_path, "b", Disk(is_syncing=False, hook=hook))
    _, ending = asyncio.run(meet(a, b))
    assert ending.ended.reason is EndReason.CUT
    assert "a fault of this program: RuntimeError('a bug')" in b.log_text()
    assert "a bug" in caplog.text
