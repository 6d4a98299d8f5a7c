"""The body of a packet of news: articles one behind the other, each with its size in front.

Spec: rnews(1) of INN; ``docs/reference/news.md``.
"""

from collections.abc import Callable, Iterator

from gateway.message.lines import crlf_to_lf, lf_chunks
from gateway.msgqueue.entry import QueuedMessage

GATHERED_BYTES = 1 << 20
"""Articles up to this size are read once; larger ones twice: their size with LF line ends comes first."""


def article_in_batch(article: QueuedMessage, read_body: Callable[[int], Iterator[bytes]]) -> Iterator[bytes]:
    """One article as it stands in a batch.

    Args:
        article: which.
        read_body: reads an article, with CRLF line ends, by its place in the queue.

    Raises:
        MessageError: a bare CR, a bare LF or a NUL.
        StoreCorrupt: it is not in the queue as it should be.
    """
    if article.size_bytes <= GATHERED_BYTES:
        content = crlf_to_lf(b"".join(read_body(article.seq)))
        yield _line(len(content)) + content
        return
    yield _line(sum(map(len, lf_chunks(read_body(article.seq)))))
    yield from lf_chunks(read_body(article.seq))


def _line(size_bytes: int) -> bytes:
    return b"#! rnews %d\n" % size_bytes
