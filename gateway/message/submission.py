"""What becomes of the header of a message that a user or a program submits through ``sendmail``.

As Postfix's sendmail and cleanup have it: a ``From_`` line in front and the Bcc fields are taken
out, recipients may be read from the header, and Date, Message-ID and From are added where they are missing.
Nothing else is changed. A message that is only passed on (``sendmail -G``) keeps its header as it is.

Spec: RFC 5322 section 3.6; RFC 6409 section 8; sendmail(1) of Postfix.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formataddr

from gateway.errors import BadAddress, MessageError
from gateway.message.lines import CRLF
from gateway.message.mailbox_list import parse_mailboxes

HEADER_LIMIT_BYTES = 1 << 20
TOO_LARGE_STATUS = "5.3.4"
RESENT = b"resent-"

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_FROM_LINE = re.compile(rb">*From ")
_SPACES = (b" ", b"\t")
_RECIPIENTS = (b"to", b"cc", b"bcc")
_HIDDEN = frozenset({b"bcc", RESENT + b"bcc"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field.

    Args:
        name: in lower case.
        raw: all of it with its line end, folded as it came.
    """

    name: bytes
    raw: bytes

    @property
    def body(self) -> bytes:
        """What stands behind the colon."""
        return self.raw.partition(b":")[2]


@dataclass(frozen=True, slots=True)
class Author:
    """Who submits, for the fields that are missing.

    Args:
        address: of the envelope's sender, or of the mail system where that is the null sender.
        full_name: for people; may be empty.
        message_id: for this message, without brackets.
        date: as header fields have it.
    """

    address: str
    full_name: str
    message_id: str
    date: str


class HeaderReader:
    """Takes the header section off the front of a message with CRLF line ends.

    The section ends at an empty line, or before the first line that is no field, as in a message that has
    no header at all. A ``From_`` line in front is dropped.

    Contract: ``feed`` until it returns True, or ``finish``; ``rest`` is the body then. Memory is bounded.
    """

    __slots__ = ("_at", "_data", "_starts", "fields", "rest")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.rest = b""
        self._data = bytearray()
        self._at = 0
        """Where the line begins that was not looked at yet."""
        self._starts: list[tuple[int, bytes]] = []
        """Where each field begins, and its name."""

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes; returns whether the section is whole.

        Raises:
            MessageError: it is larger than allowed.
        """
        self._data += chunk
        while (end := self._data.find(CRLF, self._at)) >= 0:
            if not self._take_line(bytes(self._data[self._at : end])):
                self._close(body_start=self._at + (len(CRLF) if end == self._at else 0))
                return True
            self._at = end + len(CRLF)
            self._check_size(self._at)
        if len(self._data) - self._at > HEADER_LIMIT_BYTES and not self._take_line(self._unended()):
            self._close(body_start=self._at)
            return True
        self._check_size(len(self._data))
        return False

    def finish(self) -> None:
        """Say that no more bytes come: all there is, is the header, but for a last line that is no field."""
        if self._at < len(self._data) and self._take_line(self._unended()):
            self._at = len(self._data)
        self._close(body_start=self._at)

    def _unended(self) -> bytes:
        return bytes(self._data[self._at :])

    def _take_line(self, line: bytes) -> bool:
        """Take one line; returns whether it belongs to the header."""
        if match := _FIELD.match(line):
            self._starts.append((self._at, match[1].lower()))
            return True
        if self._starts:
            return line.startswith(_SPACES)
        return _FROM_LINE.match(line) is not None

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > HEADER_LIMIT_BYTES:
            text = f"the header is larger than {HEADER_LIMIT_BYTES} bytes"
            raise MessageError(text, status=TOO_LARGE_STATUS)

    def _close(self, *, body_start: int) -> None:
        ends = [start for start, _ in self._starts[1:]] + [self._at]
        for (start, name), stop in zip(self._starts, ends, strict=False):
            raw = bytes(self._data[start:stop])
            self.fields.append(Field(name, raw if raw.endswith(CRLF) else raw + CRLF))
        self.rest = bytes(self._data[body_start:])
        self._data.clear()


def recipients_in(fields: Iterable[Field]) -> list[str]:
    """Whom the header names in To, Cc and Bcc; if it was sent again, in Resent-To and so on.

    Raises:
        BadAddress: a field can't be read.
    """
    fields = list(fields)
    prefix = _prefix(fields)
    wanted = {prefix + name for name in _RECIPIENTS}
    found: list[str] = []
    for field in fields:
        if field.name in wanted:
            try:
                found += parse_mailboxes(field.body.decode("utf-8"))
            except UnicodeDecodeError:
                raise BadAddress(f"the field {field.name.decode()} is not UTF-8") from None
    return found


def submitted_header(fields: Sequence[Field], author: Author) -> bytes:
    """The header as it goes on, with the empty line: without Bcc, with what was missing at its end."""
    kept = [field.raw for field in fields if field.name not in _HIDDEN]
    return b"".join((*kept, _missing(fields, author), CRLF))


def passed_header(fields: Sequence[Field]) -> bytes:
    """The header of a message that is only passed on, with the empty line."""
    return b"".join((*(field.raw for field in fields), CRLF))


def _missing(fields: Sequence[Field], author: Author) -> bytes:
    names = {field.name for field in fields}
    prefix = _prefix(fields)
    shown_prefix = "Resent-" if prefix else ""
    values = {
        "Message-ID": f"<{author.message_id}>",
        "Date": author.date,
        "From": _mailbox(author.full_name, author.address),
    }
    lines = [
        f"{shown_prefix}{name}: {value}\r\n"
        for name, value in values.items()
        if prefix + name.lower().encode() not in names
    ]
    return "".join(lines).encode()


def _mailbox(full_name: str, address: str) -> str:
    name = _UNPRINTABLE.sub(" ", full_name).strip()
    if not name:
        return address
    if address.isascii():
        return formataddr((name, address))
    # RFC 6532 lets both stand as they are.
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _prefix(fields: Iterable[Field]) -> bytes:
    """What stands in front of the names that count: a message sent again has fields of its own."""
    return RESENT if any(field.name.startswith(RESENT) for field in fields) else b""
