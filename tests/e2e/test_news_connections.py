"""An INN that is fed by several connections, more than it lets in."""

from pathlib import Path

from tests.support.gateways import GatewayNode
from tests.support.inn import InnInstance
from tests.support.news import GROUP, article, batch, feed_inn, give_news, without_path

COUNT = 120


def test_inn_gets_everything_by_the_connections_that_it_lets_in(place: Path) -> None:
    """Each article arrives once and unchanged, though half of the connections are sent away."""
    with InnInstance(place / "n", "n.inn.test", [GROUP]) as inn:
        incoming = inn.home / "etc/incoming.conf"
        incoming.write_text(incoming.read_text().replace("max-connections: 50", "max-connections: 2"))
        inn.ctlinnd("reload", "incoming.conf", "test")
        node = GatewayNode(place / "a", "a.test")
        give_news(node)
        feed_inn(node, inn, "connections = 4\n")
        articles = [article(number, f"{number}\n" * 200) for number in range(COUNT)]
        node.run("pipe", "rnews", stdin=batch(articles))
        assert f"news: {COUNT} delivered, 0 deferred" in node.run("deliver").out
        arrived = inn.wait_for_articles(GROUP, COUNT)
        assert sorted(without_path(path.read_bytes()) for path in arrived) == sorted(
            map(without_path, articles)
        )
