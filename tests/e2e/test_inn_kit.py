"""The files of ``inn/`` with a real INN: what an administrator copies is what is tested."""

import itertools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, pair
from tests.support.inn import USER, InnInstance
from tests.support.inn_kit import KIT, add_feed, add_to_file, channel_program, kit_text, run_kit
from tests.support.news import GROUP, MODULE, article, batch, news_queue_counts, open_for_all, script
from tests.support.peers import NEWS_BIN, PROJECT, require, require_readable_by
from tests.support.ports import free_port
from tests.support.processes import wait_until

COUNT = 12


@pytest.fixture
def inn(place: Path) -> Iterator[InnInstance]:
    require_readable_by(USER)
    with InnInstance(place / "n", "news.example.org", [GROUP]) as inn:
        yield inn


@pytest.fixture
def node(place: Path, inn: InnInstance) -> GatewayNode:
    """Node a beside the INN, set up with the kit's lines for gateway.toml, and its neighbour b."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    names = {
        "gw.example.org": "gw.a.test",
        "127.0.0.1:1119": f"127.0.0.1:{free_port()}",
        "/run/news/nntpin": f"{inn.home}/run/nntpin",
        "neighbour.bob": "neighbour.b",
        "gw.bob.example.org": "gw.b.test",
    }
    a.config_path.write_text(f"{a.config_path.read_text()}\n{kit_text('gateway.toml.sample', names)}")
    return a


def fill(inn: InnInstance, count: int = COUNT, first: int = 0) -> None:
    """Let an INN get articles from elsewhere."""
    inn.run("rnews", stdin=batch([article(number) for number in range(first, first + count)]))
    inn.wait_for_articles(GROUP, first + count)


def add_site_feed(inn: InnInstance) -> None:
    """Let an INN say what neighbour b gets, as the kit has it."""
    names = {"bob.example.org": "gw.b.test", "comp.*": "*", "bob/": "b/"}
    inn.add_feed(*kit_text("newsfeeds_site.sample", names).splitlines())


def names_for(node: GatewayNode, place: Path) -> str:
    """Make the names that mail servers and news servers call."""
    node.run("links", "--mail", str(place / "bin"))
    return str(place / "bin")


def test_send_nncp_hands_over_a_file_feed_and_keeps_what_it_can_not(
    place: Path, inn: InnInstance, node: GatewayNode
) -> None:
    """What waits while the gateway is down is handed over later, in order, each article once."""
    add_feed(inn, "newsfeeds_file.sample")
    bin_ = names_for(node, place)
    fill(inn)
    done = run_kit(inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=bin_)
    assert done.returncode == 75
    fill(inn, 5, first=COUNT)
    with node.serving("--only", "pipe"):
        open_for_all(node)
        done = run_kit(inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=bin_)
        assert done.returncode == 0, done.stderr + done.stdout
        assert news_queue_counts(node) == (COUNT + 5, COUNT + 5)
        # Nothing goes back to the INN it came from, and a run without news is none.
        assert run_kit(inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=bin_).returncode == 0
    assert "news: 0 delivered" in node.run("deliver").out


def test_send_nncp_passes_over_articles_that_are_gone_and_a_line_that_was_cut(
    place: Path, inn: InnInstance, node: GatewayNode
) -> None:
    """What expired meanwhile is nobody's fault, and the list is done."""
    add_feed(inn, "newsfeeds_file.sample")
    bin_ = names_for(node, place)
    fill(inn)
    inn.ctlinnd("flush", "gw")
    with (inn.home / "outgoing/gw").open("a") as feed:
        feed.write("@0500000000")
    inn.articles(GROUP)[3].unlink()
    with node.serving("--only", "pipe"):
        open_for_all(node)
        done = run_kit(inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=bin_)
        assert done.returncode == 0, done.stderr + done.stdout
    assert news_queue_counts(node)[0] == COUNT - 1
    assert not list((inn.home / "outgoing").glob("gw.*"))
    assert done.stderr == b"send-nncp: gw: 1 articles are gone from the store\n"


def test_send_nncp_keeps_its_list_when_the_store_of_the_news_server_can_not_be_read(
    place: Path, inn: InnInstance, node: GatewayNode
) -> None:
    """A fault of the store is not taken for articles that are gone, and nothing is forgotten."""
    add_feed(inn, "newsfeeds_file.sample")
    bin_ = names_for(node, place)
    fill(inn)
    storage = inn.home / "etc/storage.conf"
    sound = storage.read_bytes()
    storage.write_text("method nothing {\n")
    with node.serving("--only", "pipe"):
        open_for_all(node)
        done = run_kit(inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=bin_)
        assert done.returncode == 75
        assert done.stderr.startswith(b"sm: ")
        storage.write_bytes(sound)
        assert run_kit(inn, "send-nncp", "gw", NNCP_GATEWAY_BIN=bin_).returncode == 0
    assert news_queue_counts(node)[0] == COUNT


def test_send_nncp_hands_over_to_one_neighbour_alone(
    place: Path, inn: InnInstance, node: GatewayNode
) -> None:
    """Where INN decides who gets what, its choice stands, whatever the gateway's feeds say."""
    add_site_feed(inn)
    bin_ = names_for(node, place)
    fill(inn)
    with node.serving("--only", "pipe"):
        open_for_all(node)
        done = run_kit(inn, "send-nncp", "b:b", NNCP_GATEWAY_BIN=bin_)
        assert done.returncode == 0, done.stderr + done.stdout
    assert f"{COUNT} messages in 1 packets" in node.run("flush").out


def test_send_nncp_hands_over_again_only_what_it_had_not(
    place: Path, inn: InnInstance, node: GatewayNode
) -> None:
    """One neighbour alone gets little twice where a program fails in the middle of a long list."""
    add_site_feed(inn)
    bin_ = names_for(node, place)
    fill(inn)
    inn.ctlinnd("flush", "b")
    # Each article stands there often: a list of two parts, the first of 1,000.
    outgoing = inn.home / "outgoing"
    (outgoing / "b").rename(outgoing / "b.list")
    (outgoing / "b.list").write_bytes((outgoing / "b.list").read_bytes() * (1200 // COUNT))
    flaky = place / "flaky"
    flaky.mkdir()
    flaky.chmod(0o777)
    once = f"! mkdir {flaky}/first 2>/dev/null && mkdir {flaky}/second 2>/dev/null && exit 75"
    script(flaky / "uux", once, f'exec {bin_}/uux "$@"')
    with node.serving("--only", "pipe"):
        open_for_all(node)
        assert run_kit(inn, "send-nncp", "b:b", NNCP_GATEWAY_BIN=str(flaky)).returncode == 75
        assert news_queue_counts(node) == (COUNT, 1000)
        done = run_kit(inn, "send-nncp", "b:b", NNCP_GATEWAY_BIN=str(flaky))
        assert done.returncode == 0, done.stderr + done.stdout
    assert news_queue_counts(node) == (COUNT, 1200)
    assert not list(outgoing.glob("b.*"))


def test_the_channel_program_takes_articles_as_they_come(
    place: Path, inn: InnInstance, node: GatewayNode
) -> None:
    """Each article is in the queue of news a moment after innd has it."""
    program = script(place / "gateway", f"export PYTHONPATH={PROJECT}", f'exec {" ".join(MODULE)} "$@"')
    with node.serving("--only", "pipe"):
        open_for_all(node)
        channel = channel_program(inn, node, program)
        add_feed(inn, "newsfeeds_channel.sample", **{"/etc/news/nncp-gateway-channel": str(channel)})
        fill(inn)
        wait_until(lambda: news_queue_counts(node)[0] == COUNT, 60, "articles", explain=inn.log_text)
        inn.ctlinnd("drop", "gw")


def test_innd_is_fed_over_tcp_by_the_entry_in_incoming_conf(inn: InnInstance, node: GatewayNode) -> None:
    """An innd takes articles from us as a peer by name, and none from a stranger's address."""
    add_to_file(inn, "incoming.conf", "incoming.conf.sample")
    inn.ctlinnd("reload", "incoming.conf", "test")
    socket_path = f'"{inn.home}/run/nntpin"'
    node.config_path.write_text(node.config_path.read_text().replace(socket_path, f'"127.0.0.1:{inn.port}"'))
    node.run("pipe", "rnews", stdin=batch([article(number) for number in range(COUNT)]))
    assert f"news: {COUNT} delivered" in node.run("deliver").out
    assert len(inn.articles(GROUP)) == COUNT


def test_readers_of_the_village_read_and_post(inn: InnInstance) -> None:
    """The daemon for readers lets them do both, with the fragment of readers.conf alone."""
    add_to_file(inn, "readers.conf", "readers.conf.sample")
    fill(inn, 1)
    with socket.create_connection(("127.0.0.1", inn.reader_port), timeout=60) as connection:
        lines = connection.makefile("rwb", buffering=0)
        said = [lines.readline()]
        for command in ("GROUP misc.test", "STAT 1", "POST"):
            lines.write(f"{command}\r\n".encode())
            said.append(lines.readline())
        posted = article(99).replace(b"\n", b"\r\n").partition(b"\r\n")[2]
        lines.write(posted + b".\r\nQUIT\r\n")
        said.append(lines.readline())
    assert [line[:3] for line in said] == [b"200", b"211", b"223", b"340", b"240"], said
    inn.wait_for_articles(GROUP, 2)


def test_a_stock_rnews_unpacks_zstd_with_the_program_of_the_kit(place: Path, inn: InnInstance) -> None:
    """A batch packed with zstd is in innd whole, once zstdunbatch is where rnews looks."""
    require("zstd")
    own_bin = place / "newsbin"
    (own_bin / "rnews.libexec").mkdir(parents=True)
    for path in itertools.chain(NEWS_BIN.iterdir(), (NEWS_BIN / "rnews.libexec").iterdir()):
        if path.is_file():
            (own_bin / path.relative_to(NEWS_BIN)).symlink_to(path)
    (own_bin / "rnews.libexec/zstdunbatch").symlink_to(KIT / "zstdunbatch")
    config = inn.home / "etc/zstd.conf"
    text = (inn.home / "etc/inn.conf").read_text()
    config.write_text(text.replace(f"pathbin: {NEWS_BIN}", f"pathbin: {own_bin}"))
    content = batch([article(number, "hello\n" * 1000) for number in range(COUNT)])
    packed = subprocess.run(
        ["zstd", "-q", "-19", "-c"], input=content, capture_output=True, check=True
    ).stdout
    inn.run("env", f"INNCONF={config}", str(NEWS_BIN / "rnews"), stdin=b"#! zstdunbatch\n" + packed)
    assert len(inn.wait_for_articles(GROUP, COUNT)) == COUNT
