"""Small bodies stay in memory, large ones become files, and too many files are not opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.shelf import FILE_LIMIT_COUNT, HEAD_LIMIT_BYTES, Body, HeadBody, Shelf
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue

LARGE = bytes(range(256)) * (INLINE_BODY_BYTES // 256 + 1)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def filled(body: Body, data: bytes, step: int = 50_000) -> Body:
    for start in range(0, len(data), step):
        body.write(data[start : start + step])
    return body


def test_a_small_body_stays_in_memory(queue: Queue) -> None:
    body = filled(Shelf(queue).new_body("a"), b"x" * INLINE_BODY_BYTES)
    assert body.finish() == b"x" * INLINE_BODY_BYTES


def test_a_large_body_becomes_a_file(queue: Queue) -> None:
    shelf = Shelf(queue)
    body = filled(shelf.new_body("a"), LARGE)
    staged = body.finish()
    assert isinstance(staged, StagedBody)
    assert staged.path.read_bytes() == LARGE
    assert body.head() == LARGE[:HEAD_LIMIT_BYTES]
    shelf.abandon()
    assert not staged.path.exists()


@pytest.mark.parametrize("size_bytes", [0, 10, HEAD_LIMIT_BYTES - 1, HEAD_LIMIT_BYTES, len(LARGE)])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_both_kinds_have_the_same_head(queue: Queue, size_bytes: int, step: int) -> None:
    shelf = Shelf(queue)
    heads = {filled(body, LARGE[:size_bytes], step).head() for body in (HeadBody(), shelf.new_body("a"))}
    assert heads == {LARGE[:size_bytes][:HEAD_LIMIT_BYTES]}
    shelf.abandon()


def test_a_discarded_body_leaves_no_file(queue: Queue) -> None:
    shelf = Shelf(queue)
    body = filled(shelf.new_body("a"), LARGE)
    assert len(list(queue.bodies.directory.iterdir())) == 1
    body.discard()
    assert list(queue.bodies.directory.iterdir()) == []
    shelf.release()


def test_past_the_limit_of_files_bodies_stay_in_memory(queue: Queue) -> None:
    shelf = Shelf(queue)
    bodies = [filled(shelf.new_body(f"{number:04}"), LARGE) for number in range(FILE_LIMIT_COUNT + 2)]
    kinds = [isinstance(body.finish(), bytes) for body in bodies]
    assert kinds == [False] * FILE_LIMIT_COUNT + [True] * 2
    assert bodies[-1].finish() == LARGE
    assert bodies[-1].head() == LARGE[:HEAD_LIMIT_BYTES]
    shelf.abandon()
