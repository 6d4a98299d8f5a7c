from collections.abc import Iterable

from gateway.ids import PacketId
from gateway.link.events import Chunk, Offer
from gateway.link.frames import file_bytes
from gateway.link.send_queue import SendQueue

ROOM_BYTES = 65280


def packet(number: int) -> PacketId:
    return PacketId(number.to_bytes(32, "big"))


def queue_of(*offers: tuple[int, int, int]) -> SendQueue:
    """A queue of announced packets: number, niceness, size."""
    queue = SendQueue()
    queue.add(Offer(packet(number), nice, size_bytes) for number, nice, size_bytes in offers)
    queue.next_offers(len(offers))
    return queue


def requested(queue: SendQueue, numbers: Iterable[int]) -> SendQueue:
    for number in numbers:
        assert queue.request(packet(number), 0) == ""
    return queue


def drain(queue: SendQueue, chunk_bytes: int = 100) -> list[tuple[int, int, int]]:
    taken = []
    while (chunk := queue.reserve(chunk_bytes, ROOM_BYTES)) is not None:
        assert queue.release(chunk)
        taken.append((int.from_bytes(chunk.packet.raw, "big"), chunk.offset_bytes, chunk.length_bytes))
    return taken


def test_packets_are_announced_by_niceness_and_once() -> None:
    queue = SendQueue()
    queue.add([Offer(packet(1), 200, 10), Offer(packet(2), 10, 10), Offer(packet(3), 200, 10)])
    queue.add([Offer(packet(1), 200, 10)])
    assert [offer.packet for offer in queue.next_offers(2)] == [packet(2), packet(1)]
    queue.add([Offer(packet(4), 1, 10), Offer(packet(2), 10, 10)])
    assert queue.has_waiting
    assert [offer.packet for offer in queue.next_offers(9)] == [packet(4), packet(3)]
    assert queue.next_offers(9) == []


def test_a_packet_dropped_before_it_is_announced_is_not() -> None:
    queue = SendQueue()
    queue.add([Offer(packet(1), 1, 10)])
    queue.drop(packet(1))
    assert queue.next_offers(9) == []
    assert queue.request(packet(1), 0) == f"FREQ for {packet(1)}, which was not announced"


def test_a_packet_that_waits_to_be_announced_cannot_be_requested() -> None:
    queue = SendQueue()
    queue.add([Offer(packet(1), 1, 10)])
    assert queue.request(packet(1), 0).endswith("was not announced")
    assert not queue.has_requests


def test_equals_are_sent_one_after_the_other_as_they_were_requested() -> None:
    queue = requested(queue_of((1, 5, 150), (2, 5, 150), (3, 5, 150)), [2, 3, 1])
    assert drain(queue) == [(2, 0, 100), (2, 100, 50), (3, 0, 100), (3, 100, 50), (1, 0, 100), (1, 100, 50)]


def test_a_more_urgent_packet_overtakes_one_that_is_being_sent() -> None:
    queue = requested(queue_of((1, 100, 250), (2, 5, 100), (3, 200, 100)), [1, 3])
    first = queue.reserve(100, ROOM_BYTES)
    assert first == Chunk(packet(1), 0, 100)
    requested(queue, [2])
    assert drain(queue) == [(2, 0, 100), (1, 100, 100), (1, 200, 50), (3, 0, 100)]


def test_a_peer_that_has_all_gets_one_empty_piece() -> None:
    queue = queue_of((1, 5, 150))
    assert queue.request(packet(1), 150) == ""
    assert drain(queue) == [(1, 150, 0)]
    assert not queue.has_requests


def test_a_request_beyond_the_end_is_a_fault_and_leaves_the_queue_as_it_is() -> None:
    queue = requested(queue_of((1, 5, 150)), [1])
    assert queue.request(packet(1), 151) == f"FREQ for {packet(1)} from byte 151 of 150"
    assert drain(queue) == [(1, 0, 100), (1, 100, 50)]


def test_a_second_request_moves_the_packet_and_takes_back_what_was_reserved() -> None:
    queue = requested(queue_of((1, 5, 150)), [1])
    chunk = queue.reserve(100, ROOM_BYTES)
    assert chunk is not None
    assert queue.reserved_bytes == file_bytes(100)
    assert queue.request(packet(1), 20) == ""
    assert queue.reserved_bytes == 0
    assert not queue.release(chunk)
    assert drain(queue) == [(1, 20, 100), (1, 120, 30)]


def test_a_packet_that_was_sent_can_be_requested_again() -> None:
    queue = requested(queue_of((1, 5, 50)), [1])
    assert drain(queue) == [(1, 0, 50)]
    assert drain(requested(queue, [1])) == [(1, 0, 50)]


def test_repeated_requests_take_no_memory() -> None:
    queue = requested(queue_of((1, 5, 50), (2, 5, 50)), [1, 2] * 1000)
    assert drain(queue) == [(1, 0, 50), (2, 0, 50)]
    assert len(queue._order) == 0


def test_a_piece_that_does_not_fit_waits() -> None:
    queue = requested(queue_of((1, 5, 150)), [1])
    assert queue.reserve(100, file_bytes(100) - 1) is None
    assert queue.reserve(100, file_bytes(100)) == Chunk(packet(1), 0, 100)


def test_a_dropped_packet_is_sent_no_further() -> None:
    queue = requested(queue_of((1, 5, 150), (2, 6, 50)), [1, 2])
    chunk = queue.reserve(100, ROOM_BYTES)
    assert chunk is not None
    queue.drop(packet(1))
    assert not queue.release(chunk)
    assert not queue.has_reserved
    assert drain(queue) == [(2, 0, 50)]


def test_halt_forgets_requests_but_not_what_was_announced() -> None:
    queue = requested(queue_of((1, 5, 150), (2, 6, 50), (3, 7, 50)), [1, 2])
    chunk = queue.reserve(1000, ROOM_BYTES)
    assert chunk is not None
    assert set(queue.halt()) == {packet(1), packet(2)}
    assert not queue.release(chunk)
    assert queue.reserved_bytes == 0
    assert not queue.has_requests
    assert queue.halt() == ()
    assert drain(requested(queue, [2])) == [(2, 0, 50)]
