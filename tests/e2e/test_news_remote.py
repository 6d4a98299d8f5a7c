"""A neighbour decides about its feed of news, by a packet or by a mail, and is answered by a mail."""

import json
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, pair
from tests.support.news import GoNewsNode, article, batch, give_news

NEWSFIX = "newsfix@hub.test"
FEED = 'feed = "misc.*"\nremote_control = "misc.*,comp.*"\ncontact = "news@leaf.test"\n'


class Village:
    """A hub that keeps articles, and a leaf that is fed by it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.hub, self.leaf = GatewayNode(place / "hub", "hub.test"), GatewayNode(place / "leaf", "leaf.test")
        pair(self.hub, self.leaf)
        give_news(self.hub, leaf=FEED)
        give_news(self.leaf, hub='accept = "*"\n')
        self.hub.set_toml("news", f'remote_control_address = "{NEWSFIX}"\n')
        self.hub.set_toml("news.reader", 'feed = "*"\n')
        self.leaf.set_toml("news.reader", 'feed = "*"\n')

    def carry(self, one: GatewayNode, other: GatewayNode) -> None:
        """All that waits goes from one to the other and is taken in there."""
        one.run("flush")
        one.carry_to(other, self.place / "stick")
        other.run("toss")
        other.run("deliver")

    def post(self, *articles: bytes) -> None:
        """Let articles come to the hub."""
        self.hub.run("pipe", "rnews", stdin=batch(articles))
        self.hub.run("deliver")

    def feeds(self) -> dict[str, object]:
        """What the hub says of the leaf's feed."""
        rows = json.loads(self.hub.run("news-feeds", "--json").out)
        found: dict[str, object] = next(row for row in rows if row["feed"] == "leaf")
        return found

    def answers(self) -> list[str]:
        """The answers that reached the leaf's mailbox, sorted."""
        self.hub.run("report")
        self.carry(self.hub, self.leaf)
        mails = [path.read_text() for path in self.leaf.mailbox.rglob("new/*")]
        return sorted(mail for mail in mails if f"<{NEWSFIX}>" in mail)


@pytest.fixture
def village(place: Path) -> Village:
    return Village(place)


def test_a_neighbour_asks_by_a_mail_and_by_a_packet(village: Village) -> None:
    """Wishes hold from then on, what was missed comes by a rescan, and each request is answered once."""
    hub, leaf = village.hub, village.leaf
    village.post(article("early", groups="comp.one"))
    request = b"From: anna@leaf.test\nSubject: feed\n\n+comp.*\n-misc.two\n%RESCAN comp.*\n-- \nAnna\n"
    leaf.run("send", "-f", "anna@leaf.test", "--", NEWSFIX, "postmaster@hub.test", stdin=request)
    village.carry(leaf, hub)
    assert village.feeds()["wishes"] == "comp.*,!misc.two"
    village.post(article("late", groups="comp.one"), article("no", groups="misc.two"))
    (answer,) = village.answers()
    assert "To: <anna@leaf.test>" in answer
    assert "up to 1 articles come once more" in answer
    assert "Return-Path: <>" in answer or "Auto-Submitted: auto-replied" in answer
    # The other recipient of that mail has it as any mail.
    assert len(list(hub.mailbox.rglob("new/*"))) == 1
    assert "comp.one" in leaf_groups(leaf)
    assert "misc.two" not in leaf_groups(leaf)
    leaf.run("nncp", "exec", "-quiet", "-noprogress", hub.name, "newsfix", stdin=b"%PAUSE\n%QUERY\n")
    village.carry(leaf, hub)
    assert village.feeds()["is_paused"] is True
    assert len(village.answers()) == 2
    assert any("To: <news@leaf.test>" in each and "paused" in each for each in village.answers())
    assert "leaf: misc.*" in hub.run("news-feeds").out


def leaf_groups(leaf: GatewayNode) -> str:
    """Names of the groups of which the leaf has articles."""
    return "\n".join(
        row["message_id"] + leaf.run("queue", "--news", "show", row["id"]).out
        for row in json.loads(leaf.run("queue", "--news", "list", "--all", "--json").out)
    )


def test_who_is_no_such_neighbour_changes_nothing(village: Village) -> None:
    """A local program can't ask, and neither can a neighbour that decides nothing."""
    hub = village.hub
    other = GatewayNode(village.place / "c", "c.test")
    pair(hub, other)
    other.run("send", "-f", "x@c.test", "--", NEWSFIX, stdin=b"From: x@c.test\n\n+comp.*\n")
    village.carry(other, hub)
    hub.run("send", "-f", "root@hub.test", "--", NEWSFIX, stdin=b"From: root@hub.test\n\n+comp.*\n")
    hub.run("deliver")
    assert village.feeds()["wishes"] == ""
    assert "dead" in json.dumps(hub.queue())


def test_a_stock_node_asks_by_nncp_exec(place: Path) -> None:
    """The Go tools suffice to ask; the mailbox for the answer is an argument."""
    hub, go = GatewayNode(place / "hub", "hub.test"), GoNewsNode(place, "g")
    go.meet(hub, Path("/bin/true"))
    give_news(hub, g='feed = "misc.*"\nremote_control = "comp.*"\n')
    hub.config_path.write_text(hub.config_path.read_text() + '\n[[route]]\npattern = "g.test"\nnode = "g"\n')
    words = ("nncp-exec", "-quiet", "-noprogress", hub.name, "newsfix")
    go.node.run(*words, "news@g.test", stdin=b"+comp.lang.*\n")
    go.node.run(*words, "eve@elsewhere.test", stdin=b"%LIST\n")
    stick = place / "stick"
    stick.mkdir()
    go.node.run("nncp-xfer", "-quiet", "-mkdir", "-tx", str(stick))
    hub.run("xfer", "--rx", str(stick))
    hub.run("toss")
    assert "asked for: comp.lang.*" in hub.run("news-feeds").out
    # Nobody is made to get mail who is not reached by way of the one who asks.
    assert "news: 1 requests answered" in hub.run("report").out
    assert [row["recipients"] for row in hub.queue()] == [["news@g.test"]] or "news@g.test" in json.dumps(
        hub.queue()
    )
