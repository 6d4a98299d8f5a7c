"""The message within an area packet: sealed for the area by its author, whoever passed it on.

Contract: as for a packet of ours: what a reading yields is PROVISIONAL until it is exhausted, and then
both the packet and the message in it are proven whole.
"""

from collections.abc import Iterator

from gateway.nodes import Area, Book
from gateway.packet.plain import PlainHeader
from gateway.packet.sealed import EncryptedHeader
from gateway.packet.unseal import Unsealer
from gateway.toss.opened import Readable, Reading


class AreaReading:
    """One reading of the message within a packet.

    Args:
        packet: a reading of the packet, of whose payload nothing was taken yet.
        area: the area, with its keys.
        book: whom we know.
        is_unknown_allowed: whether a message of an unknown author, which nobody can check the
            signature of, is opened.
    """

    def __init__(self, packet: Reading, area: Area, book: Book, *, is_unknown_allowed: bool) -> None:
        _, private = area.keys()
        self._unsealer = Unsealer(area.id, private, book.find_keys, is_unknown_allowed=is_unknown_allowed)
        self._packet = iter(packet)
        self._pending: list[memoryview] = []
        self._is_at_end = False

    def start(self) -> tuple[EncryptedHeader, PlainHeader]:
        """Read as far as is needed to know what the message is.

        Returns:
            The author's header and the plain header, both provisional.

        Raises:
            PacketError: packet or message can't be opened.
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
            PacketError: a block does not authenticate, or packet or message is not whole.
            StoreError: it can't be read.
        """
        pieces, self._pending = self._pending, []
        yield from pieces
        while not self._is_at_end:
            yield from self._step()

    def _step(self) -> list[memoryview]:
        piece = next(self._packet, None)
        if piece is not None:
            return self._unsealer.feed(piece)
        self._is_at_end = True
        return self._unsealer.finish()


class OpenedMessage:
    """The message within an open packet, to be read as often as needed.

    Args:
        packet: the packet, held open.
        area: the area, with its keys.
        book: whom we know.
    """

    def __init__(self, packet: Readable, area: Area, book: Book) -> None:
        self._packet = packet
        self._area = area
        self._book = book

    def read(self) -> AreaReading:
        """Start a reading; the one before ends with that."""
        is_unknown_allowed = self._area.is_unknown_allowed
        return AreaReading(self._packet.read(), self._area, self._book, is_unknown_allowed=is_unknown_allowed)
