import pytest

from gateway.errors import LocalProtocolError
from gateway.ids import PacketId
from gateway.link.events import Received
from gateway.link.frames import File, Info
from gateway.link.receive_queue import ReceiveQueue

PACKET, OTHER = PacketId(bytes(32)), PacketId(b"o" * 32)


def file(offset_bytes: int, data: bytes, packet: PacketId = PACKET) -> File:
    return File(packet, offset_bytes, memoryview(data))


def queue_at(offset_bytes: int | None, size_bytes: int = 10) -> ReceiveQueue:
    queue = ReceiveQueue()
    assert queue.offer(Info(PACKET, 1, size_bytes)) == ""
    if offset_bytes is not None:
        queue.request(PACKET, offset_bytes)
    return queue


def test_pieces_in_order_are_received_to_the_end() -> None:
    queue = queue_at(2)
    assert queue.take(file(2, b"abc")) == Received(PACKET, 2, memoryview(b"abc"), 10)
    assert queue.has_requested
    last = queue.take(file(5, b"defgh"))
    assert isinstance(last, Received)
    assert last.is_last
    assert (queue.has_requested, queue.has_complete) == (False, True)
    assert queue.take(file(10, b"")) == f"FILE of {PACKET}, which is not wanted"


def test_a_packet_of_which_all_is_there_ends_with_an_empty_piece() -> None:
    last = queue_at(10).take(file(10, b""))
    assert isinstance(last, Received)
    assert last.is_last


@pytest.mark.parametrize(
    ("piece", "fault"),
    [
        (file(3, b"abc"), "from byte 3, not 2"),
        (file(0, b"abc"), "from byte 0, not 2"),
        (file(2**64 - 1, b"abc"), f"from byte {2**64 - 1}, not 2"),
        (file(2, b"123456789"), "to byte 11 of 10"),
        (file(2, b""), "without data"),
        (file(2, b"abc", OTHER), "which is not wanted"),
    ],
)
def test_a_wrong_piece_is_told_and_changes_nothing(piece: File, fault: str) -> None:
    queue = queue_at(2)
    told = queue.take(piece)
    assert isinstance(told, str)
    assert told.startswith(f"FILE of {piece.packet}")
    assert told.endswith(fault)
    assert isinstance(queue.take(file(2, b"abc")), Received)


def test_a_piece_of_a_packet_that_was_not_requested_is_not_wanted() -> None:
    assert queue_at(None).take(file(0, b"a")) == f"FILE of {PACKET}, which is not wanted"


@pytest.mark.parametrize("size_bytes", [0, 2**63, 2**64 - 1])
def test_sizes_that_no_file_has_are_refused(size_bytes: int) -> None:
    assert ReceiveQueue().offer(Info(PACKET, 1, size_bytes)) == f"INFO of {PACKET} with {size_bytes} bytes"


def test_an_offer_counts_once() -> None:
    queue = queue_at(None)
    assert queue.offer(Info(PACKET, 1, 10)) == f"INFO of {PACKET} again"
    queue.forget(PACKET)
    assert queue.offer(Info(PACKET, 1, 10)) == ""


def test_offers_beyond_the_limit_are_refused_until_others_are_done() -> None:
    queue = ReceiveQueue(limit_count=1)
    assert queue.offer(Info(PACKET, 1, 10)) == ""
    assert queue.offer(Info(OTHER, 1, 10)) == f"INFO of {OTHER} beyond 1 others"
    queue.forget(PACKET)
    assert queue.offer(Info(OTHER, 1, 10)) == ""


def test_a_packet_requested_again_begins_anew() -> None:
    queue = queue_at(0)
    queue.take(file(0, b"abc"))
    queue.request(PACKET, 0)
    assert queue.take(file(3, b"def")) == f"FILE of {PACKET} from byte 3, not 0"
    whole = queue.take(file(0, b"0123456789"))
    assert isinstance(whole, Received)
    queue.request(PACKET, 0)
    assert (queue.has_requested, queue.has_complete) == (True, False)
    queue.forget(PACKET)
    assert (queue.has_requested, queue.has_complete) == (False, False)


def test_only_what_was_offered_is_requested_and_only_to_its_end() -> None:
    with pytest.raises(LocalProtocolError, match="was not offered"):
        ReceiveQueue().request(PACKET, 0)
    for offset_bytes in (-1, 11):
        with pytest.raises(LocalProtocolError, match="has 10 bytes"):
            queue_at(None).request(PACKET, offset_bytes)
