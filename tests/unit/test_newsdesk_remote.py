"""Tests of what neighbours decide about their feeds of news."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.msgqueue.history import Fate
from gateway.msgqueue.store import Queue
from gateway.newsdesk.desk import DeskRules, NewsDesk
from gateway.routing.feeds import Feeds
from tests.support.messages import NODE_A
from tests.support.news import article
from tests.support.newsroom import FROM_A, crlf, open_queue, waiting
from tests.support.remote import REMOTE_FEED, Remote, archive, ask_by_packet


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with open_queue(tmp_path) as queue:
        yield queue


def goes_to_b(queue: Queue, groups: str) -> bool:
    """Whether an article in these groups is fed to b, as a desk finds that was opened before."""
    desk = NewsDesk(queue, DeskRules("gw.test", feeds=Feeds((REMOTE_FEED,))))
    judged = desk.judge(crlf(article(groups, groups=groups)), FROM_A)
    assert desk.take(judged, FROM_A).result() in {Fate.NEW, Fate.KNOWN}
    return any(message_id == f"<{groups}@a.test>" for message_id, _ in waiting(queue))


def test_a_neighbour_subscribes_and_unsubscribes(queue: Queue) -> None:
    remote = Remote(queue)
    assert goes_to_b(queue, "misc.one")
    assert not goes_to_b(queue, "comp.one")
    answer = remote.ask("+comp.*", "-comp.lang.perl", "-misc.one")
    assert answer.count("from now on") == 3
    assert goes_to_b(queue, "comp.two")
    assert not goes_to_b(queue, "comp.lang.perl")
    assert not goes_to_b(queue, "misc.one,comp.lang.perl")
    assert goes_to_b(queue, "misc.two")
    remote.ask("+comp.lang.perl")
    assert goes_to_b(queue, "comp.lang.perl,misc.one")


def test_nothing_goes_beyond_what_the_configuration_allows(queue: Queue) -> None:
    remote = Remote(queue)
    answer = remote.ask("+alt.one", "+*", "+misc.secret")
    assert "not possible: you decide about comp.*,misc.*" in answer
    assert "not possible: this group is never fed to you" in answer
    assert goes_to_b(queue, "comp.one")
    assert goes_to_b(queue, "misc.quiet")
    assert not goes_to_b(queue, "alt.one")
    assert not goes_to_b(queue, "misc.secret,comp.two")
    assert "+*" not in remote.control.wishes()["b"].groups.text


def test_a_pause_stops_the_feed_and_keeps_the_wishes(queue: Queue) -> None:
    remote = Remote(queue)
    remote.ask("+comp.*", "%PAUSE")
    assert not goes_to_b(queue, "comp.one")
    assert "paused" in remote.ask("%QUERY")
    remote.ask("%resume")
    assert goes_to_b(queue, "comp.two")


def test_a_later_wish_about_the_same_groups_takes_the_place_of_an_earlier_one(queue: Queue) -> None:
    remote = Remote(queue)
    for _ in range(50):
        remote.ask("+comp.*", "-comp.*")
    assert remote.control.wishes()["b"].groups.text == "!comp.*"
    remote.ask("-*")
    assert remote.control.wishes()["b"].groups.text == "!*"


def test_wishes_are_bounded(queue: Queue) -> None:
    remote = Remote(queue)
    answers = [remote.ask(*(f"+comp.{'x' * 60}.{n}-{i}" for i in range(400))) for n in range(3)]
    assert "you have wished for too much" in answers[-1]
    assert len(remote.control.wishes()["b"].groups.text) < 20_000


def test_lists_show_what_is_kept_and_fed(queue: Queue) -> None:
    remote = Remote(queue, archive(test=1, quiet=1))
    answer = remote.ask("%LIST", "%LIST", "%HELP")
    assert answer.count("* misc.test") == 1
    assert "    misc.quiet" in answer
    assert "%RESCAN" in answer


def test_a_rescan_brings_the_newest_and_no_more_than_allowed(queue: Queue) -> None:
    remote = Remote(queue, archive(test=20, quiet=20))
    assert "up to 5 articles" in remote.ask("%RESCAN", "%RESCAN")
    assert waiting(queue) == [(f"<misc.test.{number}@a.test>", "b") for number in range(16, 21)]
    with queue.reading() as connection:
        bodies = [data for (data,) in connection.execute("SELECT data FROM body")]
    assert all(b"Xref" not in data and b"\r\nFrom:" in data for data in bodies)
    assert "5 articles wait for you already" in remote.ask("%RESCAN misc.*")
    assert len(waiting(queue)) == 5


def test_a_rescan_needs_articles_that_are_kept(queue: Queue) -> None:
    assert "no articles are kept here" in Remote(queue).ask("%RESCAN")


def test_a_request_that_comes_twice_is_done_once(queue: Queue) -> None:
    remote = Remote(queue, archive(test=3))
    assert "3 articles" in remote.ask("%RESCAN", "-misc.one", request_id="one")
    remote.ask("+misc.one")
    assert remote.ask("%RESCAN", "-misc.one", request_id="one") == ""
    assert goes_to_b(queue, "misc.one")
    assert len(waiting(queue)) == 4


@pytest.mark.parametrize(
    "text", [b"", b"\x00\xff" * 900, b"+" * 60_000, b"%LIST\n" * 10_000, b"+\n-\n%\n" * 20]
)
def test_hostile_requests_are_answered_shortly_and_change_nothing(tmp_path: Path, text: bytes) -> None:
    assert ask_by_packet(tmp_path, text).quarantine_id is None
    with open_queue(tmp_path) as queue:
        remote = Remote(queue)
        assert remote.control.wishes() == {}
        (answer,) = remote.control.unanswered(10)
        assert len(answer.answer) < 3000


def test_who_decides_nothing_and_what_is_too_long_is_set_aside(tmp_path: Path) -> None:
    assert ask_by_packet(tmp_path, b"+comp.*\n", sender=NODE_A).quarantine_id
    assert ask_by_packet(tmp_path, b"+comp.*\n" * 10_000).quarantine_id
    with open_queue(tmp_path) as queue:
        assert Remote(queue).control.wishes() == {}
