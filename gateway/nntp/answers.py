"""Answers in the order of the commands, however late some of them are known.

Contract: each command opens one slot; what is written in a slot leaves once all slots in front are
finished. A closing slot is the last: what comes behind it is dropped.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from gateway.errors import LocalProtocolError
from gateway.message.lines import dot_stuff

E = TypeVar("E")


class _Slot:
    __slots__ = ("event", "is_closing", "is_finished", "parts", "size_bytes", "ticket")

    def __init__(self, ticket: int, event: object, size_bytes: int) -> None:
        self.ticket = ticket
        self.event = event
        self.size_bytes = size_bytes
        self.parts: list[bytes] = []
        self.is_finished = False
        self.is_closing = False


class Answers:
    """The answers of one connection.

    Attributes:
        open_count: slots that are not finished.
        open_bytes: what their commands weigh.
        is_ended: a closing slot was opened: nothing more is to be said.
        is_closed: its answer was taken as well.
        said_bytes: what was answered at once and not taken yet.
    """

    __slots__ = ("_next_ticket", "_open", "_slots", "is_closed", "is_ended", "open_bytes", "said_bytes")

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()
        self._open: dict[int, _Slot] = {}
        self._next_ticket = 1
        self.open_bytes = 0
        self.said_bytes = 0
        self.is_ended = False
        self.is_closed = False

    @property
    def open_count(self) -> int:
        """Slots that are not finished."""
        return len(self._open)

    def ask(self, make: Callable[[int], E], *, size_bytes: int = 0) -> E:
        """Open the slot of a command.

        Args:
            make: gives the event that asks for the answer, by its ticket.
            size_bytes: what the command weighs until it is answered.
        """
        event = make(self._next_ticket)
        slot = _Slot(self._next_ticket, event, size_bytes)
        self._next_ticket += 1
        self._slots.append(slot)
        self._open[slot.ticket] = slot
        self.open_bytes += size_bytes
        return event

    def asked(self, ticket: int, *kinds: type[E]) -> E:
        """The event that a ticket is of.

        Raises:
            LocalProtocolError: it was answered already, or never was, or is answered by another method.
        """
        slot = self._open.get(ticket)
        if slot is None or not isinstance(slot.event, kinds):
            raise LocalProtocolError(f"no command {ticket} waits for such an answer")
        return slot.event

    def say(self, *lines: str) -> None:
        """Answer a command at once."""
        slot = _Slot(0, None, 0)
        slot.parts = [f"{line}\r\n".encode() for line in lines]
        self.said_bytes += sum(map(len, slot.parts))
        slot.is_finished = True
        self._slots.append(slot)

    def write(self, ticket: int, data: bytes) -> None:
        """Write a piece of an answer."""
        self._open[ticket].parts.append(data)

    def finish(self, ticket: int, line: str | None = None) -> None:
        """End an answer, with a line if one is given."""
        slot = self._open.pop(ticket)
        if line is not None:
            slot.parts.append(f"{line}\r\n".encode())
        slot.is_finished = True
        self.open_bytes -= slot.size_bytes

    def close(self, line: str | None) -> None:
        """Say a last thing behind all that is open, and close."""
        if self.is_ended:
            return
        if line is None:
            self.say()
        else:
            self.say(line)
        self._slots[-1].is_closing = True
        self.is_ended = True

    def close_with(self, ticket: int, line: str) -> None:
        """Answer one command, and close behind it; nothing behind is answered."""
        slot = self._open[ticket]
        self.finish(ticket, line)
        slot.is_closing = True
        self.is_ended = True

    def take(self) -> bytes:
        """All that may leave now."""
        parts: list[bytes] = []
        slots = self._slots
        self.said_bytes = 0
        while slots and not self.is_closed:
            slot = slots[0]
            parts += slot.parts
            slot.parts.clear()
            if not slot.is_finished:
                break
            self.is_closed = slot.is_closing
            slots.popleft()
        return b"".join(parts)


def block_lines(lines: Iterable[bytes]) -> bytes:
    """Lines of a long answer, dots doubled: RFC 3977 section 3.1.1."""
    return b"".join(b".%b\r\n" % line if line.startswith(b".") else line + b"\r\n" for line in lines)


def block_text(text: bytes) -> bytes:
    """A text of CRLF lines as a long answer, with its end."""
    end = b"" if not text or text.endswith(b"\r\n") else b"\r\n"
    return dot_stuff(text) + end + b".\r\n"
