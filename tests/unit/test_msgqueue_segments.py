"""Small articles that come together stand in one file, which is there as long as one of them needs it."""

import errno
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.durable import Disk
from gateway.errors import StoreCorrupt, StoreError, StoreFull
from gateway.msgqueue.bodies import Bodies
from gateway.msgqueue.entry import Form, Lane, Outcome, Verdict
from gateway.msgqueue.history import Fate, History, NewArticle
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.read_ahead import ReadAhead
from gateway.msgqueue.segments import LEAST_BYTES, SEGMENT_LIMIT_BYTES, move_sparse
from gateway.msgqueue.shelf import Shelf
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support.messages import NODE_B
from tests.support.news import article
from tests.support.newsroom import B_FEED, FROM_A, crlf, desk, receive, waiting
from tests.support.queue_clock import SetClock

COUNT = 100
SMALL_BYTES = 3000
DONE = Outcome(Verdict.DELIVERED, "2.0.0", "ok")
REFUSED = Outcome(Verdict.REFUSED, "5.7.1", "437 no")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as opened:
        yield opened


def content_of(number: int) -> bytes:
    return crlf(article(number, f"{number:05d}\n" * (SMALL_BYTES // 6)))


def take_together(queue: Queue, numbers: range) -> tuple[Fate, ...]:
    newsdesk = desk(queue)
    group = [(newsdesk.judge(content_of(number), FROM_A), FROM_A) for number in numbers]
    return newsdesk.take_group(group).result()


def files(queue: Queue) -> list[Path]:
    return sorted(queue.bodies.directory.iterdir())


def body_rows(queue: Queue) -> list[tuple[int, int]]:
    """Of each body in order: how much of it is in the database, and whether a file has it."""
    with queue.reading() as connection:
        return connection.execute(
            "SELECT length(data), file IS NOT NULL FROM body ORDER BY message"
        ).fetchall()


def numbers_read(queue: Queue) -> list[int]:
    """The numbers of the articles for here whose bodies are read, each way, as they were."""
    due = Inbox(queue).due(10_000)
    ahead = ReadAhead(queue, due)
    numbers = []
    for message in due:
        alone = b"".join(queue.read_body(message.seq))
        assert b"".join(ahead(message.seq)) == alone
        number = int(message.message_id[1:].partition("@")[0])
        assert alone.partition(b"\r\n\r\n")[2] == content_of(number).partition(b"\r\n\r\n")[2]
        numbers.append(number)
    return numbers


def finish(queue: Queue, numbers: range) -> None:
    """Have the articles of these numbers delivered here, and all that wait sent to b."""
    wanted = {f"<{number}@a.test>" for number in numbers}
    due = [message for message in Inbox(queue).due(10_000) if message.message_id in wanted]
    Inbox(queue).record([(message.delivery_seqs[0], DONE, 0.0) for message in due])
    lane = Lane(NODE_B, B_FEED.nice)
    outbox = Outbox(queue)
    batch = outbox.claim(lane, Form.RNEWS, max_count=10_000, max_bytes=1 << 30, first_hop=NODE_B)
    if batch is not None:
        outbox.finish(batch.id)


def test_articles_that_come_together_stand_in_one_file_until_the_last_is_done(queue: Queue) -> None:
    assert take_together(queue, range(COUNT)) == (Fate.NEW,) * COUNT
    (segment,) = files(queue)
    assert body_rows(queue) == [(0, 1)] * COUNT
    assert numbers_read(queue) == list(range(COUNT))
    finish(queue, range(1, COUNT))
    assert files(queue) == [segment]
    assert numbers_read(queue) == [0]
    finish(queue, range(1))
    assert files(queue) == []
    assert body_rows(queue) == []


def test_few_articles_stand_in_the_database(queue: Queue) -> None:
    count = LEAST_BYTES // (2 * SMALL_BYTES)
    take_together(queue, range(count))
    assert files(queue) == []
    assert all(size_bytes > SMALL_BYTES and not has_file for size_bytes, has_file in body_rows(queue))
    assert numbers_read(queue) == list(range(count))


def test_only_what_is_new_of_a_batch_of_a_neighbour_is_written(queue: Queue) -> None:
    take_together(queue, range(10))
    payload = b"".join(
        b"#! rnews %d\n%s" % (len(content), content)
        for content in (content_of(number).replace(b"\r\n", b"\n") for number in range(COUNT))
    )
    receive(queue, payload)
    (segment,) = files(queue)
    assert segment.stat().st_size == sum(len(b"".join(queue.read_body(seq))) for seq in range(11, COUNT + 1))
    assert numbers_read(queue) == list(range(COUNT))
    receive(queue, payload, packet=None)
    assert files(queue) == [segment]


def test_a_large_article_has_a_file_of_its_own(queue: Queue) -> None:
    large = article("large", "x" * INLINE_BODY_BYTES + "\n")
    small = [content_of(number).replace(b"\r\n", b"\n") for number in range(COUNT)]
    receive(queue, b"".join(b"#! rnews %d\n%s" % (len(each), each) for each in (*small, large)))
    assert len(files(queue)) == 2
    assert len(body_rows(queue)) == COUNT


def test_no_segment_grows_much_beyond_its_limit(queue: Queue) -> None:
    newsdesk = desk(queue)
    body = "x" * (100 << 10) + "\n"
    count = 2 * SEGMENT_LIMIT_BYTES // len(body)

    def articles() -> Iterator[NewArticle]:
        for number in range(count):
            judgement = newsdesk.judge(crlf(article(number, body)), FROM_A)
            yield newsdesk.new_article(judgement, FROM_A, lambda _, data: data)

    shelf = Shelf(queue)
    newsdesk.history.put_batch(articles(), node=None, packet=None, shelf=shelf)
    shelf.release()
    assert len(files(queue)) >= 2
    assert max(path.stat().st_size for path in files(queue)) < SEGMENT_LIMIT_BYTES + (5 << 20)


def test_a_group_that_is_undone_with_another_s_fault_is_written_again(queue: Queue) -> None:
    newsdesk = desk(queue)
    group = [(newsdesk.judge(content_of(number), FROM_A), FROM_A) for number in range(COUNT)]
    may_go_on = threading.Event()
    first = queue.submit(lambda _: may_go_on.wait(60))
    taken = newsdesk.take_group(group)
    broken = queue.submit(lambda connection: connection.execute("no SQL"), is_repeatable=True)
    may_go_on.set()
    assert first.result()
    with pytest.raises(StoreError):
        broken.result()
    assert taken.result() == (Fate.NEW,) * COUNT
    assert len(files(queue)) == 1
    assert numbers_read(queue) == list(range(COUNT))


@pytest.mark.parametrize("step", ["create", "write", "sync", "sync-directory", "commit"])
def test_a_disk_that_refuses_leaves_neither_articles_nor_a_file(tmp_path: Path, step: str) -> None:
    is_full = False

    def hook(name: str, _path: Path) -> None:
        if is_full and name == step:
            raise OSError(errno.ENOSPC, "no space left on device")

    with Queue(tmp_path, Disk(is_syncing=False, hook=hook)) as queue:
        take_together(queue, range(1))
        is_full = True
        with pytest.raises(OSError if step == "commit" else StoreFull):
            take_together(queue, range(COUNT))
        is_full = False
        assert files(queue) == []
        assert waiting(queue) == [("<0@a.test>", "b"), ("<0@a.test>", "inn")]
        take_together(queue, range(COUNT))
        assert numbers_read(queue) == list(range(COUNT))


def test_what_few_articles_need_of_a_segment_moves_into_the_database(queue: Queue) -> None:
    take_together(queue, range(COUNT))
    finish(queue, range(COUNT // 2))
    assert move_sparse(queue) == 0
    finish(queue, range(COUNT - 20))
    assert move_sparse(queue) == 1
    assert files(queue) == []
    assert len(body_rows(queue)) == 20
    assert numbers_read(queue) == list(range(COUNT - 20, COUNT))
    finish(queue, range(COUNT))
    assert body_rows(queue) == []


def test_bodies_are_read_while_they_are_moved(queue: Queue) -> None:
    """Who has seen where a body is, and finds the file gone, looks again."""
    for start in range(0, 10 * COUNT, COUNT):
        take_together(queue, range(start, start + COUNT))
        finish(queue, range(start, start + COUNT - 5))
    left = [number for number in range(10 * COUNT) if number % COUNT >= COUNT - 5]
    is_done = threading.Event()
    faults: list[Exception] = []
    rounds: list[list[int]] = []

    def read() -> None:
        try:
            while not is_done.is_set():
                rounds.append(numbers_read(queue))
        except Exception as error:  # noqa: BLE001 - told to the test
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert move_sparse(queue) == 10
    is_done.set()
    for reader in readers:
        reader.join(60)
    assert faults == []
    assert all(each == left for each in rounds)
    assert numbers_read(queue) == left


def test_a_segment_that_is_gone_while_a_body_is_looked_for_is_looked_for_again(queue: Queue) -> None:
    take_together(queue, range(COUNT))
    finish(queue, range(COUNT - 1))
    (due,) = Inbox(queue).due(10)
    read_parts: Callable[..., list[bytes]] = queue.bodies.read_parts

    def late(name: str, parts: list[tuple[int, int]]) -> list[bytes]:
        queue.bodies.read_parts = read_parts  # type: ignore[method-assign]
        assert move_sparse(queue) == 1
        return read_parts(name, parts)

    queue.bodies.read_parts = late  # type: ignore[method-assign, assignment]
    assert b"".join(queue.read_body(due.seq)).endswith(b"00099\r\n")


@pytest.mark.parametrize("cut_bytes", [None, 100])
def test_a_segment_that_is_missing_or_short_is_said(
    queue: Queue, cut_bytes: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    take_together(queue, range(COUNT))
    finish(queue, range(COUNT - 1))
    (segment,) = files(queue)
    if cut_bytes is None:
        segment.unlink()
    else:
        segment.write_bytes(segment.read_bytes()[:-cut_bytes])
    (due,) = Inbox(queue).due(10)
    with pytest.raises(StoreCorrupt, match=segment.name):
        b"".join(queue.read_body(due.seq))
    with pytest.raises(StoreCorrupt, match=segment.name):
        b"".join(ReadAhead(queue, [due])(due.seq))
    with caplog.at_level(logging.ERROR):
        assert move_sparse(queue) == 0
    assert segment.name in caplog.text


def test_articles_that_a_server_refused_let_their_segment_go_after_a_while(
    queue: Queue, clock: SetClock
) -> None:
    take_together(queue, range(COUNT))
    finish(queue, range(0))
    due = Inbox(queue).due(1000)
    Inbox(queue).record([(message.delivery_seqs[0], REFUSED, 0.0) for message in due])
    clock.go_on(50)
    assert len(files(queue)) == 1
    assert len(History(queue).forget_dead(keep_seconds=50)) == COUNT
    assert files(queue) == []


def test_a_segment_without_rows_is_swept_and_one_with_rows_stays(queue: Queue) -> None:
    take_together(queue, range(COUNT))
    (segment,) = files(queue)
    orphan = segment.with_name("0123456789abcdef")
    orphan.write_bytes(b"x")
    assert queue.sweep_bodies() == 1
    assert files(queue) == [segment]


def test_a_file_that_a_neighbour_alone_still_needs_stays(queue: Queue) -> None:
    take_together(queue, range(COUNT))
    due = Inbox(queue).due(1000)
    Inbox(queue).record([(message.delivery_seqs[0], DONE, 0.0) for message in due])
    assert len(files(queue)) == 1
    finish(queue, range(0))
    assert files(queue) == []


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=12))
def test_parts_are_read_in_any_order_with_gaps_or_without(parts: list[tuple[int, int]]) -> None:
    content = bytes(range(100))
    with TemporaryDirectory() as name:
        (Path(name) / "segment").write_bytes(content)
        read = Bodies(Path(name), Disk()).read_parts("segment", parts)
    assert read == [content[at : at + size] for at, size in parts]
