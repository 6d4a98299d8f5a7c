"""A plain batch of news that is taken in while it comes."""

from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadBatch, CutShortBatch, StoreFull
from gateway.ingest.rnews import RnewsIntake, RnewsTaking
from gateway.msgqueue.history import History
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.newsdesk import stream
from gateway.newsdesk.batches import BatchDesk, BatchTaken
from gateway.newsdesk.stream import ArticleStream
from gateway.nntp.rnews_batch import RnewsLimits
from tests.support.news import article, batch
from tests.support.newsroom import B_FEED, LOCAL, desk, waiting

LIMITS = RnewsLimits(article_bytes=1_000_000, article_count=3, total_bytes=2000)
ARTICLES = [article(number) for number in range(6)]
LARGE = "x" * INLINE_BODY_BYTES + "\n"


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue", Disk(is_syncing=False))


def begin(queue: Queue) -> ArticleStream:
    return ArticleStream(desk(queue, (B_FEED,)), LIMITS, LOCAL)


def numbers(queue: Queue) -> list[int]:
    """The articles that are in the queue."""
    return [int(message_id.partition("@")[0].lstrip("<")) for message_id, _ in waiting(queue)]


@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_a_batch_of_any_length_and_in_any_pieces_is_taken(queue: Queue, size: int) -> None:
    data = batch(ARTICLES)
    coming = begin(queue)
    for at in range(0, len(data), size):
        coming.feed(data[at : at + size])
    assert coming.finish() == BatchTaken(new_count=len(ARTICLES))
    assert numbers(queue) == list(range(len(ARTICLES)))


def test_articles_are_on_disk_before_the_batch_has_ended(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "GROUP_COUNT", 2)
    monkeypatch.setattr(stream, "COMMITS_COUNT", 1)
    coming = begin(queue)
    coming.feed(batch(ARTICLES))
    # The last one may still be counted wrongly, and one group of two may be on its way.
    assert {"<0@a.test>", "<1@a.test>"} <= History(queue).known([f"<{number}@a.test>" for number in range(6)])
    assert coming.finish().new_count == len(ARTICLES)


def test_what_is_known_or_refused_is_counted(queue: Queue) -> None:
    begin_one = begin(queue)
    begin_one.feed(batch([ARTICLES[1]]))
    begin_one.finish()
    coming = begin(queue)
    coming.feed(batch([ARTICLES[0], ARTICLES[1], article(2, path="gw.test!"), b"no article\n", ARTICLES[0]]))
    assert coming.finish() == BatchTaken(new_count=1, known_count=2, refused_count=2)
    assert numbers(queue) == [1, 0]


def test_large_articles_are_taken_among_small_ones(queue: Queue) -> None:
    coming = begin(queue)
    coming.feed(batch([ARTICLES[0], article(1, LARGE), ARTICLES[2], article(1, LARGE), article(4, LARGE)]))
    assert coming.finish() == BatchTaken(new_count=4, known_count=1)
    assert numbers(queue) == [0, 1, 2, 4]
    assert len(list(queue.bodies.directory.iterdir())) == 2


@pytest.mark.parametrize(
    ("tail", "error"),
    [
        (batch([ARTICLES[3]])[:-1], CutShortBatch),
        (b"#! rnews", CutShortBatch),
        (b"#! rnews %d\n%b%b" % (len(ARTICLES[3]) - 1, ARTICLES[3], batch([ARTICLES[4]])), BadBatch),
        (b"#! rnews %d\n%b%b" % (len(ARTICLES[3]) + 1, ARTICLES[3], batch([ARTICLES[4]])), BadBatch),
        (b"anything\n", BadBatch),
        (b"#! cunbatch\n", BadBatch),
    ],
    ids=["cut", "cut header", "count too small", "count too large", "no header", "packed inside"],
)
def test_only_articles_in_front_of_a_fault_are_taken(
    queue: Queue, tail: bytes, error: type[BadBatch]
) -> None:
    coming = begin(queue)
    with pytest.raises(error):
        for piece in (batch(ARTICLES[:3]), tail):
            coming.feed(piece)
        coming.finish()
    assert set(numbers(queue)) <= {0, 1, 2}
    again = begin(queue)
    again.feed(batch(ARTICLES))
    assert again.finish().refused_count == 0
    assert sorted(numbers(queue)) == list(range(len(ARTICLES)))


def test_a_disk_without_room_takes_no_more(queue: Queue, tmp_path: Path) -> None:
    full = Queue(tmp_path / "full", Disk(is_syncing=False), reserve_bytes=1 << 60)
    coming = begin(full)
    with pytest.raises(StoreFull):
        coming.feed(batch(ARTICLES))
        coming.finish()
    assert numbers(full) == []


@pytest.fixture
def intake(queue: Queue) -> RnewsIntake:
    return RnewsIntake(
        BatchDesk(desk(queue, (B_FEED,)), LIMITS), Disk(is_syncing=False), 1000, lambda _: None
    )


def hand_in(intake: RnewsIntake, *pieces: bytes) -> str:
    taking: RnewsTaking = intake.begin("user news", name="inn")
    for piece in pieces:
        taking.write(piece)
    taking.close().result()
    return taking.done()


def test_what_was_on_its_way_to_the_disk_when_a_batch_failed_is_in_the_log(
    intake: RnewsIntake, queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "GROUP_COUNT", 1)
    taking = intake.begin("user news", name="inn")
    taking.write(batch(ARTICLES[:3]))
    with caplog.at_level("INFO"), pytest.raises(BadBatch):
        taking.write(b"anything\n")
    with caplog.at_level("INFO"):
        taking.discard()
    taken = numbers(queue)
    assert len(taken) > 0
    assert [f"<{number}@a.test>" in caplog.text for number in range(3)] == [n in taken for n in range(3)]


def test_of_what_one_neighbour_alone_gets_nothing_is_taken_but_whole_batches(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "GROUP_COUNT", 1)
    limits = RnewsLimits(article_bytes=1_000_000, article_count=100, total_bytes=100_000)
    intake = RnewsIntake(
        BatchDesk(desk(queue, ()), limits), Disk(is_syncing=False), 100_000, {"b": B_FEED}.get
    )
    data = batch(ARTICLES)
    taking = intake.begin("user uucp", node="b")
    taking.write(data[:-1])
    with pytest.raises(BadBatch):
        taking.close()
    taking.discard()
    assert numbers(queue) == []
    taking = intake.begin("user uucp", node="b")
    taking.write(data)
    taking.close().result()
    assert numbers(queue) == list(range(len(ARTICLES)))


def test_a_plain_batch_handed_in_has_no_limit_in_all(intake: RnewsIntake, queue: Queue) -> None:
    data = batch(ARTICLES)
    assert len(data) > intake.max_batch_bytes
    assert hand_in(intake, data[:1], data[1:9], data[9:]).startswith("2.0.0 6 new")
    assert not (queue.directory / "incoming").exists()


@pytest.mark.parametrize("data", [b"", ARTICLES[0], b"#", b"#! rnews", batch(ARTICLES[:1])[:-1]])
def test_what_is_handed_in_byte_by_byte_is_the_same_as_at_once(intake: RnewsIntake, data: bytes) -> None:
    said = []
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        try:
            said.append(hand_in(intake, *pieces).replace("1 new, 0 known", "0 new, 1 known"))
        except BadBatch as error:
            said.append(f"{error.status} {error}")
    assert said[0] == said[1]
