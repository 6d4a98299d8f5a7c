"""News: all benchmarks of the news gateway, each a part of its own as well.

Beside real INN and Go NNCP in the same run: taking articles in (``news_accept``), from one news server to
another (``news_travel``), bytes on the wire (``news_bytes``). The sides take turns.

For a quick look: ``BENCH_MAIL_SCALE=0.1`` in the environment makes the counts smaller.
"""

import sys
from collections.abc import Iterator

from bench import news_accept, news_bytes, news_travel
from bench.figures import BenchError, Figure

_TOPICS = (news_accept, news_travel, news_bytes)


def run() -> Iterator[Figure]:
    """Take all figures; a topic that can't be run here is left out loudly."""
    for topic in _TOPICS:
        try:
            yield from topic.run()
        except BenchError as error:
            print(f"bench {topic.__name__.removeprefix('bench.')}: left out: {error}", file=sys.stderr)
