"""Our NNTP against INN's: innd as the server, innxmit and rnews as clients."""

import itertools
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gateway.nntp.feeder import (
    ArticleWanted,
    FeedDialogue,
    FeedEvent,
    FeedOutcome,
    FeedReady,
    FeedResult,
    FeedSettings,
)
from gateway.nntp.path import without_fields
from tests.support.articles import article
from tests.support.inn import InnInstance
from tests.support.newsstand import Newsstand
from tests.support.nntp_connection import ArticleServer, feed
from tests.support.processes import wait_until

GROUP = "misc.test"
BODIES = ["body\r\n", ".\r\n..\r\n.x\r\n", "x" * 20_000 + "\r\n", "ö\r\n", "", "line\r\n" * 20_000]
ARTICLES = {
    f"<{number}.{len(body)}@p.test>": article(body, Message_ID=f"<{number}.{len(body)}@p.test>")
    for number, body in enumerate(BODIES * 10)
}
BAD = {
    "<nogroup@p.test>": article(Message_ID="<nogroup@p.test>", Newsgroups="no.such"),
    "<nobody@p.test>": article(Message_ID="<nobody@p.test>", Subject=None),
}


def as_stored(data: bytes) -> bytes:
    """An article without what each server changes."""
    return without_fields(data, ("path", "xref"))


def stored(inn: InnInstance, count: int) -> set[bytes]:
    found = inn.wait_for_articles(GROUP, count)
    return {as_stored(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) for path in found}


@pytest.mark.parametrize(
    "settings",
    [
        FeedSettings(),
        FeedSettings(window_count=5, is_check_skipped=True),
        FeedSettings(is_streaming_wanted=False),
    ],
    ids=["check", "takethis", "ihave"],
)
def test_innd_takes_what_our_client_feeds(place: Path, settings: FeedSettings) -> None:
    """Every article arrives byte for byte, is refused for good, or is known already."""
    with InnInstance(place / "n", "b.news.test", [GROUP]) as inn:
        outcomes = feed(inn.port, {**ARTICLES, **BAD}, settings)
        results = {message_id: outcome.result for message_id, outcome in outcomes.items()}
        assert results == {
            **dict.fromkeys(ARTICLES, FeedResult.ACCEPTED),
            **dict.fromkeys(BAD, FeedResult.REJECTED),
        }
        assert stored(inn, len(ARTICLES)) == set(map(as_stored, ARTICLES.values()))
        again = feed(inn.port, ARTICLES, settings)
        assert {outcome.result for outcome in again.values()} == {FeedResult.DUPLICATE}


@pytest.mark.parametrize("is_streaming", [True, False])
def test_innd_gets_an_article_from_elsewhere_while_we_send_it(place: Path, *, is_streaming: bool) -> None:
    """It refuses ours then, since it has it: that is no refusal for good."""
    message_id, data = next(iter(ARTICLES.items()))
    with InnInstance(place / "n", "b.news.test", [GROUP]) as inn:
        slow = FeedDialogue(FeedSettings(is_streaming_wanted=is_streaming))
        with socket.create_connection(("127.0.0.1", inn.port), timeout=60) as link:
            until(link, slow, FeedReady)
            slow.offer(message_id)
            until(link, slow, ArticleWanted)
            other = feed(inn.port, {message_id: data}, FeedSettings(is_check_skipped=True))
            assert other[message_id].result is FeedResult.ACCEPTED
            slow.send_article(message_id, data)
            outcome = until(link, slow, FeedOutcome)
            assert isinstance(outcome, FeedOutcome)
            assert (outcome.result, outcome.code) == (FeedResult.DUPLICATE, 439 if is_streaming else 437)


def until(link: socket.socket, dialogue: FeedDialogue, kind: type[FeedEvent]) -> FeedEvent:
    """Let a dialogue go on until something happens; the event."""
    while True:
        link.sendall(dialogue.data_to_send())
        for event in dialogue.receive_data(link.recv(65536)):
            if isinstance(event, kind):
                return event


def test_paused_innd_leaves_all_for_later(place: Path) -> None:
    """What a paused server does not take is neither lost nor refused."""
    with InnInstance(place / "n", "b.news.test", [GROUP]) as inn:
        inn.ctlinnd("pause", "test")
        for settings in (FeedSettings(), FeedSettings(is_streaming_wanted=False)):
            outcomes = feed(inn.port, ARTICLES, settings)
            assert {outcome.result for outcome in outcomes.values()} <= {FeedResult.LATER}
        inn.ctlinnd("go", "test")
        outcomes = feed(inn.port, ARTICLES)
        assert {outcome.result for outcome in outcomes.values()} == {FeedResult.ACCEPTED}


@pytest.mark.parametrize("options", [(), ("-s",)], ids=["streaming", "ihave"])
def test_innxmit_feeds_our_server(place: Path, options: tuple[str, ...]) -> None:
    """What INN stores and sends from its file feed is what our server takes."""
    with InnInstance(place / "n", "a.news.test", [GROUP]) as inn, ArticleServer() as ours:
        inn.add_feed("ours:*:Tf,Wnm:")
        feed(inn.port, ARTICLES)
        inn.wait_for_articles(GROUP, len(ARTICLES))
        batch = inn.home / "outgoing/ours"
        inn.ctlinnd("flush", "ours")
        wait_until(
            lambda: batch.exists() and len(batch.read_bytes().splitlines()) == len(ARTICLES), 20, "file feed"
        )
        inn.run("innxmit", *options, "-P", str(ours.port), "127.0.0.1", str(batch))
        assert {key: as_stored(data) for key, data in ours.articles.items()} == {
            key: as_stored(data) for key, data in ARTICLES.items()
        }
        assert (b"TAKETHIS" in ours.transcript) != bool(options)


def test_innfeed_feeds_our_server_while_articles_come(place: Path) -> None:
    """INN's own feeder, at work all the time, loses nothing and brings nothing twice."""
    with InnInstance(place / "n", "a.news.test", [GROUP]) as inn, ArticleServer() as ours:
        inn.add_innfeed("ours/ours.news.test", ours.port)
        sent: dict[str, bytes] = {}
        # More at a time go to its backlog, which it looks at after minutes.
        for group in batched(ARTICLES.items(), 6):
            feed(inn.port, dict(group))
            sent |= dict(group)
            wait_until(lambda: len(ours.articles) == len(sent), 60, "articles", explain=inn.log_text)  # noqa: B023
        assert {key: as_stored(data) for key, data in ours.articles.items()} == {
            key: as_stored(data) for key, data in ARTICLES.items()
        }
        assert ours.transcript.count(b"TAKETHIS <") == len(ARTICLES)


def batched(items: Iterable[tuple[str, bytes]], count: int) -> Iterator[list[tuple[str, bytes]]]:
    """Items, so many at a time."""
    source = iter(items)
    while batch := list(itertools.islice(source, count)):
        yield batch


def test_rnews_feeds_our_server(place: Path) -> None:
    """``rnews -S`` speaks IHAVE in lower case, and needs nothing else."""
    with InnInstance(place / "n", "a.news.test", [GROUP]) as inn, ArticleServer() as ours:
        data = article("..dot\r\n.\r\n")
        inn.run("rnews", "-S", "127.0.0.1", "-P", str(ours.port), stdin=data.replace(b"\r\n", b"\n"))
        assert ours.articles == {"<1@p.test>": data}
        assert b"ihave" in ours.transcript


def test_nnrpd_and_our_server_answer_a_reader_alike(place: Path) -> None:
    """Where there is nothing to read, a client can not tell which of the two it speaks with."""
    commands = (
        "XOVER",
        "XHDR Path",
        "LIST OVERVIEW.FMT",
        "LIST MOTD",
        "NEXT",
        "ARTICLE",
        "FOO",
        "LIST FOO",
        "QUIT",
    )
    with InnInstance(place / "n", "a.news.test", [GROUP]) as inn, ArticleServer() as ours:
        answers = []
        for port in (inn.reader_port, ours.port):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall("".join(f"{command}\r\n" for command in commands).encode())
                with connection.makefile("rb") as replies:
                    lines = replies.read().splitlines()
            answers.append([line[:3] if line[:3].isdigit() else line for line in lines])
        assert answers[0] == answers[1]


READER_COMMANDS = [
    *(
        "GROUP misc.test",
        "XOVER 90-95",
        "XHDR Subject 90-95",
        "XPAT Subject 90-95 *",
        "XHDR Subject <none@p.test>",
    ),
    *(
        "HDR Subject <none@p.test>",
        "XPAT Subject <1.0@p.test> *1*",
        "OVER 3-1",
        "LISTGROUP misc.test 3-1",
    ),
    *(
        "ARTICLE 1-2",
        "HDR :foo 1",
        "HDR",
        "STAT x",
        "LIST ACTIVE.TIMES",
        "LIST NEWSGROUPS",
        "LIST FOO",
    ),
    *(
        "MODE FOO",
        "NEWGROUPS 1 2",
        "NEXT 1",
        "LAST x",
        "HEAD 99",
        "BODY <x>",
        "STAT 99999999999",
        "GROUP",
        "LISTGROUP a b c",
    ),
    *("MODE READER", "GROUP no.such", "GROUP misc.test", "LISTGROUP misc.test", "LISTGROUP misc.test 2-3"),
    *(
        "LISTGROUP misc.test 9-",
        "STAT",
        "NEXT",
        "STAT",
        "NEXT",
        "NEXT",
        "LAST",
        "ARTICLE",
        "ARTICLE 2",
        "HEAD 3",
    ),
    *(
        "BODY 1",
        "BODY 4",
        "STAT <2.12@p.test>",
        "ARTICLE <1.0@p.test>",
        "STAT 99",
        "STAT <none@p.test>",
        "STAT 2",
        "OVER 1-3",
    ),
    *("XOVER 2-3", "XOVER", "OVER 90-95", "HDR Subject 1-3", "XHDR Subject 1-3", "XHDR Subject <1.0@p.test>"),
    *(
        "HDR Subject <1.0@p.test>",
        "HDR :bytes 1",
        "HDR :lines 2",
        "HDR X-None 1-2",
        "HDR From",
    ),
    *(
        "XPAT Subject 1- *2*",
        "XPAT Subject 1- nothing",
        "LIST ACTIVE misc.*",
        "LIST COUNTS misc.test",
        "LAST",
        "LAST",
    ),
    *("GROUP alt.empty", "STAT", "NEXT", "LISTGROUP", "NEWGROUPS 20990101 000000 GMT", "LIST ACTIVE no.*"),
]
BLOCKS = (b"215", b"220", b"221", b"222", b"224", b"225", b"231")


def ask(port: int, commands: list[str]) -> list[list[bytes]]:
    """What a server answers; of the first line, what a client goes by."""
    answers = []
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
        connection.makefile("rb") as replies,
    ):
        replies.readline()
        for command in commands:
            connection.sendall(f"{command}\r\n".encode())
            first = replies.readline()
            words = first.split()
            shown = {b"211": 5, b"220": 3, b"222": 3, b"223": 3}.get(words[0], 1)
            lines = [b" ".join(words[:shown])]
            if words[0] in BLOCKS or (words[0] == b"211" and command.startswith("LISTGROUP")):
                while (line := replies.readline()) != b".\r\n":
                    lines.append(line)
            answers.append([command.encode(), *lines])
    return answers


def test_reader_gets_from_our_server_what_nnrpd_gives(place: Path) -> None:
    """Groups, articles, overview and fields are answered as by INN, byte for byte."""
    # INN counts doubled dots as bytes in its overview: the article with dots is asked for otherwise.
    bodies = ["", "two\r\nlines\r\n", "line\r\n" * 3, "..dot\r\n.\r\n"]
    articles = {
        f"<{number}.{len(body)}@p.test>": article(
            body,
            Message_ID=f"<{number}.{len(body)}@p.test>",
            Subject=f"t{number}",
            References="<0@p.test>\r\n <9@p.test>",
        )
        for number, body in enumerate(bodies, 1)
    }
    with InnInstance(place / "n", "a.news.test", [GROUP, "alt.empty"]) as inn:
        assert {outcome.result for outcome in feed(inn.port, articles).values()} == {FeedResult.ACCEPTED}
        paths = inn.wait_for_articles(GROUP, len(articles))
        held = {int(path.name): path.read_bytes().replace(b"\n", b"\r\n") for path in paths}
        with ArticleServer(Newsstand({GROUP: held, "alt.empty": {}})) as ours:
            answers = zip(ask(ours.port, READER_COMMANDS), ask(inn.reader_port, READER_COMMANDS), strict=True)
            different = [(mine, theirs) for mine, theirs in answers if mine != theirs]
            assert not different, "\n".join(map(repr, different))
