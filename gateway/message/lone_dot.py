"""A message that ends at a line with a dot alone, as people type it into ``sendmail`` without ``-i``.

Contract: nothing is cut off in silence. Text behind the dot means that it was part of the message,
and that ``-i`` was forgotten: the message is refused.

Spec: sendmail(1) of any mail server, option -i.
"""

from gateway.errors import MessageError
from gateway.message.lines import CRLF

_END = CRLF + b"." + CRLF
_PREFIXES = tuple(_END[:size] for size in range(len(_END) - 1, 0, -1))


class LoneDot:
    """Find the end of a message with CRLF line ends that comes in chunks of any size.

    Contract: ``feed`` everything, then ``finish`` once.
    """

    __slots__ = ("_held", "_is_done", "_skip_bytes")

    def __init__(self) -> None:
        self._held = CRLF
        self._skip_bytes = len(CRLF)
        self._is_done = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns the content among them.

        Raises:
            MessageError: there is text behind the dot.
        """
        if self._is_done:
            self._refuse_text(chunk)
            return b""
        data = self._held + chunk
        end = data.find(_END)
        if end >= 0:
            self._is_done = True
            self._refuse_text(data[end + len(_END) :])
            return self._content(data[: end + len(CRLF)])
        held_bytes = next((len(prefix) for prefix in _PREFIXES if data.endswith(prefix)), 0)
        self._held = data[len(data) - held_bytes :]
        return self._content(data[: len(data) - held_bytes])

    def finish(self) -> bytes:
        """Say that no more bytes come; returns the rest of the content."""
        return b"" if self._is_done else self._content(self._held)

    def _content(self, data: bytes) -> bytes:
        """Without the line end that was put in front."""
        cut_bytes = min(self._skip_bytes, len(data))
        self._skip_bytes -= cut_bytes
        return data[cut_bytes:]

    @staticmethod
    def _refuse_text(data: bytes) -> None:
        if data.strip():
            raise MessageError(
                "a line holds a dot alone, and text follows it: -i makes it part of the message"
            )
