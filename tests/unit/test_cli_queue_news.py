"""``queue --news``: everything that a person can do with mail, with articles."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import GatewayNode, pair
from tests.support.news import article, batch, give_news
from tests.support.news_server import NewsServer
from tests.support.ports import free_port

TO_INN = '\n[[news.peer]]\nname = "inn"\naddress = "127.0.0.1:{}"\nfeed = "local.*"\n'


@pytest.fixture
def node(tmp_path: Path) -> GatewayNode:
    """A node with three articles for a neighbour, one for a server, and another neighbour."""
    a, *others = (GatewayNode(tmp_path / name, f"{name}.test") for name in "abc")
    for other in others:
        pair(a, other)
    give_news(a, b='feed = "misc.*"\n', c='feed = "none"\nnice = 250\naccept = "*"\n')
    a.config_path.write_text(a.config_path.read_text() + TO_INN.format(free_port()))
    hand_in(a, [*(article(number) for number in range(3)), article(9, groups="local.test")])
    return a


def hand_in(node: GatewayNode, articles: list[bytes]) -> None:
    node.run("pipe", "rnews", stdin=batch(articles))


def act(node: GatewayNode, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(node.run("queue", "--news", *words, "--json").out)
    return found


def listed(node: GatewayNode, *words: str) -> dict[str, tuple[str, str]]:
    """Feed and state of each article, by Message-ID without its brackets and domain."""
    return {
        row["message_id"].partition("@")[0][1:]: (each["recipient"], each["state"])
        for row in act(node, "list", *words)
        for each in row["recipients"]
    }


def test_articles_are_listed_apart_from_mail_and_by_their_feeds(node: GatewayNode) -> None:
    assert node.queue() == []
    assert list(listed(node)) == ["0", "1", "2", "9"]
    assert list(listed(node, "--recipient", "inn")) == ["9"]
    assert list(listed(node, "--node", "b", "--outbox")) == ["0", "1", "2"]
    text = node.run("queue", "--news", "list").out
    assert "outbox: 3 queued\ninbox: 1 queued\n" in text


def test_an_article_is_shown_by_its_message_id_too(node: GatewayNode) -> None:
    [row] = act(node, "show", "<1@a.test>")
    shown = node.run("queue", "--news", "show", row["id"]).out
    assert "Message-ID:  <1@a.test>" in shown
    assert "Subject: number 1\r\n" in node.run("queue", "--news", "show", "--body", "<1@a.test>").out
    assert node.run("queue", "--news", "show", "<none@a.test>", is_checked=False).status == 68


def test_articles_are_held_released_and_tried(node: GatewayNode) -> None:
    [held] = act(node, "hold", "--recipient", "b", "--smaller", "10K", act(node, "list")[0]["id"])
    assert (held["before"], held["after"]) == ("queued", "held")
    assert "2 messages in 1 packets" in node.run("flush").out
    act(node, "release", "--all")
    assert [each["ending"] for each in act(node, "retry", "--node", "b")] == ["done"]
    assert "1 messages in 1 packets" in node.run("batch").out


def test_what_is_dropped_is_gone_and_all_must_be_said(node: GatewayNode) -> None:
    assert node.run("queue", "--news", "drop", is_checked=False).status == 64
    assert len(act(node, "drop", "--all", "--dry-run")) == 4
    assert len(listed(node)) == 4
    assert {each["after"] for each in act(node, "drop", "--all", "--yes")} == {"dropped"}
    assert listed(node) == {}
    assert "0 messages in 0 packets" in node.run("flush").out


def test_articles_go_to_another_neighbour_or_in_another_lane(node: GatewayNode) -> None:
    act(node, "move", "--node", "b", "--to-node", "c")
    rows = act(node, "list", "--outbox")
    assert [each["nice"] for row in rows for each in row["recipients"]] == [250] * 3
    assert set(listed(node, "--outbox").values()) == {("c", "queued")}
    act(node, "move", "--node", "c", "--to-nice", "F")
    assert [each["nice"] for row in act(node, "list", "--outbox") for each in row["recipients"]] == [32] * 3
    done = node.run("queue", "--news", "move", "--all", "--to-node", "inn", is_checked=False)
    assert (done.status, "gets no news in packets; allowed: b, c" in done.err) == (78, True)


def test_what_is_given_up_can_be_tried_again(node: GatewayNode) -> None:
    [given_up] = act(node, "expire", "--inbox", "--recipient", "inn")
    assert given_up["text"] == "a dead letter now; of news nobody is told"
    assert listed(node, "--state", "dead") == {"9": ("inn", "dead")}
    node.run("report")
    assert node.queue("--all") == []
    codes = {"CHECK": "238", "TAKETHIS": "239"}
    with NewsServer(lambda command, id_: f"{codes[command]} {id_}") as server:
        node.config_path.write_text(
            node.config_path.read_text().partition("\n[[news.peer]]")[0] + TO_INN.format(server.port)
        )
        assert "news: 0 delivered" in node.run("deliver").out
        [again] = act(node, "replay", "--all")
        assert again["after"] == "queued"
        assert "news: 1 delivered" in node.run("deliver").out
    assert list(server.articles) == ["<9@a.test>"]


def test_a_dead_article_whose_feed_is_gone_stays_dead(node: GatewayNode) -> None:
    act(node, "expire", "--recipient", "inn")
    node.config_path.write_text(node.config_path.read_text().partition("\n[[news.peer]]")[0])
    done = node.run("queue", "--news", "replay", "--all", is_checked=False)
    assert (done.status, "there is no feed 'inn' in gateway.toml" in done.out) == (69, True)


def test_what_could_not_be_read_is_taken_in_again_or_dropped(node: GatewayNode, tmp_path: Path) -> None:
    other = GatewayNode(tmp_path / "d", "d.test")
    pair(node, other)
    for number, content in enumerate((batch([article(20)]), b"#! rnews 9\nshort")):
        other.run("nncp", "exec", "-quiet", "-noprogress", "a", "rnews", stdin=content)
        other.carry_to(node, tmp_path / f"stick{number}")
    node.run("toss")
    kept = act(node, "quarantine", "list")
    assert sorted(each["record"]["Handle"] for each in kept) == ["rnews", "rnews"]
    node.set_toml("neighbour.d.news", 'accept = "*"\n')
    done = node.run("queue", "--news", "quarantine", "replay", "--all", "--json", is_checked=False)
    assert done.status == 69
    assert sorted(each["ending"] for each in json.loads(done.out)) == ["done", "impossible"]
    assert "20" in listed(node)
    [left] = act(node, "quarantine", "list")
    act(node, "quarantine", "drop", left["id"])
    assert act(node, "quarantine", "list") == []
    assert node.run("queue", "quarantine", "list").out == ""


def test_check_counts_what_waits_for_a_person(node: GatewayNode) -> None:
    assert "for a person" not in node.run("check").out
    act(node, "expire", "--inbox")
    act(node, "hold", "--outbox", "--all")
    told = "news that waits for a person (nncp-gateway queue --news list): 3 held, 1 dead\n"
    assert told in node.run("check").out
    assert "waiting for a person" not in node.run("check").out


def test_without_news_there_is_no_such_queue(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    for words in (("list",), ("drop", "--all"), ("quarantine", "list")):
        assert node.run("queue", "--news", *words, is_checked=False).status == 78
