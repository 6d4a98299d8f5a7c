r"""The lines in front of a message on its way to ``rmail``: who sent it, and through whom it came.

    From alice Fri Nov 20 10:00:00 2026 remote from hub
    >From alice Fri Nov 20 09:00:00 2026 remote from home

They say that the sender is ``hub!home!alice``, which is ``alice@home``. Postfix (``flags=F``) writes one
line with a whole address and no ``remote from``.

Spec: RFC 976 section 2.4; rmail(8).
"""

import re

from gateway.errors import BadBatch
from gateway.message.lines import LF

LINE_LIMIT_BYTES = 1000
LINES_LIMIT_COUNT = 50

_LINE = re.compile(
    rb'>?From +("(?:[^"\\\r\n]|\\[^\r\n])*"@[^ \r\n]*|[^ \r\n]+)'
    rb"(?: [^\r\n]*?)??(?: remote from +([^ \r\n]+) *)?\r?\n"
)
_STARTS = (b"From ", b">From ")
_NULL_SENDERS = frozenset({"", "<>", "mailer-daemon"})


class FromLines:
    """Takes the lines off the front of a message that comes in chunks of any size.

    Contract: ``feed`` everything, then ``finish`` once; their results in a row are the message.
    ``sender`` is known once either has returned a part of it.

    Attributes:
        sender: an address, not verified, perhaps without a domain; "" is the null sender; None: the message
            does not say.
    """

    __slots__ = ("_hosts", "_is_settled", "_lines_count", "_pending", "sender")

    def __init__(self) -> None:
        self.sender: str | None = None
        self._hosts: list[str] = []
        self._lines_count = 0
        self._pending = b""
        self._is_settled = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns what of them belongs to the message.

        Raises:
            BadBatch: a line that can't be read.
        """
        if self._is_settled:
            return chunk
        self._pending += chunk
        is_line = True
        while is_line:
            is_line = self._take_line()
        return self._given_if_settled()

    def finish(self) -> bytes:
        """Say that no more bytes come; returns the rest of the message."""
        self._is_settled = True
        return self._given_if_settled()

    def _take_line(self) -> bool:
        """Take one line; returns whether to look for another."""
        pending = self._pending
        if not pending.startswith(_STARTS):
            self._is_settled = not any(start.startswith(pending) for start in _STARTS)
            return False
        if LF not in pending[:LINE_LIMIT_BYTES]:
            if len(pending) >= LINE_LIMIT_BYTES:
                raise BadBatch("the line From in front of the message is too long")
            return False
        match = _LINE.match(pending)
        self._lines_count += 1
        if match is None or self._lines_count > LINES_LIMIT_COUNT:
            raise BadBatch("the line From in front of the message does not name a sender")
        self._add(match[1].decode("utf-8", "surrogateescape"), (match[2] or b"").decode("ascii", "replace"))
        self._pending = pending[match.end() :]
        return True

    def _add(self, name: str, host: str) -> None:
        self._hosts += [host] if host else []
        path = [*self._hosts, name]
        self.sender = address_of("!".join(path))

    def _given_if_settled(self) -> bytes:
        if not self._is_settled:
            return b""
        given, self._pending = self._pending, b""
        return given


def address_of(path: str) -> str:
    """The address that a path such as ``hub!home!alice`` means; "" for the null sender.

    Args:
        path: hosts and a user, with exclamation marks between; or an address.
    """
    hosts, _, user = path.rpartition("!")
    if user.lower() in _NULL_SENDERS:
        return ""
    if "@" in user or not hosts:
        return user
    return f"{user}@{hosts.rpartition('!')[2]}"
