"""Acknowledgements remove what arrived, and are made for what was done."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.ids import PacketId
from gateway.nodes import Ack, Book
from gateway.packet.plain import PacketType, PlainHeader
from gateway.spool.layout import Box, header_path
from gateway.toss.tosser import TossResult
from gateway.tx.ack_packet import AckRequest, send_ack
from gateway.tx.exec_packet import send_exec
from tests.support.packets import open_layers
from tests.support.tossing import Pair, failing_disk

DONE = TossResult(done_count=1)
BAD = TossResult(bad_count=1)


def queue_at_b(pair: Pair) -> Path:
    """Let a packet wait at b for a."""
    own = pair.books["b"].private_keys()
    request = dataclasses.replace(pair.request("x"), destination=pair.books["b"].find("a"))
    sealed = send_exec(pair.spools["b"], own, request, [b"body"])
    return pair.spools["b"].layout.packet(pair.id("a"), Box.TX, sealed.packet)


def set_ack(pair: Pair, ack: Ack) -> None:
    book = pair.books["b"]
    pair.books["b"] = Book(book.own, {**book.nodes, "a": dataclasses.replace(book.nodes["a"], ack=ack)})


class TestReceived:
    """What an acknowledgement does to our tx."""

    def test_the_packet_that_arrived_is_removed(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        kept, gone = queue_at_b(pair), queue_at_b(pair)
        pair.put_typed(PacketType.ACK, PacketId.parse(gone.name).raw)
        assert pair.toss() == DONE
        assert (kept.exists(), gone.exists(), header_path(gone).exists()) == (True, False, False)
        assert f"Type: ack\nPkt: {gone.name}\nMsg: Got ACK packet from a of {gone.name}\n" in pair.log_text()
        assert pair.received() == []

    def test_a_packet_that_is_not_there_is_no_error(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.put_typed(PacketType.ACK, b"p" * 32)
        assert pair.toss() == DONE

    def test_only_the_senders_own_packets_go(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c")
        waiting = queue_at_b(pair)
        other = pair.spools["b"].layout.packet(pair.id("c"), Box.TX, PacketId.parse(waiting.name))
        other.parent.mkdir(parents=True)
        waiting.rename(other)
        pair.put_typed(PacketType.ACK, PacketId.parse(other.name).raw)
        pair.toss()
        assert other.exists()

    @pytest.mark.parametrize("path", [b"", b"short", b"p" * 33, b"../" * 11])
    def test_a_path_that_is_no_id_is_bad(self, tmp_path: Path, path: bytes) -> None:
        pair = Pair(tmp_path)
        pair.put_typed(PacketType.ACK, path)
        assert pair.toss() == BAD
        assert "Who: rx-unmarshal" in pair.log_text()

    def test_a_cut_one_removes_nothing(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        waiting = queue_at_b(pair)
        path = pair.put_typed(PacketType.ACK, PacketId.parse(waiting.name).raw, bytes(200_000))
        path.write_bytes(path.read_bytes()[: 172 + 131_072 + 16])
        assert pair.toss() == BAD
        assert waiting.exists()

    def test_a_dry_run_removes_nothing(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        waiting = queue_at_b(pair)
        pair.put_typed(PacketType.ACK, PacketId.parse(waiting.name).raw)
        assert pair.toss(is_dry_run=True) == DONE
        assert waiting.exists()
        assert len(pair.received()) == 1

    def test_a_disk_that_refuses_keeps_the_acknowledgement(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        waiting = queue_at_b(pair)
        pair.toss()
        pair.put_typed(PacketType.ACK, PacketId.parse(waiting.name).raw)
        _, steps = failing_disk(10**6)
        steps_of_listing = 0
        while waiting.exists():
            disk, steps = failing_disk(steps_of_listing)
            pair.toss(disk=disk)
            steps_of_listing += 1
            assert "remove" in steps or waiting.exists()
        pair.toss()
        assert pair.received() == []


class TestMade:
    """What toss acknowledges."""

    def acknowledged(self, pair: Pair) -> list[tuple[int, int, bytes]]:
        """Niceness, size and packet of each acknowledgement that waits for a."""
        author, reader = pair.books["b"].private_keys(), pair.books["a"].private_keys()
        found = []
        for job in pair.waiting("a", at="b"):
            opened = open_layers(job.path.read_bytes(), author, reader)
            assert opened.plain.type == PacketType.ACK
            assert (opened.plain.nice, opened.payload) == (opened.nice, b"")
            assert pair.spools["b"].layout.ack(pair.id("a"), job.packet).exists()
            found.append((opened.nice, job.size_bytes, opened.plain.path))
        return sorted(found)

    def test_a_packet_that_is_done_is_acknowledged_as_configured(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.record("x")
        set_ack(pair, Ack(77, 4096))
        path = pair.send("x", b"")
        assert pair.toss(is_ack_made=True) == DONE
        assert self.acknowledged(pair) == [(77, 4096, PacketId.parse(path.name).raw)]
        assert f"\nPkt: {path.name}\nNewPkt: " in pair.log_text()

    def test_nothing_is_acknowledged_unless_asked_for(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.record("x")
        pair.send("x", b"")
        pair.toss()
        assert self.acknowledged(pair) == []

    @pytest.mark.parametrize("settings", [{"is_dry_run": True}, {"no_exec": True}])
    def test_what_is_left_is_not_acknowledged(self, tmp_path: Path, settings: dict[str, Any]) -> None:
        pair = Pair(tmp_path)
        pair.record("x")
        pair.send("x", b"")
        pair.toss(is_ack_made=True, **settings)
        assert self.acknowledged(pair) == []

    def test_what_fails_is_not_acknowledged_however_often(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.allow("x", ["/bin/false"])
        path = pair.send("x", b"")
        for _ in range(3):
            assert pair.toss(is_ack_made=True) == BAD
        assert self.acknowledged(pair) == []
        pair.record("x")
        pair.toss(is_ack_made=True)
        assert [packet for _, _, packet in self.acknowledged(pair)] == [PacketId.parse(path.name).raw]

    def test_an_acknowledgement_is_not_acknowledged(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        pair.put_typed(PacketType.ACK, b"p" * 32)
        assert pair.toss(is_ack_made=True) == DONE
        assert self.acknowledged(pair) == []

    def test_what_cannot_be_acknowledged_is_told_but_not_done_again(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path)
        out = pair.record("x")
        pair.send("x", b"body")
        (pair.spools["b"].root / "tmp").write_bytes(b"in the way")
        assert pair.toss(is_ack_made=True) == TossResult(done_count=1, bad_count=1)
        assert "Who: rx-genack" in pair.log_text()
        assert out.read_text() == "body"
        assert pair.received() == []

    def test_through_relays_the_marker_lies_beside_the_packet(self, tmp_path: Path) -> None:
        pair = Pair(tmp_path, "c", via={"a": ("c",)})
        pair.record("x")
        pair.send("x", b"")
        pair.toss(is_ack_made=True)
        [job] = pair.waiting("c", at="b")
        assert pair.spools["b"].layout.ack(pair.id("c"), job.packet).exists()


def test_an_acknowledgement_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    disk, _ = failing_disk(4)
    pair.spools["b"].disk = disk
    book = pair.books["b"]
    with pytest.raises(StoreError):
        send_ack(pair.spools["b"], book.private_keys(), AckRequest(book.find("a"), (), PacketId(b"p" * 32)))
    assert pair.waiting("a", at="b") == []


def test_the_packet_of_an_acknowledgement(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    book = pair.books["b"]
    request = AckRequest(book.find("a"), (), PacketId(b"p" * 32), 99, 1024)
    sent = send_ack(pair.spools["b"], book.private_keys(), request)
    [job] = pair.waiting("a", at="b")
    assert (job.packet, job.size_bytes) == (sent.packet, 1024)
    opened = open_layers(job.path.read_bytes(), book.private_keys(), pair.books["a"].private_keys())
    assert opened.plain == PlainHeader(PacketType.ACK, 99, b"p" * 32)
