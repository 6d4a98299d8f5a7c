"""The message within an area packet: sealed for the area by its author, whoever passed it on.

Contract: as for a packet of ours: what a reading yields is PROVISIONAL until it is exhausted, and then
both the packet and the message in it are proven whole.
"""

from collections.abc import Iterable

from gateway.nodes import Area, Book
from gateway.packet.unseal import Unsealer
from gateway.toss.opened import Readable, Reading


class AreaReading(Reading):
    """One reading of the message within a packet.

    Args:
        packet: a reading of the packet, of whose payload nothing was taken yet.
        area: the area, with its keys.
        book: whom we know.
        is_unknown_allowed: whether a message of an unknown author, which nobody can check the
            signature of, is opened.
    """

    def __init__(
        self, packet: Iterable[memoryview], area: Area, book: Book, *, is_unknown_allowed: bool
    ) -> None:
        _, private = area.keys()
        super().__init__(Unsealer(area.id, private, book.find_keys, is_unknown_allowed=is_unknown_allowed))
        self._packet = iter(packet)

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
