"""What a client of NNTP sends, cut into command lines and articles.

States::

    LINES --expect_article--> ARTICLE --final dot--> LINES

Contract: the pieces do not depend on how the input was cut. A line that is too long is told of once, with
its beginning; an article that is too large is read to its end and told of without its bytes. Memory is
bounded by one article, and what ``feed`` was given beyond.

Spec: RFC 3977 sections 3.1 and 3.1.1.
"""

from typing import NamedTuple

from gateway.message.lines import CRLF, LF, DotReader

OVERLONG_HEAD_BYTES = 32
"""Of a line that is too long: its command can be told by them."""


class Line(NamedTuple):
    """A command without its line end; of one that is too long, the beginning."""

    raw: bytes
    is_too_long: bool = False


class Content(NamedTuple):
    """An article, dots undone.

    Args:
        data: its bytes; None: it was larger than allowed.
        size_bytes: of it.
    """

    data: bytes | None
    size_bytes: int


class Incoming:
    """The input of one connection.

    Args:
        line_bytes: of one line with its end; more is too long.
        article_bytes: of one article; more is too large.
    """

    __slots__ = (
        "_article_bytes",
        "_at",
        "_data",
        "_head",
        "_held",
        "_line_bytes",
        "_reader",
        "_size_bytes",
    )

    def __init__(self, line_bytes: int, article_bytes: int) -> None:
        self._line_bytes = line_bytes
        self._article_bytes = article_bytes
        self._data = b""
        self._at = 0
        self._head: bytes | None = None
        self._reader: DotReader | None = None
        # Not a list of pieces: one that comes byte by byte would take fifty times its size.
        self._held = bytearray()
        self._size_bytes = 0

    @property
    def held_bytes(self) -> int:
        """What was taken and is not given yet."""
        return len(self._data) - self._at + len(self._held)

    @property
    def is_midway(self) -> bool:
        """Whether a line or an article has begun, or is expected, and is not whole."""
        return self._reader is not None or self._head is not None or self.held_bytes > 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def discard(self) -> None:
        """Forget what was not read yet."""
        self._data, self._at = b"", 0

    def expect_article(self) -> None:
        """Read an article next, behind the line that was read last."""
        self._reader = DotReader()
        # The reader of content wants a line end in front, so that a first dot is like any other.
        if self._data.endswith(CRLF, 0, self._at):
            self._at -= len(CRLF)
        else:
            self._data, self._at = CRLF + self._data[self._at :], 0

    def next(self) -> Line | Content | None:
        """The next line or article; None if more bytes are needed for it."""
        if self._at == len(self._data):
            return None
        if self._reader is not None:
            return self._content(self._reader)
        return self._line() if self._head is None else self._rest_of_line(self._head)

    def _line(self) -> Line | None:
        end = self._data.find(LF, self._at, self._at + self._line_bytes)
        if end >= 0:
            raw = self._data[self._at : end]
            self._at = end + 1
            return Line(raw.removesuffix(b"\r"))
        if len(self._data) - self._at < self._line_bytes:
            return None
        self._head = self._data[self._at : self._at + OVERLONG_HEAD_BYTES]
        self._at += self._line_bytes
        return self._rest_of_line(self._head)

    def _rest_of_line(self, head: bytes) -> Line | None:
        end = self._data.find(LF, self._at)
        if end < 0:
            # A CR is kept: what follows an overlong TAKETHIS begins with this very line end.
            self._at = len(self._data) - self._data.endswith(b"\r")
            return None
        self._at = end + 1
        self._head = None
        return Line(head, is_too_long=True)

    def _content(self, reader: DotReader) -> Content | None:
        piece, self._at = reader.read(self._data, self._at)
        self._size_bytes += len(piece)
        is_too_large = self._size_bytes > self._article_bytes
        if is_too_large:
            self._held.clear()
        elif self._held or not reader.is_done:
            self._held += piece
        if not reader.is_done:
            return None
        content = Content(None if is_too_large else bytes(self._held) or piece, self._size_bytes)
        self._reader, self._size_bytes = None, 0
        self._held.clear()
        return content
