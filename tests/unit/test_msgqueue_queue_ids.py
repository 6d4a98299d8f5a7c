"""Queue ids are never the same, and rise, so that the index of them grows at its end."""

import os
from concurrent.futures import ThreadPoolExecutor

from gateway.msgqueue.queue_ids import ID_CHARS, QueueIds, new_queue_id

DRAWN_COUNT = 1000


def test_ids_rise_even_if_the_clock_is_set_back() -> None:
    moments = iter([1000.0, 1000.9, 4_294_967_000.0, 0.0, 5.0, 1001.0, 1002.0, 7.0])
    ids = QueueIds(wall=lambda: next(moments))
    drawn = [ids.new_id() for _ in range(8 * 128)]
    assert drawn == sorted(set(drawn))
    assert {len(one) for one in drawn} == {ID_CHARS}


def test_ids_rise_when_chance_is_at_its_end() -> None:
    ids = QueueIds(wall=lambda: 1000.0, chance=lambda bits: (1 << bits) - 1)
    drawn = [ids.new_id() for _ in range(DRAWN_COUNT)]
    assert drawn == sorted(set(drawn))


def test_threads_draw_different_ids() -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: [new_queue_id() for _ in range(DRAWN_COUNT)], range(16)))
    assert len({one for some in found for one in some}) == 16 * DRAWN_COUNT


def test_two_programs_with_the_same_clock_draw_different_ids() -> None:
    one, other = QueueIds(wall=lambda: 1000.0), QueueIds(wall=lambda: 1000.0)
    assert not {one.new_id() for _ in range(DRAWN_COUNT)} & {other.new_id() for _ in range(DRAWN_COUNT)}


def test_a_child_draws_nothing_that_its_parent_draws() -> None:
    new_queue_id()
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        os.write(write_end, " ".join(new_queue_id() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = set(os.read(read_end, 1 << 16).decode().split())
    os.close(read_end)
    os.close(write_end)
    assert len(of_child) == 100
    assert not of_child & {new_queue_id() for _ in range(200)}
