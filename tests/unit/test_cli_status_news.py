"""``status``: how news stands, as text and as JSON."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import GatewayNode, pair, run_here
from tests.support.news import article, batch, give_news
from tests.support.news_server import NewsServer
from tests.support.ports import free_port

PEER = """
[[news.peer]]
name = "inn"
address = "127.0.0.1:{port}"
hosts = ["127.0.0.1"]
[news.reader]
feed = "misc.*"
[nntp]
listen = ["127.0.0.1:{nntp}"]
"""


@pytest.fixture
def node(tmp_path: Path) -> GatewayNode:
    """A node that feeds a neighbour, a server that is down, and a store; nobody serves its endpoint."""
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    give_news(a, b='feed = "*"\naccept = "*"\n')
    tables = PEER.format(port=free_port(), nntp=free_port())
    a.config_path.write_text(a.config_path.read_text() + tables)
    return a


def look(node: GatewayNode) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.run("status", "--news", "--json").out)
    found["feeds"] = {feed["name"]: feed for feed in found["feeds"]}
    found["sources"] = {source["name"]: source for source in found["sources"]}
    return found


def test_what_waits_what_is_done_and_what_is_kept(node: GatewayNode) -> None:
    node.run("pipe", "rnews", "-h", "inn", stdin=batch([article(number) for number in range(3)]))
    node.run("pipe", "rnews", stdin=batch([article(number) for number in range(3, 5)]))
    node.run("deliver", is_checked=False)
    found = look(node)
    assert found["pathhost"] == "gw.a.test"
    # What came from the server does not go back there.
    assert {name: feed["waiting_count"] for name, feed in found["feeds"].items()} == {
        "b": 5,
        "inn": 2,
        "reader": 0,
    }
    assert "cannot connect" in found["feeds"]["inn"]["text"]
    assert found["feeds"]["inn"]["next_try_seconds"] > 0
    assert found["feeds"]["reader"]["done_count"] == 5
    assert found["feeds"]["b"]["waiting_bytes"] > 5 * 100
    assert found["sources"]["inn"]["article_count"] == 3
    assert found["sources"]["b"] == {"name": "b", "article_count": 0, "last_age_seconds": None}
    assert (found["others_count"], found["history_count"], found["quarantine_count"]) == (2, 5, 0)
    assert (found["store"]["group_count"], found["store"]["article_count"]) == (1, 5)


def test_a_person_reads_the_same(node: GatewayNode) -> None:
    node.run("pipe", "rnews", stdin=batch([article(1)]))
    node.run("deliver", is_checked=False)
    text = node.run("status").out
    assert text.startswith("b\n")
    lines = text[text.index("news at gw.a.test\n") :].splitlines()
    assert any(line.startswith("  endpoint:        127.0.0.1:") for line in lines)
    assert "does not answer: Connection refused" in text
    assert any(line.startswith("  to b:            1 article, ") for line in lines)
    assert re.search(r"next try in \d+[sm]: cannot connect to ", text)
    assert "  store:           1 groups, 1 article, " in text
    assert "news at" not in node.run("status", "b").out
    assert node.run("status", "--news").out.splitlines()[0] == lines[0]


def test_articles_for_a_feed_that_is_gone_are_shown(node: GatewayNode) -> None:
    node.run("pipe", "rnews", stdin=batch([article(1)]))
    node.config_path.write_text(node.config_path.read_text().replace('name = "inn"', 'name = "other"'))
    feeds = look(node)["feeds"]
    assert (feeds["inn"]["groups"], feeds["inn"]["waiting_count"]) == (None, 1)
    assert feeds["other"]["waiting_count"] == 0
    assert "no feed of the configuration any more" in node.run("status").out


def test_the_endpoint_is_asked(node: GatewayNode) -> None:
    with NewsServer(lambda *_: None, greeting="200 gw.a.test ready") as server:
        text = node.config_path.read_text()
        old = text[text.index("[nntp]\n") :]
        node.config_path.write_text(text.replace(old, f'[nntp]\nlisten = ["127.0.0.1:{server.port}"]\n'))
        [greeting] = look(node)["endpoint"]
        assert greeting == {
            "address": f"127.0.0.1:{server.port}",
            "line": "200 gw.a.test ready",
            "error": "",
        }


def test_without_news(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    assert node.run("status", "--news", is_checked=False).status == 78
    assert "news" not in node.run("status").out
    done = run_here(["-c", str(node.config_path), "status", "--news", "b"])
    assert done.status == 64
