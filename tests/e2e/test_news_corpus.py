"""Thousands of real articles go through two nodes and come out as they went in.

Without the corpus (``tests.support.news_corpus``) this test is skipped.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.nntp.article import Article, ArticleLimits, read_article
from tests.support.gateways import GatewayNode, pair
from tests.support.news import batch, give_news, script, without_path
from tests.support.news_corpus import VARIABLE, corpus_files

LIMIT_BYTES = 20_000_000
WELL_FORMED_SHARE = 0.98
"""Some files of an archive are no whole articles: they lack a Date, or begin with a line of its own."""
BOTH = 'feed = "*"\naccept = "*"\nlevel = 3\n'


@pytest.fixture(scope="module")
def articles() -> list[bytes]:
    """All files, with LF line ends."""
    found = corpus_files()
    if not found:
        pytest.skip(f"{VARIABLE} is not set: it names the folder of real articles")
    return found


def is_well_formed(content: bytes) -> bool:
    found = read_article(content.replace(b"\n", b"\r\n"), ArticleLimits(article_bytes=LIMIT_BYTES))
    return isinstance(found, Article)


def test_real_articles_are_unchanged_but_for_path(place: Path, articles: list[bytes]) -> None:
    """Every well-formed article arrives once, byte for byte apart from Path and Xref; the others do not."""
    wanted = [content for content in articles if is_well_formed(content)]
    assert len(wanted) >= WELL_FORMED_SHARE * len(articles)
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    got = place / "got"
    for node, other in ((a, "b"), (b, "a")):
        give_news(node, **{other: BOTH})
        days = f"max_age_days = 40000.0\nhistory_days = 40000.0\nmax_article_bytes = {LIMIT_BYTES}\n"
        node.set_toml("news", days)
    b.set_toml("news.rnews", f'command = ["{script(place / "rnews", f"exec /bin/cat >> {got}")}"]\n')
    a.set_toml("log", f'mail = "{a.home}/mail.log"\n')
    a.run("pipe", "rnews", stdin=batch(articles))
    a.run("flush")
    a.carry_to(b, place / "stick")
    b.run("toss")
    b.run("deliver")
    assert Counter(map(without_path, split(got.read_bytes()))) == Counter(map(without_path, wanted))
    refusals = re.findall(r'event=refused .*text="?([^"\n]+)', (a.home / "mail.log").read_text())
    assert len(refusals) == len(articles) - len(wanted)
    assert all(refusals)


def split(data: bytes) -> list[bytes]:
    """The articles of batches one behind the other."""
    found = []
    while data:
        line, _, data = data.partition(b"\n")
        size_bytes = int(line.removeprefix(b"#! rnews "))
        found.append(data[:size_bytes])
        data = data[size_bytes:]
    return found
