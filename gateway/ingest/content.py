"""Reads the content of a message after DATA, in bulk, to CRLF.CRLF and nothing else.

Contract: the content is read to its true end whatever is wrong with it, since the bytes of a
refused message must never be taken for commands. From the first fault on nothing is held. The
first fault is the one that is answered.

Spec: RFC 5321 sections 4.1.1.4 and 4.5.2.
"""

from gateway.ingest.inflight import Reservation
from gateway.ingest.reply import Reply
from gateway.message.lines import Unstuffer, find_stray, stray_text


class ContentReader:
    """Read one message.

    Args:
        max_bytes: largest content.
        share: grows with the content; released at the first fault, else by the caller.
    """

    __slots__ = ("_max_bytes", "_share", "_unstuffer", "content", "fault", "size_bytes")

    def __init__(self, max_bytes: int, share: Reservation) -> None:
        self.content = bytearray()
        self.fault: Reply | None = None
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._share = share
        self._unstuffer = Unstuffer()

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes; returns True once the end of the content was read."""
        piece = self._unstuffer.feed(chunk)
        if self.fault is None and piece:
            self._keep(piece)
        self.size_bytes += len(piece)
        return self._unstuffer.is_done

    @property
    def rest(self) -> bytes:
        """What came behind the end of the content."""
        return self._unstuffer.rest

    def _keep(self, piece: bytes) -> None:
        size_bytes = self.size_bytes + len(piece)
        if (stray := find_stray(piece)) is not None:
            name, offset = stray
            self._fail(Reply(554, "5.6.0", stray_text(name, self.size_bytes + offset)))
        elif size_bytes > self._max_bytes:
            self._fail(Reply(552, "5.3.4", f"message is larger than {self._max_bytes} bytes"))
        elif not self._share.hold(size_bytes):
            self._fail(Reply(452, "4.3.1", "too many messages at a time, try again later"))
        else:
            self.content += piece

    def _fail(self, fault: Reply) -> None:
        self.fault = fault
        self.content = bytearray()
        self._share.release()
