"""News through nodes of ours, beside real INNs: servers that are down, areas, loops, stock neighbours."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, clean_environ, pair, run_here
from tests.support.inn import USER, InnInstance
from tests.support.news import (
    GROUP,
    MODULE,
    GoNewsNode,
    article,
    batch,
    feed_inn,
    give_news,
    make_area,
    news_queue_counts,
    open_for_all,
    script,
    without_path,
)
from tests.support.peers import PROJECT, require_readable_by
from tests.support.processes import wait_until

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


def channel_of(site: Site, node: GatewayNode) -> Path:
    """The program at the end of a channel feed to a node."""
    inn = site.inns[node.name]
    return script(
        site.place / f"channel-{node.name}",
        f"export PYTHONPATH={PROJECT}",
        f"exec 2>>{inn.home}/log/channel",
        f"exec {' '.join(MODULE)} -c {node.config_path} news-channel {inn.home}/outgoing/gw.lines",
    )


def hand_in(node: GatewayNode, articles: list[bytes]) -> None:
    """Put articles in a node's queue of news."""
    node.run("pipe", "rnews", stdin=batch(articles))


def exchange(nodes: list[GatewayNode], stick: Path) -> None:
    """Let nodes make packets of all that waits, pass them on, and take in what they get."""
    stick.mkdir(exist_ok=True)
    for step in (
        ("flush",),
        ("toss",),
        ("xfer", "--tx", "--mkdir", str(stick)),
        ("xfer", "--rx", str(stick)),
    ):
        for node in nodes:
            node.run(*step)
    for node in nodes:
        node.run("toss")


@pytest.mark.parametrize("state", ["pause", "throttle", "down"])
def test_a_server_that_takes_nothing_gets_everything_later(site: Site, state: str) -> None:
    """Articles wait while the server is paused, throttled or down, and none is lost or refused."""
    inn = site.inns["b"]
    hand_in(site.a, [article(number) for number in range(30)])
    if state == "down":
        inn.stop()
    else:
        inn.ctlinnd(state, "a test")
    site.a.run("flush")
    site.a.carry_to(site.b, site.place / "stick")
    site.b.run("toss")
    assert site.b.run("deliver", is_checked=False).status == 75
    assert news_queue_counts(site.b) == (30, 30)
    if state == "down":
        inn.start()
    else:
        inn.ctlinnd("go", "a test")
    assert "news: 30 delivered" in site.b.run("deliver", "--now").out
    assert len(inn.wait_for_articles(GROUP, 30)) == 30


def test_innd_is_fed_by_its_own_rnews(place: Path, inns: dict[str, InnInstance]) -> None:
    """Where articles are piped to the stock rnews, all of them are in innd, once and unchanged."""
    node = GatewayNode(place / "a", "a.test")
    give_news(node)
    node.set_toml("news.rnews", f'command = ["{inns["a"].rnews}"]\n')
    articles = [article(number, ".\n..dots\n" * number) for number in range(30)]
    hand_in(node, [*articles, article("x", groups="nowhere.test")])
    assert "news: 31 delivered" in node.run("deliver").out
    arrived = inns["a"].wait_for_articles(GROUP, 30)
    assert sorted(without_path(path.read_bytes()) for path in arrived) == sorted(map(without_path, articles))


def test_innd_is_fed_over_its_unix_socket_and_says_what_it_will_never_take(
    place: Path, inns: dict[str, InnInstance]
) -> None:
    """New, known and refused articles each have their outcome, one by one."""
    node = GatewayNode(place / "a", "a.test")
    give_news(node)
    feed_inn(node, inns["a"], address=f"{inns['a'].home}/run/nntpin")
    known, unknown_group = article(1), article(2, groups="nowhere.test")
    inns["a"].run("rnews", stdin=batch([known]))
    inns["a"].wait_for_articles(GROUP, 1)
    hand_in(node, [known, unknown_group, *(article(number) for number in range(3, 120))])
    assert "news: 118 delivered, 0 deferred, 1 refused" in node.run("deliver").out
    assert len(inns["a"].wait_for_articles(GROUP, 118)) == 118


def test_duplicates_over_two_paths_are_stored_once_and_a_loop_of_three_ends(place: Path) -> None:
    """Of three nodes that feed one another each gets an article once, and then nothing moves any more."""
    nodes = [GatewayNode(place / name, f"{name}.test") for name in "abc"]
    for one in nodes:
        for other in nodes:
            if one is not other:
                one.accept(other)
        give_news(one, **{other.name: BOTH for other in nodes if other is not one})
    hand_in(nodes[0], [article(number) for number in range(5)])
    for _ in range(2):
        exchange(nodes, place / "stick")
    assert [news_queue_counts(node) for node in nodes] == [(5, 0)] * 3
    assert all("0 messages in 0 packets" in node.run("flush").out for node in nodes)


def test_an_area_is_one_feed_for_all_who_subscribe(place: Path) -> None:
    """One packet carries an article to every member of an area, and none gets it twice."""
    nodes = [GatewayNode(place / name, f"{name}.test") for name in "abc"]
    hub, *others = nodes
    for other in others:
        hub.accept(other)
        other.accept(hub)
    make_area("news", nodes)
    table = '\n[[news.area]]\narea = "news"\nfeed = "*"\naccept = "*"\nmax_age_seconds = 0\n'
    for node in nodes:
        give_news(node)
        node.config_path.write_text(node.config_path.read_text() + table)
    hand_in(others[0], [article(number) for number in range(4)])
    for _ in range(2):
        exchange(nodes, place / "stick")
    assert [news_queue_counts(node) for node in nodes] == [(4, 0)] * 3


def test_what_waits_for_an_area_travels_with_the_first_carrier(place: Path) -> None:
    """A stick takes an article for an area along, however long its batch might still wait."""
    a, b = nodes = [GatewayNode(place / name, f"{name}.test") for name in "ab"]
    pair(a, b)
    make_area("news", nodes)
    for node in nodes:
        give_news(node)
        table = '\n[[news.area]]\narea = "news"\nfeed = "*"\naccept = "*"\nmax_age_seconds = 86400\n'
        node.config_path.write_text(node.config_path.read_text() + table)
    hand_in(a, [article(1)])
    assert "for area:news, " in a.run("status", "b").out
    a.carry_to(b, place / "stick")
    b.run("toss")
    assert news_queue_counts(b) == (1, 0)


def test_a_stock_node_reads_our_batches_and_we_read_what_it_sends(
    place: Path, inns: dict[str, InnInstance]
) -> None:
    """Go's tosser hands our packets to INN's rnews, and Go's nncp-exec sends us compressed batches."""
    node, go = GatewayNode(place / "a", "a.test"), GoNewsNode(place, "g")
    go.meet(node, inns["b"].rnews)
    give_news(node, g=BOTH)
    feed_inn(node, inns["a"])
    articles = [article(number, f"{number}\n" * 300) for number in range(40)]
    hand_in(node, articles)
    node.run("flush")
    stick = place / "stick"
    stick.mkdir()
    node.run("xfer", "--tx", "--mkdir", str(stick))
    go.node.run("nncp-xfer", "-quiet", "-rx", str(stick))
    go.node.toss()
    arrived = inns["b"].wait_for_articles(GROUP, 40)
    assert sorted(without_path(path.read_bytes()) for path in arrived) == sorted(map(without_path, articles))
    back = [article(number) for number in range(100, 110)]
    packed = b"#! cunbatch\n" + gzip.compress(batch(back))
    go.node.run("nncp-exec", "-quiet", "-noprogress", node.name, "rnews", stdin=packed)
    go.node.run("nncp-xfer", "-quiet", "-mkdir", "-tx", str(stick))
    node.run("xfer", "--rx", str(stick))
    node.run("toss")
    node.run("deliver")
    # What INN A had been given before came from this node.
    found = [without_path(path.read_bytes()) for path in inns["a"].wait_for_articles(GROUP, 50)]
    assert set(map(without_path, back)) <= set(found)


def test_a_neighbour_under_go_s_toss_reaches_us_by_the_handle_rnews(place: Path) -> None:
    """nncp-toss starts our program for the handle; a batch cut short stays a packet, nothing is lost."""
    node = GatewayNode(place / "a", "a.test")
    give_news(node)
    other = GatewayNode(place / "b", "b.test")
    pair(node, other)
    node.set_toml("neighbour.b.news", 'accept = "*"\n')
    environ = clean_environ(NNCP_SENDER=other.id)
    words = ["-c", str(node.config_path), "receive", "rnews"]
    whole = batch([article(number) for number in range(3)])
    assert run_here(words, whole[:-10], environ).status == 75
    assert news_queue_counts(node) == (0, 0)
    assert run_here(words, whole, environ).status == 0
    assert news_queue_counts(node) == (3, 0)


def test_two_news_servers_that_feed_each_other_have_the_same_and_come_to_rest(site: Site) -> None:
    """Articles posted on both sides are on both sides, once, and nothing goes back to where it came from."""
    nodes = {"a": site.a, "b": site.b}
    with site.a.serving(), site.b.serving():
        for name, node in nodes.items():
            open_for_all(node)
            inn = site.inns[name]
            inn.add_feed(f"gw/gw.{name}.test:*,!junk,!control,!control.*:Tc,Wnm:{channel_of(site, node)}")
            inn.run("rnews", stdin=batch([article(f"{name}{number}") for number in range(10)]))
            wait_until(lambda node=node: node.packets(_other(nodes, node).id), 60, "a packet")  # type: ignore[misc]
        stick = site.place / "stick"
        stick.mkdir()
        for _ in range(2):
            for step in ("--tx", "--rx"):
                for node in nodes.values():
                    node.run("xfer", step, "--mkdir", str(stick))
            for inn in site.inns.values():
                inn.wait_for_articles(GROUP, 20, 60)
        for inn in site.inns.values():
            inn.ctlinnd("flush", "gw")
        for node in nodes.values():
            wait_until(lambda node=node: news_queue_counts(node) == (20, 0), 60, "rest")  # type: ignore[misc]
            assert not node.packets(_other(nodes, node).id)
            node.run("flush")
            assert not node.packets(_other(nodes, node).id)
    for inn in site.inns.values():
        assert len(inn.articles(GROUP)) == 20


def _other(nodes: dict[str, GatewayNode], node: GatewayNode) -> GatewayNode:
    return next(each for each in nodes.values() if each is not node)
