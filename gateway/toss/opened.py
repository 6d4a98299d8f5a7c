"""A received packet, read from one open file as often as needed.

Contract: every ``Pass`` starts at the first byte of the same open file, so that what the second
pass gives is what the first has proven, even if the name in the directory was replaced meanwhile.
What a pass yields is PROVISIONAL until it is exhausted: only then is it proven that nothing is
missing. Memory: one buffer, whatever the size of the packet.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gateway.durable import store_errors
from gateway.errors import GatewayError
from gateway.nodes import Book
from gateway.packet.plain import PlainHeader
from gateway.packet.sealed import UNIT_BYTES, EncryptedHeader
from gateway.packet.unseal import Unsealer
from gateway.spool.progress import SILENT, Bar, Progress

BUFFER_BYTES = 4 * UNIT_BYTES


class Reading(ABC):
    """One reading of a packet, or of a message in one, from its first to its last byte.

    Args:
        unsealer: of the packet.
    """

    def __init__(self, unsealer: Unsealer) -> None:
        self._unsealer = unsealer
        self._pending: list[memoryview] = []
        self._is_at_end = False

    def start(self) -> tuple[EncryptedHeader, PlainHeader]:
        """Read as far as is needed to know what it is.

        Returns:
            The outer header, its signature verified, and the plain header, still provisional. Of a message
            in a packet both are.

        Raises:
            PacketError: it can't be opened.
            StoreError: it can't be read.
        """
        while self._unsealer.plain is None:
            self._pending += self._step()
        if self._unsealer.header is None:
            raise AssertionError("internal error: a plain header without an outer one")
        return self._unsealer.header, self._unsealer.plain

    def __iter__(self) -> Iterator[memoryview]:
        """The payload in pieces; each is valid until the next is asked for.

        Raises:
            PacketError: a block does not authenticate, or not all of it is there.
            StoreError: it can't be read.
        """
        pieces, self._pending = self._pending, []
        yield from pieces
        while not self._is_at_end:
            yield from self._step()

    @abstractmethod
    def _step(self) -> list[memoryview]:
        """Unseal some more, or the end; then ``_is_at_end`` is set."""


class Readable(Protocol):
    """A packet that can be read again."""

    def read(self) -> Reading:
        """Start a reading; the one before ends with that."""


class Pass(Reading):
    """One reading of a packet, from its first to its last byte.

    Args:
        path: of the packet, for messages.
        fd: the open file.
        book: who we are and whom we know.
        buffer: what is read lies here, but only within a step: all passes may share it.
        bar: shows how far the reading is, until its end or a fault.
    """

    def __init__(self, path: Path, fd: int, book: Book, buffer: bytearray, bar: Bar) -> None:
        own = book.private_keys()
        super().__init__(Unsealer(own.id, own.exchprv, book.find_keys))
        self._bar = bar
        self._path = path
        self._fd = fd
        self._buffer = memoryview(buffer)
        self._offset_bytes = 0

    def _step(self) -> list[memoryview]:
        try:
            with store_errors(self._path, "read"):
                size_bytes = os.preadv(self._fd, [self._buffer], self._offset_bytes)
            if size_bytes:
                self._offset_bytes += size_bytes
                self._bar.add(size_bytes)
                return self._unsealer.feed(self._buffer[:size_bytes])
            self._is_at_end = True
            self._bar.end()
            return self._unsealer.finish()
        except GatewayError:
            # What is told of it must not stand behind the bar.
            self._bar.end()
            raise


class OpenedPacket:
    """A packet of the spool, held open.

    Args:
        path: the file.
        book: who we are and whom we know.
        buffer: BUFFER_BYTES, which all packets of a thread may share.
        progress: shows how far each reading is.

    Raises:
        StoreError: the file can't be opened.
    """

    def __init__(self, path: Path, book: Book, buffer: bytearray, progress: Progress = SILENT) -> None:
        self._path = path
        self._progress = progress
        self._book = book
        self._buffer = buffer
        self._begun: Pass | None = None
        with store_errors(path, "open"):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def begin(self) -> None:
        """Start the first pass already; what is wrong with the packet is told by that pass again.

        Raises:
            GatewayError: what is wrong.
        """
        self._begun = self.read()
        self._begun.start()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read(self) -> Pass:
        """Start a pass; the one before ends with that."""
        if self._begun is not None:
            begun, self._begun = self._begun, None
            return begun
        bar = self._progress.bar(f"opening {self._path.name}", os.fstat(self._fd).st_size)
        return Pass(self._path, self._fd, self._book, self._buffer, bar)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
