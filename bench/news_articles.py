"""Articles for the benchmarks of news, of the sizes that text groups have."""

import random
from collections.abc import Sequence

from tests.support.news import article

SIZES_BYTES = (700, 1200, 1800, 2500, 4000, 9000)
"""Of bodies; the mean is that of a text group, three kilobytes."""
_WORDS = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "on",
    "be",
    "by",
    "this",
)


def articles(count: int, mark: str) -> list[bytes]:
    """Articles with LF line ends, whose Message-IDs hold a mark."""
    chance = random.Random(mark)
    return [article(f"{mark}.{number}", _text(chance, number)) for number in range(count)]


def streamed(some: Sequence[bytes]) -> list[bytes]:
    """A TAKETHIS for each article, as it goes over the wire."""
    return [_takethis(each) for each in some]


def _text(chance: random.Random, number: int) -> str:
    lines, left_bytes = [], SIZES_BYTES[number % len(SIZES_BYTES)]
    while left_bytes > 0:
        words = chance.choices(_WORDS, k=11)
        words.append(f"{chance.getrandbits(40):x}")
        lines.append(" ".join(words))
        left_bytes -= len(lines[-1]) + 1
    return "\n".join((*lines, ""))


def _takethis(content: bytes) -> bytes:
    name = content.partition(b"Message-ID: ")[2].partition(b"\n")[0]
    lines = content.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
    return b"TAKETHIS %b\r\n%b.\r\n" % (name, lines)
