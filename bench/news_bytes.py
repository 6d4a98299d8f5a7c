"""Bytes on the wire: the packets that an article costs at a costly link's settings, beside INN's recipe.

Ours takes articles as batcher hands them over and makes packets of all that came. The recipe is batcher's
batches of a million bytes, an nncp-exec each, which compresses. Articles come in an order that is shuffled
once.

``NNCP_GATEWAY_NEWS_CORPUS`` names a directory with articles; see ``tests.support.news_corpus``. Without it
this topic is left out.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import BenchError, Figure
from bench.mail_site import Nodes, need, open_place
from bench.packet_nodes import Pair, run_go
from gateway.nntp.article import Article, read_article
from tests.support.news import batch, give_news
from tests.support.news_corpus import VARIABLE, corpus_files

TARGET = 0.82
BATCH_BYTES = 1_000_000
"""Of batcher, as INN's documents advise for a link such as this."""
COSTLY_LINK = (
    'feed = "*"\nmax_age_seconds = 86400.0\nmax_messages = 100000\nmax_bytes = 67108864\n'
    "level = 19\nwindow_log = 24\n"
)
"""As docs/howto/fast-and-costly-links.md has it for mail, but for age and size."""
DAYS = "max_age_days = 40000.0\nhistory_days = 40000.0\n"


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    need("nncp-exec")
    found = corpus_files()
    if not found:
        raise BenchError(f"NO CORPUS: set {VARIABLE} to measure the bytes on the wire")
    articles = [content for content in found if _is_taken(content)]
    random.Random(1).shuffle(articles)
    with open_place() as place:
        ours = _our_bytes(place, articles) / len(articles)
        recipe = _recipe_bytes(place / "go", articles) / len(articles)
    yield Figure("news.bytes_an_article", ours, recipe, TARGET, is_share=True)


def _is_taken(content: bytes) -> bool:
    return isinstance(read_article(content.replace(b"\n", b"\r\n")), Article)


def _our_bytes(place: Path, articles: Sequence[bytes]) -> int:
    nodes = Nodes(place)
    give_news(nodes.a, b=COSTLY_LINK)
    nodes.a.set_toml("news", DAYS)
    for content in _batches(articles):
        nodes.a.run("pipe", "rnews", stdin=content)
    nodes.a.run("flush")
    return sum(path.stat().st_size for path in nodes.a.packets(nodes.b.id))


def _recipe_bytes(place: Path, articles: Sequence[bytes]) -> int:
    pair = Pair(place, ["/bin/true"])
    for content in _batches(articles):
        run_go(pair, "a", "nncp-exec", "-noprogress", "b", "run", stdin=content)
    tx = pair.configs["a"].spool / pair.book("b").self_node.id.text / "tx"
    return sum(path.stat().st_size for path in tx.iterdir() if path.is_file())


def _batches(articles: Sequence[bytes]) -> Iterator[bytes]:
    """As batcher closes them: the article that reaches the limit is the last."""
    some: list[bytes] = []
    size_bytes = 0
    for content in articles:
        some.append(content)
        size_bytes += len(content)
        if size_bytes >= BATCH_BYTES:
            yield batch(some)
            some, size_bytes = [], 0
    if some:
        yield batch(some)
