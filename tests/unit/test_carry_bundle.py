"""Bundles made from tx, taken into rx, and confirmed."""

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.carry.bundle_purposes import Confirm, ReadSettings, Receive
from gateway.carry.bundle_reception import TOLD_COUNT, BundleReception
from gateway.carry.bundle_sender import BundleResult, BundleSender, SendSettings
from gateway.durable import Disk
from gateway.errors import StoreCorrupt, StoreError, Truncated
from gateway.ids import PacketId
from gateway.packet.bundle import encode_entry
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from tests.support.bundles import entry, read
from tests.support.tossing import Pair, files_below, forget


class Site(Pair):
    """a, b and c, and the stream between them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "c")
        self.synced_count = 0

    def queue(self, body: bytes = b"body", to: str = "b", **fields: Any) -> Path:
        """Queue a packet at a; returns it there."""
        rx = self.send("x", body, to=to, **fields)
        rx.unlink()
        return self.spools["a"].layout.box(self.id(to), Box.TX) / rx.name

    def bundle(self, *to: str, **settings: Any) -> bytes:
        """What a sends; its result must be good."""
        out = bytearray()
        nodes = [self.books["a"].nodes[name] for name in to]
        sender = BundleSender(self.id("a"), self.spools["a"], self.log("a"), SendSettings(**settings))
        result = sender.run_once(nodes, out.extend, self._sync)
        assert result.bad_count == 0
        return bytes(out)

    def _sync(self) -> None:
        self.synced_count += 1

    def receive(
        self, stream: bytes, at: str = "b", disk: Disk | None = None, **settings: Any
    ) -> BundleResult:
        spool = self.spools[at] if disk is None else Spool(self.spools[at].root, disk)
        purpose = Receive(self.books[at], spool, self.log(at), ReadSettings(**settings))
        return BundleReception(purpose, self.log(at)).run_once(pieces_of(stream))

    def confirm(self, stream: bytes, **settings: Any) -> BundleResult:
        purpose = Confirm(self.spools["a"], self.log("a"), ReadSettings(**settings))
        return BundleReception(purpose, self.log("a")).run_once(pieces_of(stream))


def pieces_of(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1000] for at in range(0, len(stream), 1000)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_packets_travel_from_tx_to_rx(site: Site) -> None:
    packets = [site.queue(os.urandom(size)) for size in (0, 1000, 200_000)]
    contents = {packet.name: packet.read_bytes() for packet in packets}
    stream = site.bundle("b")
    assert site.receive(stream) == BundleResult(done_count=3)
    assert {job.packet.text: job.path.read_bytes() for job in site.received()} == contents
    assert all(packet.exists() for packet in packets)
    assert files_below(site.spools["b"].root / "tmp") == []


def test_what_is_logged(site: Site) -> None:
    packet = site.queue()
    size = packet.stat().st_size
    site.receive(site.bundle("b"))
    assert site.log_text("a").split("\n", 2)[2] == (
        f"Who: bundle-tx\nXX: tx\nNode: {site.id('b')}\nPkt: {packet.name}\nSize: {size}\n"
        f"Msg: Bundle transfer, sent to node b {packet.name} ({size} B)\n"
    )
    assert site.log_text("b").split("\n", 2)[2] == (
        f"Who: bundle-rx\nXX: rx\nNode: {site.id('a')}\nPkt: {packet.name}\nFullSize: {size}\nSize: {size}\n"
        f"Msg: Bundle transfer, received from {site.id('a')} {packet.name} ({size} B)\n"
    )


class TestSending:
    def test_the_most_urgent_go_first(self, site: Site) -> None:
        queued = [site.queue(os.urandom(size), nice=nice) for nice, size in [(200, 1), (10, 900), (10, 5)]]
        found, _ = read(site.bundle("b"))
        assert [packet.text for packet, _ in found] == [queued[index].name for index in (2, 1, 0)]

    def test_only_what_is_wanted_is_sent(self, site: Site) -> None:
        site.queue(nice=100)
        packet = site.queue(nice=50)
        site.queue(to="c", nice=50)
        assert [found.text for found, _ in read(site.bundle("b", "b", nice=50))[0]] == [packet.name]

    def test_without_nodes_the_stream_is_empty(self, site: Site) -> None:
        site.queue()
        assert site.bundle() == b""

    def test_what_was_handed_over_is_removed_after_the_sync(self, site: Site) -> None:
        packet, too_nice = site.queue(nice=50), site.queue(nice=60)
        site.bundle("b", nice=50)
        assert packet.exists()
        site.bundle("b", nice=50, is_deleting=True)
        assert site.synced_count == 2
        assert not packet.exists()
        assert not (packet.parent / "hdr" / packet.name).exists()
        assert too_nice.exists()

    def test_when_the_stream_breaks_nothing_is_removed(self, site: Site) -> None:
        packets = [site.queue(), site.queue()]
        left_count = 4

        def write(_piece: bytes | memoryview) -> None:
            nonlocal left_count
            left_count -= 1
            if not left_count:
                raise StoreError("nobody reads any more")

        sender = BundleSender(site.id("a"), site.spools["a"], site.log("a"), SendSettings(is_deleting=True))
        with pytest.raises(StoreError, match="nobody reads"):
            sender.run_once([site.books["a"].nodes["b"]], write, lambda: None)
        assert all(packet.exists() for packet in packets)

    def test_when_the_sync_fails_nothing_is_removed(self, site: Site) -> None:
        packet = site.queue()

        def fail() -> None:
            raise StoreError("the tape is full")

        sender = BundleSender(site.id("a"), site.spools["a"], site.log("a"), SendSettings(is_deleting=True))
        with pytest.raises(StoreError, match="the tape is full"):
            sender.run_once([site.books["a"].nodes["b"]], bytearray().extend, fail)
        assert packet.exists()

    def test_what_is_no_packet_is_told_and_left_out(self, site: Site) -> None:
        packet = site.queue()
        broken = packet.with_name(PacketId(b"x" * 32).text)
        broken.write_bytes(b"short")
        out = bytearray()
        sender = BundleSender(site.id("a"), site.spools["a"], site.log("a"), SendSettings(is_deleting=True))
        result = sender.run_once([site.books["a"].nodes["b"]], out.extend, lambda: None)
        assert result == BundleResult(done_count=1, bad_count=1)
        assert broken.exists()
        assert [found.text for found, _ in read(bytes(out))[0]] == [packet.name]

    def test_a_packet_that_changes_while_it_is_read_breaks_the_stream(self, site: Site) -> None:
        packet = site.queue(os.urandom(3_000_000))
        out = bytearray()

        def write(piece: bytes | memoryview) -> None:
            out.extend(piece)
            os.truncate(packet, 1_500_000)

        sender = BundleSender(site.id("a"), site.spools["a"], site.log("a"), SendSettings(is_deleting=True))
        with pytest.raises(StoreCorrupt, match="changed while it was read"):
            sender.run_once([site.books["a"].nodes["b"]], write, lambda: None)
        with pytest.raises(Truncated):
            site.receive(bytes(out))
        assert site.received() == []


class TestReceiving:
    def test_a_damaged_packet_is_told_and_the_others_are_taken(self, site: Site) -> None:
        first, second = site.queue(nice=1), site.queue(nice=2)
        stream = bytearray(site.bundle("b"))
        stream[1024 + 300] ^= 1
        assert site.receive(bytes(stream)) == BundleResult(done_count=1, bad_count=1)
        assert [job.packet.text for job in site.received()] == [second.name]
        assert f"Msg: Bundle transfer {site.id('a')}/rx/{first.name}" in site.log_text("b")
        assert "Err: bad checksum" in site.log_text("b")
        assert files_below(site.spools["b"].root / "tmp") == []

    @pytest.mark.parametrize("cut_bytes", [1, 600, 1024, 1100, 2000])
    def test_a_stream_that_was_cut_is_told_and_nothing_of_the_last_packet_stays(
        self, site: Site, cut_bytes: int
    ) -> None:
        first = site.queue(nice=1)
        site.queue(os.urandom(3000), nice=2)
        stream = site.bundle("b")
        with pytest.raises(Truncated):
            site.receive(stream[: 1536 + 512 + cut_bytes])
        assert [job.packet.text for job in site.received()] == [first.name]
        assert files_below(site.spools["b"].root / "tmp") == []

    def test_a_packet_that_is_here_or_was_tossed_is_passed_over(self, site: Site) -> None:
        packet = site.queue()
        stream = site.bundle("b")
        site.receive(stream)
        [job] = site.received()
        job.path.write_bytes(b"untouched" * 50)
        assert site.receive(stream) == BundleResult()
        assert job.path.read_bytes() == b"untouched" * 50
        job.path.unlink()
        site.spools["b"].mark_seen(site.id("a"), PacketId.parse(packet.name))
        assert site.receive(stream) == BundleResult()
        assert site.received() == []

    def test_packets_for_others_are_passed_over(self, site: Site) -> None:
        site.queue(to="c")
        assert site.receive(site.bundle("c")) == BundleResult()
        assert not site.spools["b"].root.joinpath(site.id("a").text).exists()

    def test_packets_of_unknown_nodes_are_told_and_not_stored(self, site: Site) -> None:
        site.queue()
        site.books["b"] = forget(site.books["b"], "a")
        assert site.receive(site.bundle("b")) == BundleResult()
        assert "unknown sender" in site.log_text("b")
        assert site.received() == []

    @pytest.mark.parametrize(("settings", "count"), [({"nice": 49}, 0), ({"nice": 50}, 1)])
    def test_what_is_too_nice_is_passed_over(self, site: Site, settings: dict[str, Any], count: int) -> None:
        site.queue(nice=50)
        assert site.receive(site.bundle("b"), **settings).done_count == count
        assert len(site.received()) == count

    def test_only_the_named_senders_are_received_from(self, site: Site) -> None:
        site.queue()
        stream = site.bundle("b")
        assert site.receive(stream, only={site.id("c")}) == BundleResult()
        assert site.receive(stream, only={site.id("a")}) == BundleResult(done_count=1)

    def test_a_dry_run_verifies_and_stores_nothing(self, site: Site) -> None:
        site.queue()
        stream = bytearray(site.bundle("b"))
        assert site.receive(bytes(stream), is_dry_run=True) == BundleResult(done_count=1)
        stream[1400] ^= 1
        assert site.receive(bytes(stream), is_dry_run=True) == BundleResult(bad_count=1)
        assert files_below(site.spools["b"].root) == []

    def test_the_path_in_the_stream_leads_nowhere(self, site: Site) -> None:
        packet = site.queue()
        body = packet.read_bytes()
        head = encode_entry(site.id("b"), site.id("a"), PacketId.parse(packet.name), len(body))
        hostile = bytearray(head[512:])
        hostile[345:500] = b"../../../../etc".ljust(155, b"\0")
        hostile[148:156] = b" " * 8
        hostile[148:156] = b"%06o\0 " % sum(hostile)
        assert site.receive(head[:512] + bytes(hostile) + body) == BundleResult(done_count=1)
        [job] = site.received()
        assert job.path == site.spools["b"].layout.packet(site.id("a"), Box.RX, PacketId.parse(packet.name))

    def test_garbage_with_a_packets_name_is_told(self, site: Site) -> None:
        assert site.receive(entry() + entry()) == BundleResult(bad_count=2)

    def test_many_entries_that_are_no_packets_do_not_fill_the_log(self, site: Site) -> None:
        directory = entry()[:512]
        assert site.receive(directory * 1000 + entry()[:512] + entry(body=b"small")).bad_count > TOLD_COUNT
        assert site.log_text("b").count("\nWho:") == TOLD_COUNT + 1
        assert "more entries are not packets" in site.log_text("b")


class TestConfirming:
    def test_a_packet_that_can_be_read_again_is_removed(self, site: Site) -> None:
        packet, other = site.queue(nice=1), site.queue(nice=2)
        stream = bytearray(site.bundle("b"))
        stream[1536 + 1024 + 300] ^= 1
        assert site.confirm(bytes(stream)) == BundleResult(done_count=1, bad_count=1)
        assert not packet.exists()
        assert not (packet.parent / "hdr" / packet.name).exists()
        assert other.exists()
        assert f"Msg: Bundle transfer {site.id('b')}/tx/{packet.name}: removed" in site.log_text("a")
        assert f"Bundle transfer {site.id('b')}/tx/{other.name}\n" in site.log_text("a")

    @pytest.mark.parametrize("settings", [{"is_dry_run": True}, {"nice": 10}, {"only": set()}])
    def test_what_is_not_wanted_stays(self, site: Site, settings: dict[str, Any]) -> None:
        packet = site.queue(nice=50)
        assert site.confirm(site.bundle("b"), **settings).bad_count == 0
        assert packet.exists()

    def test_what_is_gone_already_is_no_error(self, site: Site) -> None:
        site.queue()
        stream = site.bundle("b", is_deleting=True)
        assert site.confirm(stream) == BundleResult()
