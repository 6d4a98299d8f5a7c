"""News from one INN to another where the Go tools stand anywhere on the way, with the stock ``rnews``."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, clean_environ, pair
from tests.support.inn import USER, InnInstance
from tests.support.news import GROUP, GoNewsNode, article, batch, feed_inn, give_news, path_of, without_path
from tests.support.peers import require, require_readable_by
from tests.support.ports import free_port

BOTH = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0\n'
ARTICLES = [
    article(number, body)
    for number, body in enumerate(
        (".\n..dots\nFrom the start\n" + "x" * 20_000 + "\n", "schön\n", *("more\n" * n for n in range(20)))
    )
]


@pytest.fixture
def inns(place: Path) -> Iterator[tuple[InnInstance, InnInstance]]:
    require_readable_by(USER)
    with (
        InnInstance(place / "A", "a.inn.test", [GROUP]) as a,
        InnInstance(place / "B", "b.inn.test", [GROUP]) as b,
    ):
        yield a, b


def feed_file(inn: InnInstance, names: str) -> Path:
    """Let an INN get the articles from elsewhere; the file that names them for its neighbour.

    Args:
        inn: which.
        names: what stands in a line: ``nm`` for innxmit, ``nb`` for batcher.
    """
    inn.add_feed(f"gw/gw.a.test:*,!junk,!control,!control.*:Tf,W{names}:")
    inn.run("rnews", stdin=batch(ARTICLES))
    inn.wait_for_articles(GROUP, len(ARTICLES))
    inn.ctlinnd("flush", "gw")
    return inn.home / "outgoing/gw"


def into_ours(inn: InnInstance, node: GatewayNode) -> None:
    """Bring the articles of an INN to a node of ours by innxmit, and make packets of them."""
    port = free_port()
    node.set_toml("nntp", f'listen = ["127.0.0.1:{port}"]\n')
    table = f'\n[[news.peer]]\nname = "inn"\nhosts = ["127.0.0.1"]\npath_names = ["{inn.pathhost}"]\n'
    node.config_path.write_text(node.config_path.read_text() + table + 'accept = "*"\n')
    with node.serving("--only", "nntp"):
        inn.run("innxmit", "-P", str(port), "127.0.0.1", str(feed_file(inn, "nm")))
    assert f"{len(ARTICLES)} messages in 1 packets" in node.run("flush").out


def into_go(inn: InnInstance, go: GoNewsNode, to: str) -> None:
    """Let INN's batcher hand the articles to nncp-exec, as user news."""
    for directory, _, files in os.walk(go.node.home):
        for name in (".", *files):
            shutil.chown(Path(directory, name), USER, USER)
    command = f"{require('nncp-exec')} -cfg {go.node.config_path} -quiet -noprogress {to} rnews"
    inn.run("batcher", "-b", "10000", "-p", command, "gw", str(feed_file(inn, "nb")))


def arrived_whole(inn: InnInstance, *names: str) -> None:
    """All articles are there once, unchanged but for Path, which names these nodes and no other of ours."""
    arrived = [path.read_bytes() for path in inn.wait_for_articles(GROUP, len(ARTICLES))]
    assert sorted(map(without_path, arrived)) == sorted(map(without_path, ARTICLES))
    for content in arrived:
        hops = [hop for hop in path_of(content).split("!") if hop.startswith("gw.")]
        assert hops == list(names), path_of(content)


def give(go: GoNewsNode, stick: Path) -> None:
    stick.mkdir(exist_ok=True)
    go.node.run("nncp-xfer", "-quiet", "-mkdir", "-tx", str(stick))


def take(go: GoNewsNode, stick: Path) -> None:
    go.node.run("nncp-xfer", "-quiet", "-rx", str(stick))
    go.node.toss()


def deliver(node: GatewayNode) -> None:
    """Bring what a node has tossed to its INN."""
    assert f"news: {len(ARTICLES)} delivered" in node.run("deliver").out


def test_a_relay_with_the_go_tools_between_two_of_ours(
    place: Path, inns: tuple[InnInstance, InnInstance]
) -> None:
    """INN, ours, nncp-toss as a relay, ours, INN: the relay sees packets, and no news."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    relay = GoNewsNode(place, "r")
    for node in (a, b):
        relay.meet(node, Path("/bin/false"))
    a.accept(b, "--via", "r")
    b.accept(a, "--via", "r")
    give_news(a, b=BOTH)
    give_news(b, a=BOTH)
    feed_inn(b, inns[1])
    into_ours(inns[0], a)
    first, second = place / "stick-1", place / "stick-2"
    first.mkdir()
    a.run("xfer", "--tx", "--mkdir", str(first))
    take(relay, first)
    give(relay, second)
    b.run("xfer", "--rx", str(second))
    b.run("toss")
    deliver(b)
    arrived_whole(inns[1], "gw.b.test", "gw.a.test")


def test_batcher_and_nncp_exec_at_the_near_end(place: Path, inns: tuple[InnInstance, InnInstance]) -> None:
    """INN's batcher, nncp-exec, our toss, INN: a stock site needs nothing of ours."""
    b, go = GatewayNode(place / "b", "b.test"), GoNewsNode(place, "g")
    go.meet(b, Path("/bin/false"))
    give_news(b, g=BOTH)
    feed_inn(b, inns[1])
    into_go(inns[0], go, "b")
    give(go, place / "stick")
    b.run("xfer", "--rx", str(place / "stick"))
    b.run("toss")
    deliver(b)
    arrived_whole(inns[1], "gw.b.test")


def test_nncp_toss_and_rnews_at_the_far_end(place: Path, inns: tuple[InnInstance, InnInstance]) -> None:
    """INN, ours, nncp-toss, the stock rnews, INN: our batches are as INN's own."""
    a, go = GatewayNode(place / "a", "a.test"), GoNewsNode(place, "g")
    go.meet(a, inns[1].rnews)
    give_news(a, g=BOTH)
    into_ours(inns[0], a)
    stick = place / "stick"
    stick.mkdir()
    a.run("xfer", "--tx", "--mkdir", str(stick))
    take(go, stick)
    arrived_whole(inns[1], "gw.a.test")


def test_a_relay_of_ours_between_two_with_the_go_tools(
    place: Path, inns: tuple[InnInstance, InnInstance]
) -> None:
    """batcher, nncp-exec, our toss as a relay, nncp-toss, rnews: we pass on what is not for us unread."""
    relay = GatewayNode(place / "r", "r.test")
    near, far = GoNewsNode(place, "g"), GoNewsNode(place, "h")
    for node in (near, far):
        node.meet(relay, Path("/bin/false"))
    near.know(far, via=["r"])
    far.know(near, rnews=inns[1].rnews)
    into_go(inns[0], near, "h")
    give(near, place / "stick")
    relay.run("xfer", "--rx", str(place / "stick"))
    relay.run("toss")
    relay.run("xfer", "--tx", "--mkdir", str(place / "stick"))
    take(far, place / "stick")
    arrived_whole(inns[1])


def test_nncp_toss_on_our_own_spool(place: Path, inns: tuple[InnInstance, InnInstance]) -> None:
    """nncp-toss starts our handle in its bare environment; tossed again, nothing is there twice."""
    toss = require("nncp-toss")
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    give_news(a, b=BOTH)
    give_news(b, a=BOTH)
    feed_inn(b, inns[1])
    into_ours(inns[0], a)
    a.carry_to(b, place / "stick")
    (packet,) = b.packets(a.id, "rx")
    again = packet.read_bytes()
    words = [toss, "-cfg", str(b.nncp_path), "-quiet", "-noprogress"]
    subprocess.run(words, check=True, timeout=60, env=clean_environ())
    assert not b.packets(a.id, "rx")
    packet.write_bytes(again)
    subprocess.run(words, check=True, timeout=60, env=clean_environ())
    deliver(b)
    arrived_whole(inns[1], "gw.b.test", "gw.a.test")
