"""What is wrong on purpose, by each way in: the defined answer, and what stands beside it goes on."""

import gzip
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, pair
from tests.support.news import article, batch, give_news, news_queue_counts
from tests.support.nntp_endpoint import NntpClient
from tests.support.ports import free_port

GOOD = article("good")
BATCH_LIMIT_BYTES = 4 << 20
WHOLE = batch([article(number) for number in range(3)])
BATCHES = {
    "cut short": WHOLE[:-10],
    "cut behind a count": WHOLE + b"#! rnews 400\n",
    "a count too large": b"#! rnews %d\n" % (len(GOOD) + 100) + GOOD + WHOLE,
    "a count too small": b"#! rnews %d\n" % (len(GOOD) - 10) + GOOD + WHOLE,
    "a count that is none": b"#! rnews -5\n" + GOOD,
    "a count of many digits": b"#! rnews " + b"9" * 5000 + b"\n" + GOOD,
    "words between articles": batch([GOOD]) + b"hello\n" + batch([article(2)]),
    "a program that nobody has": b"#! rm -rf /\n" + GOOD,
    "a bomb of zeros": b"#! gunbatch\n" + gzip.compress(bytes(100 << 20)),
    "a bomb of articles": b"#! gunbatch\n" + gzip.compress(batch([article(1, "x\n" * 50_000)] * 100)),
    "packed and cut": b"#! gunbatch\n" + gzip.compress(WHOLE)[:-20],
}


def changed(number: int, old: str, new: str) -> bytes:
    """An article of which something is different."""
    content = article(number).decode()
    assert old in content
    return content.replace(old, new).encode()


ARTICLES = {
    "our name in Path": article(1, path="x.test!GW.b.test!"),
    "no Date": changed(2, "Date:", "X-Date:"),
    "From twice": article(3, more="From: eve@a.test"),
    "no Message-ID": changed(4, "Message-ID: <4@a.test>\n", ""),
    "a Message-ID without brackets": changed(5, "<5@a.test>", "5@a.test"),
    "a Message-ID too long": changed(6, "<6@a.test>", f"<{'6' * 300}@a.test>"),
    "a line without a colon": article(7, more="what is this"),
    "a field too large": article(8, more="X: " + "x" * 40_000),
    "posted tomorrow and later": article(9).replace(
        formatdate(time.time())[:16].encode(), formatdate(time.time() + 3 * 86_400)[:16].encode()
    ),
    "posted long ago": changed(10, formatdate(time.time())[12:16], "1993"),
    "no such newsgroup name": article(11, groups="a b!c"),
    "too many newsgroups": article(12, groups=",".join(f"a.g{number}" for number in range(300))),
    "a NUL": article(13, "a\0b\n"),
    "a bare CR": article(14, "a\rb\n"),
    "too large": article(15, "x\n" * 600_000),
    "no body": article(16).partition(b"\n\n")[0] + b"\n",
}


class Crossing:
    """Nodes a and b; b takes news from a, and by NNTP."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.a, self.b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
        pair(self.a, self.b)
        give_news(self.b, a='feed = ""\naccept = "*"\n')
        self.port = free_port()
        self.b.set_toml("nntp", f'listen = ["127.0.0.1:{self.port}"]\n')
        self.b.set_toml("receive", f"max_batch_bytes = {BATCH_LIMIT_BYTES}\n")
        self.b.set_toml("news.reader", 'feed = "*"\n')
        self.b.set_toml("log", f'mail = "{self.b.home}/mail.log"\n')
        self.b.config_path.write_text(
            self.b.config_path.read_text() + '\n[[news.peer]]\nname = "p"\nhosts = ["127.0.0.1"]\n'
        )

    def send(self, payload: bytes) -> None:
        """Let a packet with this payload for the handle rnews come to b, and be tossed."""
        words = ("nncp", "exec", "-quiet", "-noprogress", "-nocompress", "b", "rnews")
        self.a.run(*words, stdin=payload)
        self.a.carry_to(self.b, self.place / "stick")
        self.b.run("toss", is_checked=False)

    def quarantined(self) -> int:
        """How many payloads are set aside at b."""
        return len(list((self.b.home / "state/news/queue/quarantine").glob("*.txt")))


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Crossing:
    return Crossing(tmp_path_factory.mktemp("crossing"))


@pytest.mark.parametrize("what", BATCHES)
def test_a_batch_that_is_wrong_is_refused_whole(crossing: Crossing, what: str) -> None:
    """A program here is to keep it (75); from a neighbour it is set aside; nothing of it is taken."""
    before, aside = crossing_counts(crossing), crossing.quarantined()
    assert crossing.b.run("pipe", "rnews", stdin=BATCHES[what], is_checked=False).status == 75
    crossing.send(BATCHES[what])
    assert crossing_counts(crossing) == before
    assert crossing.quarantined() == aside + 1
    assert not crossing.b.packets(crossing.a.id, "rx")


def crossing_counts(crossing: Crossing) -> tuple[int, int]:
    """Seen and waiting at b; nothing before its queue is made."""
    crossing.b.run("deliver")
    return news_queue_counts(crossing.b)


def test_an_article_that_is_wrong_is_refused_alone(crossing: Crossing) -> None:
    """Each has its reason in the log, and what stands in the same batch is taken."""
    crossing.b.run("deliver")
    log = crossing.b.home / "mail.log"
    start = len(log.read_text()) if log.exists() else 0
    crossing.send(batch([article("first"), *ARTICLES.values(), article("last", "y" * 20_000 + "\n")]))
    lines = log.read_text()[start:].splitlines()
    refused = [line for line in lines if "event=refused" in line]
    assert len(refused) == len(ARTICLES)
    assert all("text=" in line for line in refused)
    assert sum("event=received" in line for line in lines) == 2
    assert "news: 2 delivered" in crossing.b.run("deliver").out


def test_a_peer_is_told_of_each_article_and_goes_on(crossing: Crossing) -> None:
    """439 for what is wrong, 239 for what follows, in one connection."""
    with crossing.b.serving("--only", "nntp"):
        client = NntpClient(crossing.port)
        assert client.answer()[0] == 200
        for number, (what, content) in enumerate(ARTICLES.items()):
            name = f"<{number + 1}@a.test>"
            if what == "a bare CR":
                data = content.replace(b"\r", b"\0CR").replace(b"\n", b"\r\n").replace(b"\0CR", b"\r")
            else:
                data = content.replace(b"\n", b"\r\n")
            client.send(f"TAKETHIS {name}\r\n".encode() + data + b".\r\n")
            code, text = client.answer()
            assert (code, text.split()[0]) == (439, name), (what, code, text)
        client.send(b"TAKETHIS <peer@a.test>\r\n" + article("peer").replace(b"\n", b"\r\n") + b".\r\n")
        assert client.answer()[0] == 239
        client.close()
