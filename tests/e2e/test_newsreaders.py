"""People read and post with their newsreaders at a node that is offline; their articles travel later."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bookshelf import message_ids, open_store
from tests.support.certificates import make_certificate
from tests.support.gateways import GatewayNode, clean_environ, pair
from tests.support.inn import InnInstance
from tests.support.news import GROUP, article, batch, feed_inn, give_news, news_queue_counts, without_path
from tests.support.newsreader import Newsreader
from tests.support.newsreaders import Slrn, TerminalReader, Tin
from tests.support.processes import wait_until
from tests.support.submission import trusting

BOTH = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0\nlevel = 1\n'
PROTO = ("From: Me <me@a.test>", f"Newsgroups: {GROUP}")


_NNTPLIB = f"""
import datetime, nntplib, sys
with nntplib.NNTP("127.0.0.1", int(sys.argv[1]), readermode=True) as server:
    assert server.nntp_version == 2, server.getcapabilities()
    names = sorted(group.group for group in server.list()[1])
    assert names == ["local.empty", "{GROUP}"], names
    assert server.descriptions("*")[1]["{GROUP}"] == "Tests"
    assert len(server.newgroups(datetime.datetime(1999, 1, 1))[1]) == 2
    assert server.group("{GROUP}")[1:] == (3, 1, 3, "{GROUP}")
    overview = server.over((1, None))[1]
    assert [fields["subject"] for _, fields in overview] == ["number 0", "number 1", "number 2"]
    assert overview[2][1]["xref"].endswith("{GROUP}:3")
    assert server.xhdr("Subject", "2-3")[1] == [("2", "number 1"), ("3", "number 2")]
    assert server.stat(1)[1:] == (1, "<0@a.test>")
    assert server.next()[1:] == (2, "<1@a.test>")
    assert server.last()[1:] == (1, "<0@a.test>")
    assert server.body("<2@a.test>")[1].lines == [b"hello 2"]
    assert b"Subject: number 1" in server.head(2)[1].lines
    assert server.article(3)[1].lines[-1] == b"hello 2"
    assert abs((server.date()[1] - datetime.datetime.utcnow()).total_seconds()) < 60
    lines = ("From: me <me@a.test>", "Newsgroups: {GROUP}", "Subject: from nntplib", "", ".typed", "")
    assert server.post("\\r\\n".join(lines).encode()).startswith("240")
"""


class Leaf:
    """Node a, where people read; node b beside the world; between them a stick."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.a, self.b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
        pair(self.a, self.b)
        give_news(self.a, b=BOTH)
        give_news(self.b, a=BOTH + 'path_names = ["gw.a.test"]\n')
        self.a.set_toml("news.reader.groups", f'"{GROUP}" = "Tests"\n"local.empty" = "Nothing yet"\n')
        self.a.set_toml("news.reader", 'feed = "*"\n')
        self.a.set_toml("nntp", 'listen = ["127.0.0.1:0"]\n')
        self.bin = place / "bin"
        self.b.run("links", "--mail", str(self.bin))

    def ports(self) -> list[int]:
        """Where the daemon of a speaks NNTP."""
        return [int(port) for port in re.findall(r"NNTP.* on 127\.0\.0\.1:(\d+)", self.a.log_text())]

    def bring_from_b(self, count: int) -> None:
        """Articles that came to b are carried to a."""
        payload = batch([article(number, f"hello {number}\n") for number in range(count)])
        environ = clean_environ(PATH="/usr/bin:/bin")
        subprocess.run([self.bin / "rnews"], input=payload, check=True, timeout=60, env=environ, cwd="/")
        self.b.run("flush")
        self.b.carry_to(self.a, self.place / "stick")

    def await_articles(self, count: int) -> list[list[str]]:
        """Wait until so many articles can be read at a; their overview."""

        def look() -> list[list[str]]:
            with Newsreader(self.ports()[0]) as reader:
                found = reader.overview(GROUP)
            return found if len(found) >= count else []

        return wait_until(look, 60, f"{count} articles", explain=self.a.log_text)


@pytest.fixture
def leaf(place: Path) -> Leaf:
    return Leaf(place)


@pytest.fixture
def inn(place: Path) -> Iterator[InnInstance]:
    with InnInstance(place / "i", "inn.b.test", [GROUP]) as running:
        yield running


def test_what_is_posted_offline_by_every_newsreader_appears_at_the_far_inn(
    leaf: Leaf, inn: InnInstance
) -> None:
    """What comes on a stick is read in slrn, tin and Python; what is posted goes on a stick to INN."""
    feed_inn(leaf.b, inn)
    with leaf.a.serving():
        leaf.bring_from_b(3)
        leaf.await_articles(3)
        readers: list[TerminalReader] = [
            kind(leaf.place / kind.name, leaf.ports()[0], GROUP) for kind in (Slrn, Tin)
        ]
        for reader in readers:
            reader.read("number 0", "hello 0")
            reader.post(f"from {reader.name}")
        with Newsreader(leaf.ports()[0]) as client:
            assert client.post([*PROTO, "Subject: from Python", "", ".dot", "typed in Python"]) == "240"
        overview = leaf.await_articles(6)
        # What was posted is read here at once, though nothing has left.
        assert [fields[1] for fields in overview[3:]] == ["from slrn", "from tin", "from Python"]
        leaf.a.run("flush")
        leaf.a.carry_to(leaf.b, leaf.place / "stick")
        with Newsreader(leaf.ports()[0]) as client:
            kept = {
                fields[1]: "\n".join(client.lines(f"ARTICLE {fields[4]}")).encode() for fields in overview
            }
    leaf.b.run("toss")
    leaf.b.run("deliver")
    arrived = [path.read_bytes() for path in inn.wait_for_articles(GROUP, 6)]
    for name in ("slrn", "tin", "Python"):
        (found,) = [data for data in arrived if f"Subject: from {name}\n".encode() in data]
        assert f"typed in {name}".encode() in found
        assert b"\nPath: inn.b.test!gw.b.test!!gw.a.test!.POSTED" in b"\n" + found
        assert without_path(found).rstrip() == without_path(kept[f"from {name}"]).rstrip()


def test_thunderbird_over_tls(leaf: Leaf) -> None:
    """The commands that Thunderbird sends for a user who logs in have the answers that it needs."""
    files = make_certificate(leaf.place)
    leaf.a.set_toml(
        "nntp", f'listen_tls = ["127.0.0.1:0"]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
        "read_from = []\npost_from = []\n",
    )  # fmt: skip
    leaf.a.run("passwd", "--news", "alice", stdin=b"wonderland\n")
    with leaf.a.serving():
        leaf.bring_from_b(3)
        with Newsreader(leaf.ports()[1], trusting(files)) as tb:
            assert tb.greeting[:3] in {"200", "201"}
            assert tb.ask("MODE READER")[:3] in {"200", "201", "480"}
            assert tb.ask(f"GROUP {GROUP}").startswith("480")
            assert tb.ask("AUTHINFO user alice").startswith("381")
            assert tb.ask("AUTHINFO pass wonderland").startswith("281")
            wait_until(lambda: tb.ask(f"GROUP {GROUP}") == f"211 3 1 3 {GROUP}", 60, "articles")
            assert tb.lines("LIST")[-1] == f"{GROUP} 0000000003 0000000001 y"
            assert f"{GROUP}\tTests" in tb.lines("LIST NEWSGROUPS")
            assert len(tb.lines("NEWGROUPS 700101 000000 GMT")) == 2
            assert tb.ask(f"LISTGROUP {GROUP}") == f"211 3 1 3 {GROUP} list follows"
            assert [tb.next_line() for _ in range(4)] == ["1", "2", "3", "."]
            assert [line.split("\t")[1] for line in tb.lines("XOVER 1-3")] == [
                f"number {n}" for n in range(3)
            ]
            assert tb.lines("XHDR Newsgroups 2-3") == [f"2 {GROUP}", f"3 {GROUP}"]
            assert "hello 1" in tb.lines("ARTICLE <1@a.test>")
            assert "Subject: number 1" in tb.lines("HEAD <1@a.test>")
            assert tb.ask("ARTICLE <nothing@a.test>").startswith("430")
            assert tb.post([*PROTO, "Subject: from TB", "Message-ID: <tb@a.test>", "", "hi"]) == "240"
            wait_until(lambda: tb.ask(f"GROUP {GROUP}") == f"211 4 1 4 {GROUP}", 60, "what was posted")
            assert tb.lines("XOVER 4-4")[0].split("\t")[4] == "<tb@a.test>"
            assert tb.post([*PROTO, "Subject: again", "Message-ID: <tb@a.test>", "", "hi"]).startswith("441")
            assert tb.ask("GROUP local.empty") == "211 0 1 0 local.empty"
            assert tb.ask("QUIT").startswith("205")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="nntplib is gone from Python 3.13")
def test_nntplib(leaf: Leaf) -> None:
    """What programs made with Python's own library ask is answered as it reads answers, and it can post."""
    with leaf.a.serving():
        leaf.bring_from_b(3)
        leaf.await_articles(3)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _NNTPLIB, str(leaf.ports()[0])],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert leaf.await_articles(4)[3][1] == "from nntplib"


def test_a_store_that_is_damaged_or_deleted_keeps_nothing_else_from_going_on(leaf: Leaf) -> None:
    """While the store is damaged articles wait for it; once it was deleted they are in a new one."""
    leaf.bring_from_b(2)
    leaf.a.run("toss")
    leaf.a.run("deliver")
    directory = leaf.a.home / "state/news/reader"
    with open_store(directory) as store:
        assert message_ids(store, GROUP) == [(1, "<0@a.test>"), (2, "<1@a.test>")]
    (directory / "reader.sqlite").write_bytes(b"damaged" * 1000)
    leaf.bring_from_b(4)
    leaf.a.run("toss")
    assert "delete" in leaf.a.run("deliver", is_checked=False).err
    assert news_queue_counts(leaf.a) == (4, 2)
    for path in directory.glob("reader.sqlite*"):
        path.unlink()
    leaf.a.run("deliver", "--now")
    assert news_queue_counts(leaf.a) == (4, 0)
    with open_store(directory) as store:
        # Behind all numbers that newsreaders may have seen.
        assert message_ids(store, GROUP) == [(1003, "<2@a.test>"), (1004, "<3@a.test>")]
