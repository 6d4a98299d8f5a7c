"""Fuzz targets of news: articles, batches of them, and both halves of NNTP."""

import binascii
import bz2
import gzip
from collections.abc import Iterable, Iterator, Mapping

import zstandard

from gateway.message.mail_text import read_mail_text
from gateway.nntp.article import Article, header_end, read_article
from gateway.nntp.dates import parse_date
from gateway.nntp.events import DialogueLimits
from gateway.nntp.feeder import ArticleWanted, FeedClosed, FeedDialogue, FeedOutcome
from gateway.nntp.injection import Injected, Injector, Poster
from gateway.nntp.overview import overview_fields
from gateway.nntp.path import Source, is_in_path, relayed
from gateway.nntp.remote_words import COMMANDS_LIMIT_COUNT, HELP_LINES, read_commands
from gateway.nntp.rnews_batch import ArticleRead, RnewsLimits, read_batch
from gateway.nntp.wildmat import Wildmat, is_newsgroup_name
from tests.fuzz.target import Target, in_pieces, text_of
from tests.support.articles import article, batch_article
from tests.support.lzw import compress
from tests.support.nntp_driver import serve

SERVER_LIMITS = DialogueLimits(article_bytes=300, unanswered_count=4, error_count=8)
BATCH_LIMITS = RnewsLimits(article_bytes=500, article_count=6, total_bytes=1 << 20)
INJECTOR = Injector("us.test", "misc.test".__eq__, "misc.mod".__eq__, complaints_to="a@us.test")


def articles(data: bytes) -> None:
    """An article: checked, relayed, shown, posted."""
    assert overview_fields(data).count(b"\t") == 6
    found = read_article(data)
    if isinstance(found, Article):
        for source in (Source(), Source(("a.test",), "192.0.2.1"), Source((), "192.0.2.1")):
            passed_on = relayed(data, "us.test", source, found)
            again = read_article(passed_on)
            # One that is as large as may be is larger with our name.
            assert isinstance(again, Article), again
            assert is_in_path(again.path, ("us.test",))
            assert passed_on[header_end(passed_on) :] == data[header_end(data) :]
            assert again.message_id == found.message_id
    posted = INJECTOR.inject(data, Poster("h", "a"), 1.8e9, "<n@us.test>")
    assert not isinstance(posted, Injected) or posted.article.path.startswith("us.test!.POSTED.h!")


def batches(source: Iterable[bytes]) -> object:
    """A batch of articles, packed or not."""
    found = list(read_batch(source, BATCH_LIMITS))
    for event in found:
        assert not isinstance(event, ArticleRead) or b"\n" not in event.data.replace(b"\r\n", b"")
    return found


def batch_seeds() -> Iterator[bytes]:
    """Batches in every packing, and a bare article."""
    data = b"".join(batch_article(article(Subject=f"t{number}")) for number in range(3))
    yield b"\x07" + data
    yield b"\x09" + article()
    yield b"\x05#! cunbatch\n" + compress(data)
    yield b"\x05#! cunbatch\n" + compress(data, 10, clear_after=50)
    yield b"\x05#! gunbatch\n" + gzip.compress(data)
    yield b"\x05#! bunbatch\n" + bz2.compress(data)
    yield b"\x05#! zstdunbatch\n" + zstandard.compress(data)


def requests(data: bytes) -> None:
    """What a neighbour asks of its feed, in a packet or a mail."""
    for text in (data.decode("utf-8", "replace"), read_mail_text(data).text):
        commands = read_commands(text)
        assert len(commands) <= COMMANDS_LIMIT_COUNT
        for command in commands:
            assert command.line.isprintable()
            assert command.pattern is None or Wildmat.parse(f"!{command.pattern}").rules


def request_seeds() -> Iterator[bytes]:
    """A request, and mails with one."""
    lines = "".join(f"{line.partition(' ')[0]}\n" for line in HELP_LINES).encode() + b"+comp.*\n%RESCAN a.*\n"
    yield lines
    yield b"Content-Transfer-Encoding: base64\n\n" + binascii.b2a_base64(lines)
    yield b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + lines + b"\n--b--\n"


def server(source: Iterable[bytes]) -> object:
    """What a client says to our server."""
    return serve(source, SERVER_LIMITS)


def feeder(data: bytes) -> None:
    """What a peer answers to our feed; what an answer means depends on what was asked by then."""
    size, wire = (data[0] if data else 0) or 1, data[1:]
    dialogue = FeedDialogue()
    names = [f"<{number}@a>" for number in range(4)]
    events = dialogue.receive_data(b"200 hi\r\n203 go\r\n")
    for name in names:
        dialogue.offer(name)
    for at in range(0, len(wire), size):
        found = dialogue.receive_data(wire[at : at + size])
        events += found
        for event in found:
            if isinstance(event, ArticleWanted) and not dialogue.is_closing:
                dialogue.send_article(event.message_id, b"x\r\n")
    events += dialogue.connection_lost("end")
    assert sorted(event.message_id for event in events if isinstance(event, FeedOutcome)) == names
    assert sum(isinstance(event, FeedClosed) for event in events) == 1


def server_seeds() -> Iterator[bytes]:
    """A feeder, a reader, and somebody with a password."""
    yield (
        b"\x07MODE STREAM\r\nCHECK <1@a>\r\nTAKETHIS <1@a>\r\nA: b\r\n\r\n..x\r\n.\r\n"
        b"IHAVE <333@a>\r\nx\r\n.\r\nQUIT\r\n"
    )
    yield (
        b"\x07MODE READER\r\nGROUP a\r\nOVER 1-\r\nARTICLE 1\r\nNEXT\r\nXHDR Subject <1@a>\r\n"
        b"LIST\r\nPOST\r\n.\r\n"
    )
    yield (
        b"\x07AUTHINFO USER a\r\nAUTHINFO PASS a\r\nAUTHINFO SASL PLAIN\r\n*\r\nDATE\r\n"
        b"CAPABILITIES\r\nHELP\r\n"
    )


def patterns(data: bytes) -> None:
    """Patterns over names of groups, names, and dates."""
    text = text_of(data)
    parse_date(text)
    assert not is_newsgroup_name(text) or text.isprintable() or not text.isascii()
    wildmat = Wildmat.parse(text)
    for name in ("misc.test", text[:100]):
        assert not (wildmat.matches(name) and wildmat.is_poison(name))


NEWS: Mapping[str, Target] = {
    "article": Target(
        articles,
        lambda: [
            article(Xref="x y:1\r\n\tz:2"),
            article("\r\n", Path=".POSTED!x", Control="cancel <2@a>", Injection_Date="1 Jan 2026 00:00 EST"),
        ],
        (b"\r\n ", b"\r\n\r\n", b"Path: ", b"Xref: ", b"!", b".POSTED", b"Message-ID: <", b"Approved: x\r\n"),
    ),
    "rnews": Target(
        in_pieces(batches), batch_seeds, (b"#! rnews ", b"#! cunbatch\n", b"\x1f\x9d\x90", b"\x1f\x8b")
    ),
    "nntp-server": Target(
        in_pieces(server),
        server_seeds,
        (
            b"\r\n.\r\n",
            b"TAKETHIS ",
            b"CHECK ",
            b"IHAVE ",
            b"POST\r\n",
            b"GROUP ",
            b"LISTGROUP",
            b"XPAT Subject 1- *",
        ),
    ),
    "nntp-feed": Target(
        feeder,
        lambda: [b"\x07238 <1@a>\r\n438 <2@a> no\r\n239 <1@a>\r\n431 <3@a>\r\n400 bye\r\n"],
        (b"238 <", b"239 <", b"439 <", b"@a>\r\n", b"400 ", b"480 "),
    ),
    "news-requests": Target(
        requests,
        request_seeds,
        (b"%RESCAN ", b"\n+", b"\n-", b"Content-Type: multipart/", b"boundary=", b"\n--b\n"),
    ),
    "wildmat": Target(
        patterns,
        lambda: [b"comp.*,!comp.bin*.?,@*.sex*", b"Fri, 20 Nov 2026 11:52:24 +0000 (UTC)", b"misc.test"],
        (b"*", b"?", b",!", b",@", b"(", b")"),
        limit_bytes=500,
    ),
}
"""By the name that ``./run fuzz`` takes."""
