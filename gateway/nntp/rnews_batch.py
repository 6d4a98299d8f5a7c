"""Batches of articles as ``rnews`` takes them, written and read as a stream.

    #! rnews 1234
    (1234 bytes: an article with LF line ends)
    #! rnews 567
    ...

Whole batches may be packed (``gateway.nntp.unpacking``); bytes that begin without ``#!`` are a bare article.

States of the reader::

    HEADER --#! rnews N--> ARTICLE --N bytes--> HEADER --finish--> whole
    begin --anything but #!--> BARE --finish--> whole
    any --a fault of the batch--> FAILED (every further call raises the same error)

Contract: a batch may be cut anywhere between two ``feed`` calls without another outcome. Only ``finish``
proves that it is whole: a cut or wrongly counted batch is BadBatch there at the latest. What is wrong within
one article, its size too, is told of this article, and the batch goes on.

Spec: RFC 5537 section 6 (application/news-transmission names the format); INN rnews(1).
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from gateway.errors import BadBatch, CutShortBatch, MessageError
from gateway.message.lines import lf_to_crlf
from gateway.nntp.article import ARTICLE_LIMIT_BYTES, shown
from gateway.nntp.unpacking import Packing, unpack

ARTICLE_LIMIT_COUNT = 100_000
BATCH_LIMIT_BYTES = 1 << 30
HEADER_LIMIT_BYTES = 128
"""A header line of a batch; real ones have 20."""

_MARK = b"#!"
_HEADER = re.compile(rb"#! *rnews +(\d{1,15})(?:[ \t][ -~\t]*)?\r?\n")
_PACKED = re.compile(rb"#! *([A-Za-z0-9_-]+)[ \t]*\r?\n")
_PACKINGS = {packing.value.encode("ascii"): packing for packing in Packing}


@dataclass(frozen=True, slots=True)
class RnewsLimits:
    """What is taken of a batch.

    Args:
        article_bytes: one article; a larger one is unreadable, the next is read as if nothing was.
        article_count: articles of one batch; more is BadBatch.
        total_bytes: the batch once unpacked; more is BadBatch.
    """

    article_bytes: int = ARTICLE_LIMIT_BYTES
    article_count: int = ARTICLE_LIMIT_COUNT
    total_bytes: int = BATCH_LIMIT_BYTES


class ArticleRead(NamedTuple):
    """An article of the batch, with CRLF line ends that ``lf_to_crlf`` made."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ArticleUnreadable:
    """A part of the batch that can be no article.

    Args:
        size_bytes: of it.
        text: why, for a person.
    """

    size_bytes: int
    text: str


RnewsEvent = ArticleRead | ArticleUnreadable


class RnewsReader:
    """Reads a batch that is not packed, or a bare article.

    Args:
        limits: what is taken.
    """

    __slots__ = (
        "_count",
        "_error",
        "_held",
        "_is_bare",
        "_left_bytes",
        "_limits",
        "_pending",
        "_size_bytes",
        "_total_bytes",
    )

    def __init__(self, limits: RnewsLimits | None = None) -> None:
        self._limits = limits or RnewsLimits()
        self._pending = b""
        self._held = bytearray()
        self._size_bytes = 0
        self._left_bytes = 0
        self._count = 0
        self._total_bytes = 0
        self._is_bare = False
        self._error: str | None = None

    @property
    def article_count(self) -> int:
        """Articles that began, the unreadable ones among them."""
        return self._count

    def feed(self, data: bytes) -> list[RnewsEvent]:
        """Take the next bytes of the batch.

        Raises:
            BadBatch: it can not be told where articles begin or end, or a limit of the batch was passed.
        """
        self._check_usable()
        self._total_bytes += len(data)
        if self._total_bytes > self._limits.total_bytes:
            self._fail(f"the batch is larger than {self._limits.total_bytes} bytes, the most allowed")
        events: list[RnewsEvent] = []
        buffer = self._pending + data
        at = 0
        while at < len(buffer):
            if self._is_bare or self._left_bytes:
                at = self._read_article(buffer, at, events)
                continue
            following = self._read_header(buffer, at, events)
            if following == at:
                break
            at = following
        self._pending = buffer[at:]
        return events

    def finish(self) -> list[RnewsEvent]:
        """Say that no more bytes come.

        Returns:
            The bare article, if the input was one.

        Raises:
            CutShortBatch: the batch is not whole.
        """
        self._check_usable()
        if self._pending and not self._count and not self._pending.startswith(_MARK):
            self._begin_bare(self._pending)
            self._pending = b""
        if self._is_bare:
            return [self._event()]
        if self._left_bytes:
            text = f"the batch ends {self._left_bytes} bytes before the end of article {self._count}"
            self._fail(text, CutShortBatch)
        if self._pending or not self._count:
            self._fail(f"the batch ends where article {self._count + 1} should begin", CutShortBatch)
        return []

    def _read_header(self, buffer: bytes, at: int, events: list[RnewsEvent]) -> int:
        match = _HEADER.match(buffer, at, at + HEADER_LIMIT_BYTES)
        if match is None:
            return self._read_no_header(buffer, at)
        self._count += 1
        if self._count > self._limits.article_count:
            self._fail(f"more than {self._limits.article_count} articles in one batch")
        self._left_bytes = int(match[1])
        if not self._left_bytes:
            events.append(ArticleUnreadable(0, "an article of no bytes"))
        return match.end()

    def _read_no_header(self, buffer: bytes, at: int) -> int:
        """Take a bare article, or wait for the rest of a header line."""
        head = buffer[at : at + HEADER_LIMIT_BYTES]
        if not self._count and not _MARK.startswith(head[: len(_MARK)]):
            self._begin_bare(buffer[at:])
            return len(buffer)
        if b"\n" in head or len(head) >= HEADER_LIMIT_BYTES:
            line = shown(head.partition(b"\n")[0])
            self._fail(f"no '#! rnews' line where article {self._count + 1} should begin, but {line!r}")
        return at

    def _begin_bare(self, data: bytes) -> None:
        self._is_bare = True
        self._count = 1
        self._keep(data)

    def _read_article(self, buffer: bytes, at: int, events: list[RnewsEvent]) -> int:
        if self._is_bare:
            self._keep(buffer[at:])
            return len(buffer)
        end = at + self._left_bytes
        piece = buffer[at:end]
        self._left_bytes -= len(piece)
        if not self._left_bytes and not self._size_bytes:
            # The whole article is here, as most are: nothing needs to be kept.
            events.append(self._event_of(piece, len(piece)))
            return end
        self._keep(piece)
        if not self._left_bytes:
            events.append(self._event())
        return at + len(piece)

    def _keep(self, piece: bytes) -> None:
        self._size_bytes += len(piece)
        if self._size_bytes <= self._limits.article_bytes:
            self._held += piece
        else:
            self._held.clear()

    def _event(self) -> RnewsEvent:
        size_bytes, data = self._size_bytes, bytes(self._held)
        self._size_bytes = 0
        self._held.clear()
        return self._event_of(data, size_bytes)

    def _event_of(self, data: bytes, size_bytes: int) -> RnewsEvent:
        if size_bytes > self._limits.article_bytes:
            return ArticleUnreadable(size_bytes, f"{size_bytes} bytes; allowed: {self._limits.article_bytes}")
        try:
            return ArticleRead(lf_to_crlf(data))
        except MessageError as error:
            return ArticleUnreadable(size_bytes, str(error))

    def _fail(self, text: str, kind: type[BadBatch] = BadBatch) -> NoReturn:
        self._error = text
        raise kind(text)

    def _check_usable(self) -> None:
        if self._error is not None:
            raise BadBatch(self._error)


def is_plain_batch(head: bytes) -> bool | None:
    """Whether bytes begin a batch that is not packed; None: more of them are needed to tell.

    Args:
        head: the first bytes of what comes, at most ``HEADER_LIMIT_BYTES`` are looked at.
    """
    line = head[:HEADER_LIMIT_BYTES]
    if _HEADER.match(line) is not None:
        return True
    is_open = _MARK.startswith(line[: len(_MARK)]) and b"\n" not in line and len(line) < HEADER_LIMIT_BYTES
    return None if is_open else False


def read_batch(source: Iterable[bytes], limits: RnewsLimits | None = None) -> Iterator[RnewsEvent]:
    """Read a batch, packed or not, or a bare article.

    Args:
        source: the bytes, in pieces of any size.
        limits: what is taken.

    Raises:
        CutShortBatch: the batch is not whole.
        BadBatch: it is no batch. In both cases what was given until then may be part of one.
    """
    limits = limits or RnewsLimits()
    reader = RnewsReader(limits)
    for piece in _plain(source, limits):
        yield from reader.feed(piece)
    yield from reader.finish()


def _plain(source: Iterable[bytes], limits: RnewsLimits) -> Iterator[bytes]:
    """The batch without its packing, if it has one."""
    pieces = iter(source)
    head = b""
    for piece in pieces:
        head += piece
        if not _MARK.startswith(head[: len(_MARK)]) or b"\n" in head or len(head) >= HEADER_LIMIT_BYTES:
            break
    match = _PACKED.match(head[:HEADER_LIMIT_BYTES])
    if match is None:
        return itertools.chain((head,), pieces)
    packing = _PACKINGS.get(match[1])
    if packing is None:
        known = ", ".join(Packing)
        raise BadBatch(f"a batch packed with {shown(match[1])!r} can not be read; allowed: {known}")
    return unpack(packing, itertools.chain((head[match.end() :],), pieces), limits.total_bytes)
