"""News between two INNs through two nodes of ours: every way out of INN, there and back, with the kit."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.gateways import CHILD_SECONDS, GatewayNode, pair
from tests.support.inn import USER, InnInstance
from tests.support.inn_kit import add_feed, channel_program, kit_text, run_kit
from tests.support.news import (
    GROUP,
    MODULE,
    article,
    batch,
    news_queue_counts,
    open_for_all,
    path_of,
    script,
    without_path,
)
from tests.support.peers import NEWS_BIN, PROJECT, require_readable_by
from tests.support.ports import free_port
from tests.support.processes import as_user, wait_until

BOTH = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0\n'
INNFEED_DEFAULTS = "initial-connections: 1\nforce-ipv4: true\ninitial-reconnect-time: 1\n"
AT_A_TIME = 6
"""What innfeed does not send at once it looks at after minutes."""


class Side:
    """An INN, and a node of ours beside it."""

    def __init__(self, place: Path, name: str, inn: InnInstance) -> None:
        self.place, self.name, self.inn = place, name, inn
        self.node = GatewayNode(place / name, f"{name}.test")
        self.port = free_port()
        self.bin = place / f"bin-{name}"

    def set_up(self, other: str) -> None:
        """Let the node carry news between its INN and the other node, with the kit's lines."""
        names = {
            "gw.example.org": f"gw.{self.name}.test",
            "127.0.0.1:1119": f"127.0.0.1:{self.port}",
            "/run/news/nntpin": f"127.0.0.1:{self.inn.port}",
            "news.example.org": self.inn.pathhost,
            "neighbour.bob": f"neighbour.{other}",
            "gw.bob.example.org": f"gw.{other}.test",
            "comp.*,misc.*": "*",
        }
        sample = kit_text("gateway.toml.sample", names)
        self.node.config_path.write_text(f"{self.node.config_path.read_text()}\n{sample}")
        self.node.run("links", "--mail", str(self.bin))

    def feed(self, name: str, **names: str) -> None:
        """Put a file of the kit into newsfeeds."""
        add_feed(self.inn, name, **{"gw.example.org": f"gw.{self.name}.test"}, **names)

    def fill(self, articles: list[bytes]) -> None:
        """Let the INN get articles from elsewhere."""
        count = len(self.inn.articles(GROUP)) + len(articles)
        self.inn.run("rnews", stdin=batch(articles))
        self.inn.wait_for_articles(GROUP, count)

    def wait_taken(self, count: int) -> None:
        """Wait until the node has seen so many articles."""
        wait_until(
            lambda: news_queue_counts(self.node)[0] >= count,
            60,
            f"{count} articles in the queue",
            explain=lambda: self.inn.log_text() + self.node.log_text(),
        )

    def as_news(self, *words: str | Path) -> None:
        """Run a program as INN does."""
        env = {
            "PATH": f"{self.bin}:{NEWS_BIN}:{os.defpath}",
            "INNCONF": str(self.inn.home / "etc/inn.conf"),
            "PYTHONPATH": str(PROJECT),
        }
        done = subprocess.run(
            as_user(USER, list(words)), capture_output=True, check=False, timeout=CHILD_SECONDS, env=env,
            cwd=self.inn.home / "outgoing",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout


def by_innfeed(side: Side, articles: list[bytes], seen: int) -> None:
    """INN's own feeder, by NNTP, while articles come."""
    settings = side.inn.home / "etc/innfeed.conf"
    text = kit_text("innfeed.conf.sample", {"1119": str(side.port)})
    own = f"pid-file: innfeed.pid\nlog-file: innfeed.log\nbacklog-directory: {side.inn.home}/innfeed\n"
    settings.write_text(own + INNFEED_DEFAULTS + text)
    settings.chmod(0o644)
    program = f"{NEWS_BIN}/innfeed"
    side.feed("newsfeeds_innfeed.sample", **{program: f"{program} -c {settings}"})
    for start in range(0, len(articles), AT_A_TIME):
        some = articles[start : start + AT_A_TIME]
        side.fill(some)
        seen += len(some)
        side.wait_taken(seen)
    side.inn.ctlinnd("drop", "gw")


def by_innxmit(side: Side, articles: list[bytes], seen: int) -> None:
    """INN's feeder from a file, by NNTP."""
    side.inn.add_feed(f"gw/gw.{side.name}.test:*,!junk,!control,!control.*:Tf,Wnm:")
    side.fill(articles)
    side.inn.ctlinnd("flush", "gw")
    side.inn.run("innxmit", "-P", str(side.port), "127.0.0.1", str(side.inn.home / "outgoing/gw"))
    side.wait_taken(seen + len(articles))
    side.inn.ctlinnd("drop", "gw")


def by_send_nncp(side: Side, articles: list[bytes], seen: int) -> None:
    """File feed, with the kit's program around INN's sm."""
    side.feed("newsfeeds_file.sample")
    side.fill(articles)
    done = run_kit(side.inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=str(side.bin))
    assert done.returncode == 0, done.stderr + done.stdout
    side.wait_taken(seen + len(articles))


def by_batcher(side: Side, articles: list[bytes], seen: int) -> None:
    """File feed, with INN's batcher alone."""
    side.inn.add_feed(f"gw/gw.{side.name}.test:*,!junk,!control,!control.*:Tf,Wnb:")
    side.fill(articles)
    work = side.inn.home / "outgoing/gw.work"
    work.with_name("gw").rename(work)
    side.inn.ctlinnd("flush", "gw")
    side.as_news(NEWS_BIN / "batcher", "-b", "3000", "-p", f"{side.bin}/rnews -h inn", "gw", work)
    side.wait_taken(seen + len(articles))


def by_send_uucp(side: Side, articles: list[bytes], seen: int) -> None:
    """INN's own send-uucp with our uux, gzip batches."""
    other = "b" if side.name == "a" else "a"
    side.inn.add_feed(f"{other}/gw.{side.name}.test:*,!junk,!control,!control.*:Tf,Wnb:")
    config = side.inn.home / "etc/send-uucp.cf"
    config.write_text(f"{other} gzip 3000\n")
    config.chmod(0o644)
    side.fill(articles)
    side.as_news(NEWS_BIN / "send-uucp", other)
    side.wait_taken(seen + len(articles))


def by_channel(side: Side, articles: list[bytes], seen: int) -> None:
    """Channel feed, in real time."""
    program = script(
        side.place / f"gw-{side.name}", f"export PYTHONPATH={PROJECT}", f'exec {" ".join(MODULE)} "$@"'
    )
    channel = channel_program(side.inn, side.node, program)
    side.feed("newsfeeds_channel.sample", **{"/etc/news/nncp-gateway-channel": str(channel)})
    side.fill(articles)
    side.wait_taken(seen + len(articles))
    side.inn.ctlinnd("drop", "gw")


WAYS = (by_innfeed, by_innxmit, by_send_nncp, by_batcher, by_send_uucp, by_channel)


@pytest.fixture
def sides(place: Path) -> Iterator[dict[str, Side]]:
    require_readable_by(USER)
    with (
        InnInstance(place / "A", "a.inn.test", [GROUP]) as a,
        InnInstance(place / "B", "b.inn.test", [GROUP]) as b,
    ):
        sides = {"a": Side(place, "a", a), "b": Side(place, "b", b)}
        pair(sides["a"].node, sides["b"].node)
        sides["a"].set_up("b")
        sides["b"].set_up("a")
        yield sides


def articles_of(name: str) -> list[bytes]:
    """Articles that break what is not careful."""
    bodies = (
        "hello\n",
        ".\n..dots\nFrom the start\n" + "x" * 20_000 + "\n",
        "schön\n",
        "y\n" * 50_000,
        *("more\n" for _ in range(5)),
    )
    return [article(f"{name}{number}", body) for number, body in enumerate(bodies)]


@pytest.mark.parametrize("way", WAYS)
def test_articles_go_from_one_news_server_to_the_other_and_back(
    place: Path, sides: dict[str, Side], way: Callable[[Side, list[bytes], int], None]
) -> None:
    """All articles of both servers are on both, unchanged but for Path, each once, and nothing echoes."""
    sent: list[bytes] = []
    for near, far in ((sides["a"], sides["b"]), (sides["b"], sides["a"])):
        articles = articles_of(near.name)
        with near.node.serving("--only", "pipe", "--only", "nntp"):
            open_for_all(near.node)
            way(near, articles, len(sent))
        sent += articles
        near.node.run("flush")
        near.node.carry_to(far.node, place / "stick")
        far.node.run("toss")
        far.node.run("deliver")
        arrived = far.inn.wait_for_articles(GROUP, len(sent))
        assert sorted(without_path(path.read_bytes()) for path in arrived) == sorted(map(without_path, sent))
        last = path_of(arrived[-1].read_bytes())
        assert f"!gw.{far.name}.test!!gw.{near.name}.test!" in f"!{last}"
        assert f"!{near.inn.pathhost}!" in last
        assert news_queue_counts(far.node) == (len(sent), 0)
    for side in sides.values():
        assert "0 messages in 0 packets" in side.node.run("flush").out
        assert "news: 0 delivered" in side.node.run("deliver").out
