"""News from one INN to another through two nodes of ours, by every way in that a program has."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.gateways import CHILD_SECONDS, GatewayNode, pair
from tests.support.inn import USER, InnInstance
from tests.support.news import (
    GROUP,
    MODULE,
    article,
    batch,
    feed_inn,
    give_news,
    news_queue_counts,
    open_for_all,
    path_of,
    script,
    without_path,
)
from tests.support.peers import NEWS_BIN, PROJECT, require_readable_by
from tests.support.processes import as_user, wait_until

BOTH = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0\n'


class Site:
    """INN A - node a ~~ packets ~~ node b - INN B."""

    def __init__(self, place: Path, inns: dict[str, InnInstance]) -> None:
        self.place = place
        self.inns = inns
        self.a, self.b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
        pair(self.a, self.b)
        give_news(self.a, b=BOTH)
        give_news(self.b, a=BOTH)
        for node in (self.a, self.b):
            feed_inn(node, inns[node.name])
        self.bin = place / "bin"
        self.a.run("links", "--mail", str(self.bin))

    def carry(self) -> None:
        """Everything from a to where it ends, without a daemon at b."""
        self.a.run("flush")
        self.a.carry_to(self.b, self.place / "stick")
        self.b.run("toss")
        self.b.run("deliver")

    def as_news(self, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
        """Run a program as INN does."""
        inn = self.inns["a"]
        env = {
            "PATH": f"{self.bin}:{NEWS_BIN}:{os.defpath}",
            "INNCONF": str(inn.home / "etc/inn.conf"),
            "PYTHONPATH": str(PROJECT),
            **environ,
        }
        return subprocess.run(
            as_user(USER, list(words)), capture_output=True, check=False, timeout=CHILD_SECONDS, env=env,
            cwd=inn.home / "outgoing",
        )  # fmt: skip


@pytest.fixture
def inns(place: Path) -> Iterator[dict[str, InnInstance]]:
    require_readable_by(USER)
    with (
        InnInstance(place / "A", "a.inn.test", [GROUP]) as a,
        InnInstance(place / "B", "b.inn.test", [GROUP]) as b,
    ):
        yield {"a": a, "b": b}


@pytest.fixture
def site(place: Path, inns: dict[str, InnInstance]) -> Site:
    return Site(place, inns)


def by_batcher(site: Site, articles: list[bytes]) -> None:
    """File feed, batcher -p with our rnews."""
    inn = site.inns["a"]
    inn.add_feed("gw/gw.a.test:*,!junk,!control,!control.*:Tf,Wnb:")
    inn.run("rnews", stdin=batch(articles))
    inn.wait_for_articles(GROUP, len(articles))
    inn.ctlinnd("flush", "gw")
    with site.a.serving("--only", "pipe"):
        open_for_all(site.a)
        done = site.as_news(NEWS_BIN / "batcher", "-b", "3000", "-p", "rnews", "gw", inn.home / "outgoing/gw")
        assert done.returncode == 0, done.stderr + done.stdout


def by_send_uucp(site: Site, articles: list[bytes]) -> None:
    """INN's own send-uucp with our uux, gzip batches."""
    inn = site.inns["a"]
    inn.add_feed("b/gw.a.test:*,!junk,!control,!control.*:Tf,Wnb:")
    config = inn.home / "etc/send-uucp.cf"
    config.write_text("b gzip 3000\n")
    config.chmod(0o644)
    inn.run("rnews", stdin=batch(articles))
    inn.wait_for_articles(GROUP, len(articles))
    with site.a.serving("--only", "pipe"):
        open_for_all(site.a)
        done = site.as_news(NEWS_BIN / "send-uucp", "b")
        assert done.returncode == 0, done.stderr + done.stdout
        wait_until(lambda: news_queue_counts(site.a)[0] >= len(articles), 30, "batches taken in")


def by_channel(site: Site, articles: list[bytes]) -> None:
    """Channel feed, in real time."""
    inn = site.inns["a"]
    words = " ".join(MODULE)
    channel = script(
        site.place / "channel",
        f"export PYTHONPATH={PROJECT}",
        f"exec 2>>{inn.home}/log/channel",
        f"exec {words} -c {site.a.config_path} news-channel {inn.home}/outgoing/gw.lines",
    )
    with site.a.serving("--only", "pipe"):
        open_for_all(site.a)
        inn.add_feed(f"gw/gw.a.test:*,!junk,!control,!control.*:Tc,Wnm:{channel}")
        inn.run("rnews", stdin=batch(articles))
        wait_until(
            lambda: (
                (site.a.home / "state/news/queue/queue.sqlite").exists()
                and news_queue_counts(site.a)[0] >= len(articles)
            ),
            60,
            "articles taken in",
            explain=inn.log_text,
        )
        inn.ctlinnd("drop", "gw")


@pytest.mark.parametrize("way", [by_batcher, by_send_uucp, by_channel])
def test_articles_go_from_one_news_server_to_the_other(
    site: Site, way: Callable[[Site, list[bytes]], None]
) -> None:
    """All articles arrive, unchanged but for Path, and each is in the far server once."""
    articles = [
        article(1),
        article(2, ".\n..dots\nFrom the start\n" + "x" * 20_000 + "\n"),
        article(3, "schön\n"),
        article(4, "y\n" * 50_000),
        *(article(number) for number in range(5, 12)),
    ]
    way(site, articles)
    site.carry()
    arrived = site.inns["b"].wait_for_articles(GROUP, len(articles))
    found = sorted(without_path(path.read_bytes()) for path in arrived)
    assert found == sorted(map(without_path, articles))
    path = path_of(arrived[0].read_bytes())
    assert path.startswith("b.inn.test!gw.b.test!") or "!gw.b.test!" in path
    assert "gw.a.test!!a.inn.test" in path
    assert news_queue_counts(site.b) == (len(articles), 0)
