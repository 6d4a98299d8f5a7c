"""Mail: all benchmarks of the mail gateway, each a part of its own as well.

Beside real Postfix, Exim and Go NNCP in the same run: taking mail in (``mail_accept``), from one mail
server to another (``mail_travel``), pipes (``mail_pipe``), bytes on the wire (``mail_bytes``), memory
(``mail_memory``). The sides take turns, since whatever else the machine does disturbs both.

For a quick look: ``BENCH_MAIL_SCALE=0.1`` in the environment makes the counts smaller.
"""

import sys
from collections.abc import Iterator

from bench import mail_accept, mail_bytes, mail_memory, mail_pipe, mail_travel
from bench.figures import BenchError, Figure

_TOPICS = (mail_accept, mail_travel, mail_pipe, mail_bytes, mail_memory)


def run() -> Iterator[Figure]:
    """Take all figures; a topic that can't be run here is left out loudly."""
    for topic in _TOPICS:
        try:
            yield from topic.run()
        except BenchError as error:
            print(f"bench {topic.__name__.removeprefix('bench.')}: left out: {error}", file=sys.stderr)
