"""What is taken, what is refused, and what is done to an article."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.msgqueue.history import Fate
from gateway.msgqueue.store import Queue
from gateway.newsdesk.desk import Accepted, DeskRules, NewsDesk, Origin, Refused, log_articles, note_of
from gateway.nntp.injection import Injected, Injector, Poster
from gateway.nntp.wildmat import Wildmat
from tests.support.news import article, path_of
from tests.support.newsroom import FROM_A, LOCAL, crlf, desk, judge
from tests.support.queue_clock import SetClock


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def accepted(queue: Queue, content: bytes, origin: Origin = FROM_A) -> Accepted:
    found = judge(queue, content, origin)
    assert isinstance(found, Accepted), found
    return found


@pytest.mark.parametrize(
    ("origin", "path", "expected"),
    [
        (FROM_A, "gw.a.test!", "gw.test!!gw.a.test!poster.test!not-for-mail"),
        (FROM_A, "gw.x.test!", "gw.test!.MISMATCH.gw.a.test!gw.x.test!poster.test!not-for-mail"),
        (Origin("a", "a", ()), "gw.a.test!", "gw.test!.SEEN.a!gw.a.test!poster.test!not-for-mail"),
        (LOCAL, "inn.test!", "gw.test!!inn.test!poster.test!not-for-mail"),
    ],
)
def test_our_name_stands_in_front_of_path_and_nothing_else_changes(
    queue: Queue, origin: Origin, path: str, expected: str
) -> None:
    content = article(1, ".\n..\n\n x\n", path=path, more="Xref: other misc.test:7")
    found = accepted(queue, content, origin)
    assert path_of(found.data.replace(b"\r\n", b"\n")) == expected
    before, after = crlf(content).split(b"\r\n"), found.data.split(b"\r\n")
    assert [line for line in before if not line.startswith((b"Path", b"Xref"))] == [
        line for line in after if not line.startswith(b"Path")
    ]


def test_an_article_goes_to_its_feeds_but_not_back(queue: Queue) -> None:
    assert [feed.name for feed in accepted(queue, article(1)).feeds] == ["b", "inn"]
    assert [feed.name for feed in accepted(queue, article(1, path="inn.test!"), LOCAL).feeds] == ["b"]
    from_b = replace(FROM_A, name="b")
    assert [feed.name for feed in accepted(queue, article(1), from_b).feeds] == ["inn"]
    assert accepted(queue, article(1, groups="local.x", path="inn.test!"), LOCAL).feeds == ()


@pytest.mark.parametrize(
    ("content", "rules", "said", "is_remembered"),
    [
        (article(1, path="GW.test!"), {}, "our name is in its Path", False),
        (article(1, path="old.test!"), {"aliases": ("old.test",)}, "our name is in its Path", False),
        (article(1), {"groups": Wildmat.parse("comp.*")}, "none of its newsgroups", True),
        (article(1).replace(b"From: ", b"Fron: "), {}, "From", False),
        (article(1, "nul\0\n"), {}, "NUL", False),
    ],
)
def test_what_is_refused_is_remembered_if_it_is_so_whoever_brings_it(
    queue: Queue, content: bytes, rules: dict[str, Any], said: str, *, is_remembered: bool
) -> None:
    found = judge(queue, content, **rules)
    assert isinstance(found, Refused)
    assert said in found.text
    assert found.is_remembered is is_remembered
    newsdesk = desk(queue, **rules)
    assert newsdesk.take(found, FROM_A).result() is Fate.REFUSED
    assert bool(newsdesk.history.known(["<1@a.test>"])) is is_remembered


def test_what_one_may_not_bring_another_may(queue: Queue) -> None:
    narrow = replace(FROM_A, accept=Wildmat.parse("comp.*"))
    newsdesk = desk(queue)
    refused = newsdesk.judge(crlf(article(1)), narrow)
    assert isinstance(refused, Refused)
    assert newsdesk.take(refused, narrow).result() is Fate.REFUSED
    assert newsdesk.take(newsdesk.judge(crlf(article(1)), FROM_A), FROM_A).result() is Fate.NEW


def test_who_may_bring_small_articles_is_refused_large_ones_that_another_may_bring(queue: Queue) -> None:
    newsdesk, content = desk(queue), crlf(article(1))
    assert isinstance(newsdesk.judge(content, replace(FROM_A, max_article_bytes=len(content))), Accepted)
    small = replace(FROM_A, max_article_bytes=len(content) - 1)
    refused = newsdesk.judge(content, small)
    assert isinstance(refused, Refused)
    assert refused.text == f"{len(content)} bytes; a may bring up to {len(content) - 1}"
    assert newsdesk.take(refused, small).result() is Fate.REFUSED
    assert newsdesk.take(newsdesk.judge(content, FROM_A), FROM_A).result() is Fate.NEW


def dated(seconds: float) -> bytes:
    lines = article(1).split(b"\n")
    return b"\n".join(
        f"Date: {formatdate(seconds)}".encode() if line.startswith(b"Date:") else line for line in lines
    )


def test_age_counts_only_where_the_clock_was_set(tmp_path: Path) -> None:
    clock = SetClock()
    now = 1_800_000_000.0
    clock.wall_ahead_seconds = now - clock.seconds
    with Queue(tmp_path / "set", Disk(is_syncing=False), clock=clock.make) as queue:
        day = 86_400
        assert isinstance(judge(queue, dated(now - 29 * day)), Accepted)
        assert isinstance(judge(queue, dated(now - 31 * day)), Refused)
        assert isinstance(judge(queue, dated(now + 2 * day)), Refused)
    clock.wall_ahead_seconds = 0
    with Queue(tmp_path / "unset", Disk(is_syncing=False), clock=clock.make) as queue:
        assert isinstance(judge(queue, dated(now)), Accepted)


def test_the_log_says_what_became_of_an_article(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    newsdesk = NewsDesk(queue, desk(queue).rules)
    with caplog.at_level(logging.INFO, "gateway.mail"):
        for content in (article(1), article(1), article(2, path="gw.test!")):
            found = newsdesk.judge(crlf(content), FROM_A)
            log_articles([(note_of(found), newsdesk.take(found, FROM_A).result())], FROM_A)
    first, second, third = caplog.messages
    assert first.startswith('event=received message-id=<1@a.test> to="b inn" client=a node=a size=')
    assert second.startswith("event=duplicate message-id=<1@a.test> client=a")
    assert third.startswith("event=refused message-id=<2@a.test> client=a")
    assert "our name is in its Path" in third


def test_what_is_posted_here_has_our_name_in_its_path_and_must_be_wanted_by_somebody(queue: Queue) -> None:
    newsdesk = desk(queue)
    injector = Injector("gw.test", lambda _: True, lambda _: False)
    now = queue.clock.wall()

    def post(groups: str) -> Accepted | Refused:
        proto = f"From: a@a.test\r\nSubject: s\r\nNewsgroups: {groups}\r\n\r\nhello\r\n".encode()
        injected = injector.inject(proto, Poster("host.test"), now, "<new@gw.test>")
        assert isinstance(injected, Injected)
        return newsdesk.judge_posted(injected)

    found = post("misc.test")
    assert isinstance(found, Accepted)
    assert path_of(found.data.replace(b"\r\n", b"\n")).startswith("gw.test!.POSTED.host.test!")
    assert [feed.name for feed in found.feeds] == ["b", "inn"]

    newsdesk = NewsDesk(queue, DeskRules("gw.test"))
    refused = post("misc.test")
    assert isinstance(refused, Refused)
    assert "nobody here takes" in refused.text
