"""A fuzz target of a whole stage: batches of news as neighbours send them, judged article by article."""

from collections.abc import Iterator, Mapping
from functools import cache

from gateway.batch.rnews_body import GATHERED_BYTES
from gateway.durable import Disk
from gateway.msgqueue.store import Queue
from gateway.newsdesk.desk import Accepted, NewsDesk, note_of
from gateway.nntp.article import Article, read_article
from gateway.nntp.path import path_identities
from gateway.nntp.rnews_batch import ArticleRead, RnewsLimits, read_batch
from tests.fuzz.configurations import place
from tests.fuzz.target import Target
from tests.support.articles import batch_article
from tests.support.news import article, batch
from tests.support.newsroom import FROM_A, LOCAL, desk

LIMITS = RnewsLimits(article_bytes=2000, article_count=5, total_bytes=10_000)


@cache
def _desk() -> NewsDesk:
    return desk(Queue(place() / "news", Disk(is_syncing=False)))


def news_payload(data: bytes) -> None:
    """A batch: what passes can be passed on, with our name in Path once, and is never taken again."""
    for read in read_batch([data], LIMITS):
        if not isinstance(read, ArticleRead):
            continue
        for origin in (FROM_A, LOCAL):
            judgement = _desk().judge(read.data, origin)
            assert note_of(judgement).size_bytes == len(read.data)
            if isinstance(judgement, Accepted):
                _check(judgement)


def _check(accepted: Accepted) -> None:
    assert len(accepted.data) < GATHERED_BYTES
    passed_on = read_article(accepted.data)
    assert isinstance(passed_on, Article), passed_on
    assert passed_on.message_id == accepted.message_id
    assert passed_on.newsgroups == accepted.article.newsgroups
    assert path_identities(passed_on.path)[0] == "gw.test"
    (again,) = read_batch([batch_article(accepted.data)])
    assert isinstance(again, ArticleRead)
    assert again.data == accepted.data
    # One that comes back to us is known by its Path alone.
    assert not isinstance(_desk().judge(accepted.data, FROM_A), Accepted)


def news_payload_seeds() -> Iterator[bytes]:
    """A batch, and an article alone with all that may be folded."""
    yield batch([article(1), article(2, path="gw.a.test!", more="Xref: x misc.test:1\n\ty.z:2")])
    yield article(3, more="Distribution: world,\n local\nControl: cancel <1@a.test>")


NEWS_STAGES: Mapping[str, Target] = {
    "news-payload": Target(
        news_payload,
        news_payload_seeds,
        (b"#! rnews ", b"Path: ", b"gw.test!", b"\nXref:", b"Newsgroups: ", b"\n\t", b".SEEN."),
    ),
}
"""By the name that ``./run fuzz`` takes."""
