"""Daemons take articles by NNTP, carry them, and let newsreaders read them, as their configurations say."""

import re
from pathlib import Path

from tests.support.gateways import GatewayNode, pair
from tests.support.news import GROUP, article, give_news, path_of
from tests.support.newsroom import crlf
from tests.support.nntp_endpoint import NntpClient
from tests.support.processes import wait_until

NEWS = 'feed = "*"\naccept = "*"\nmax_age_seconds = 0\nlevel = 1\npath_names = ["gw.{}"]\n'
LISTEN = 'listen = ["127.0.0.1:0"]\n'
PROTO = "From: b@b.test\nNewsgroups: {}\nSubject: an answer\n\nhello back\n"


def connect(node: GatewayNode) -> NntpClient:
    """A client at the daemon of a node."""
    found = re.findall(r"NNTP on 127\.0\.0\.1:(\d+)", node.log_text())
    client = NntpClient(int(found[-1]))
    assert client.answer()[0] == 200
    return client


def is_there(client: NntpClient, message_id: str) -> bool:
    return client.command(f"STAT {message_id}")[0] == 223


def test_an_article_is_fed_carried_and_read_and_the_answer_comes_back(place: Path) -> None:
    """From TAKETHIS at one daemon to ARTICLE at the other, and a post all the way back, on a stick."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    for node, other in ((a, b), (b, a)):
        give_news(node, **{other.name: NEWS.format(other.domain)})
        node.set_toml("news.reader", 'feed = "*"\n')
        node.set_toml("nntp", LISTEN + f'socket = "{place / node.name}.nntp"\n')
    a.config_path.write_text(
        a.config_path.read_text()
        + '\n[[news.peer]]\nname = "inn"\nhosts = ["127.0.0.1"]\npath_names = ["inn.test"]\n'
    )
    with a.serving(), b.serving():
        with connect(a) as inn:
            assert inn.take_this(1, crlf(article(1, path="inn.test!")))[0] == 239
        wait_until(lambda: a.packets(b.id), 60, "a packet", explain=a.log_text)
        a.carry_to(b, place / "stick")
        with connect(b) as reader:
            wait_until(lambda: is_there(reader, "<1@a.test>"), 60, "the article", explain=b.log_text)
            assert reader.command(f"GROUP {GROUP}")[0] == 211
            assert reader.command("ARTICLE 1")[0] == 220
            shown = b"\n".join(reader.block())
            assert path_of(shown) == "gw.b.test!!gw.a.test!!inn.test!poster.test!not-for-mail"
            assert shown.endswith(b"\nhello")
            assert reader.take_this(2)[0] == 502
            assert reader.post(PROTO.format(GROUP))[0] == 240
            wait_until(lambda: reader.command("STAT 2")[0] == 223, 60, "our own post", explain=b.log_text)
        wait_until(lambda: b.packets(a.id), 60, "a packet", explain=b.log_text)
        b.carry_to(a, place / "stick")
        with connect(a) as reader:
            wait_until(
                lambda: reader.command(f"GROUP {GROUP}")[1].startswith("2 "),
                60,
                "the answer",
                explain=a.log_text,
            )
        with NntpClient(place / "a.nntp") as local:
            assert local.answer()[0] == 200
            assert local.take_this(3)[0] == 239
        assert f"  endpoint:        {place}/a.nntp answers: 200 " in a.run("status").out
    assert not (place / "a.nntp").exists()
    assert "event=received message-id=<1@a.test> to=" in a.log_text()


def test_a_stop_sends_clients_away_and_what_was_said_holds(place: Path) -> None:
    """SIGTERM ends connections with 400, and every 239 is found again by the next daemon."""
    node, other = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(node, other)
    give_news(node, b='feed = "*"\n')
    node.set_toml("nntp", LISTEN)
    node.config_path.write_text(
        node.config_path.read_text() + '\n[[news.peer]]\nname = "inn"\nhosts = ["127.0.0.1"]\n'
    )
    with node.serving() as daemon:
        client = connect(node)
        assert [client.take_this(number)[0] for number in range(5)] == [239] * 5
        daemon.stop()
        assert client.answer()[0] == 400
        client.close()
    with node.serving(), connect(node) as client:
        assert [client.command(f"CHECK <{number}@a.test>")[0] for number in range(6)] == [438] * 5 + [238]
