"""``check`` tells of what the configuration asks for and nobody can use."""

from pathlib import Path

from tests.support.gateways import GatewayNode
from tests.support.news import give_news


def test_articles_that_are_kept_where_nobody_can_read_them_are_told(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    give_news(node)
    node.set_toml("news.reader", 'feed = "*"\n')
    assert "[news.reader] keeps articles, but" in node.run("check").out
    node.set_toml("nntp", 'listen = ["127.0.0.1:0"]\n')
    assert "[news.reader]" not in node.run("check").out
