"""Writes reports about a message: what became of it, for people and for programs.

A report is a multipart/report of three parts: a text that a person understands, message/delivery-status
that a program does, and the message itself or its header. A message that uses SMTPUTF8 is reported with
the ``global`` types.

Contract: whatever stands in addresses, replies or the returned message, a report has exactly the fields
and parts written here. Values are made printable and cut; a boundary that the message contains is not taken.

Spec: RFC 3464; RFC 6522 (multipart/report); RFC 6533 (internationalized reports); RFC 3834 section 3.1.7.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.message.envelope import Return
from gateway.message.esmtp import decode_xtext
from gateway.message.header import header_section_end, rfc5322_date

VALUE_LIMIT_BYTES = 900
"""Of a field's value: a line has at most 998 (RFC 5322 section 2.1.1)."""
LINE_LIMIT_BYTES = 998
TEXT_COLUMNS = 72
INDENT = "    "
UNKNOWN_RECIPIENT = "unknown"
DIAGNOSTIC_TYPE = "x-nncp-gateway"
_SENDER_NAME = "Mail Delivery System"

_DELAYED_SUBJECT = "Delayed mail (it is still being tried)"
_DELAYED_LEAD = (
    "Your message has not been delivered to the recipients below yet. It is still being tried; you need not"
    " send it again."
)
_HELD_LEAD = (
    "Your message is held on its way to the recipients below until the operator of this gateway lets it go."
    " You need not send it again; you will hear of it if it is given up."
)
_CRLF = b"\r\n"
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,40}")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_UNKNOWN_STATUS = {"failed": "5.0.0", "delayed": "4.0.0"}


class Action(StrEnum):
    """What became of a recipient; RFC 3464 section 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient.

    Args:
        recipient: the address as we had it; may be empty or malformed.
        action: what became of it.
        status: RFC 3463 status.
        text: why, one line.
        orcpt: ``TYPE;address`` that the sender knows the recipient by, in xtext as it came, or None.
        where: what held or refused the message, such as ``waiting for node hub``; may be empty.
        last_attempt_seconds: of the last change, seconds since 1970, or None.
        retry_until_seconds: of a delayed one: when we give up, seconds since 1970, or None.
        is_held: of a delayed one: it waits for a person, nothing is tried.
    """

    recipient: str
    action: Action
    status: str
    text: str
    orcpt: str | None = None
    where: str = ""
    last_attempt_seconds: float | None = None
    retry_until_seconds: float | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Original:
    """The message that is reported about.

    Args:
        sender: its envelope sender, who gets the report.
        message_id: value of its Message-ID, or "".
        envid: the sender's name for it, in xtext as it came, or None.
        queue_id: our name for it.
        arrival_seconds: when it came here, seconds since 1970.
        origin: who gave it to us, such as a node's name; may be empty.
        returned: the message, or its header section alone; empty: nothing is left of it.
        is_whole: ``returned`` is the whole message.
        is_smtputf8: it was declared so, or one of its addresses is not ASCII.
    """

    sender: str
    message_id: str
    envid: str | None
    queue_id: str
    arrival_seconds: float
    origin: str = ""
    returned: bytes = b""
    is_whole: bool = False
    is_smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What makes a report one of ours, and this one.

    Args:
        hostname: our host name.
        message_id: of the report, without brackets; unique.
        boundary: letters and digits that nobody can foresee, at most 60.
        date_seconds: when it is written, seconds since 1970.
    """

    hostname: str
    message_id: str
    boundary: str
    date_seconds: float


def write_report(head: Letterhead, original: Original, recipients: tuple[RecipientReport, ...]) -> bytes:
    """Write a whole report, with CRLF line ends.

    Args:
        head: who writes it.
        original: what it is about.
        recipients: at least one, all with the same action, and all held or none.

    Returns:
        The message. It is 8-bit if any part of it is; its header is ASCII unless the sender is not.
    """
    is_utf8 = original.is_smtputf8 or not all(
        text.isascii() for text in (original.sender, *(report.recipient for report in recipients))
    )
    parts = [
        _human_part(_human_text(head, original, recipients, is_utf8=is_utf8), is_utf8=is_utf8),
        _status_part(head, original, recipients, is_utf8=is_utf8),
    ]
    if original.returned:
        parts.append(_returned_part(original, is_utf8=is_utf8))
    content = b"".join(parts)
    boundary = _unused(head.boundary, content)
    mark = b"--" + boundary.encode()
    body = b"".join(mark + _CRLF + part + _CRLF for part in parts) + mark + b"--" + _CRLF
    return _header(head, original, recipients[0], boundary, content) + _CRLF + body


def choose_returned(data: bytes, ret: Return | None, *, is_failure: bool) -> tuple[bytes, bool]:
    """How much of a message goes back with a report.

    Args:
        data: the message, or its beginning if it is too large to return.
        ret: what the sender asked for.
        is_failure: else only the header goes back, whatever was asked.

    Returns:
        What is returned, and whether it is the message (else its header section).

    Spec: RFC 3461 section 4.3.
    """
    has_long_line = any(len(line) > LINE_LIMIT_BYTES for line in data.split(_CRLF))
    if is_failure and ret is not Return.HEADERS and not has_long_line:
        return data, True
    return header_of(data), False


def header_of(data: bytes) -> bytes:
    """The header section of a message, up to the first line that is longer than allowed."""
    kept = []
    for line in data[: header_section_end(data)].splitlines(keepends=True):
        if len(line) > LINE_LIMIT_BYTES or not line.endswith(_CRLF):
            break
        kept.append(line)
    return b"".join(kept)


def _header(
    head: Letterhead, original: Original, first: RecipientReport, boundary: str, content: bytes
) -> bytes:
    is_utf8 = not original.sender.isascii()
    subjects = {
        Action.FAILED: "Undelivered mail returned to sender",
        Action.DELAYED: "Held mail (a person decides)" if first.is_held else _DELAYED_SUBJECT,
        Action.DELIVERED: "Delivered mail",
        Action.RELAYED: "Mail passed on to a system that sends no reports",
    }
    parent = _MESSAGE_ID.fullmatch(original.message_id)
    fields = [
        ("Date", rfc5322_date(head.date_seconds)),
        ("From", f"{_SENDER_NAME} <MAILER-DAEMON@{head.hostname}>"),
        ("To", f"<{original.sender}>"),
        ("Subject", subjects[first.action]),
        ("Message-ID", f"<{head.message_id}>"),
        *([("In-Reply-To", parent[0]), ("References", parent[0])] if parent else []),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
    ]
    raw_type = f'multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"'
    lines = [_field(name, value, is_utf8=is_utf8) for name, value in fields]
    return b"".join([*lines, f"Content-Type: {raw_type}\r\n".encode(), _encoding(content)])


def _human_text(
    head: Letterhead, original: Original, recipients: tuple[RecipientReport, ...], *, is_utf8: bool
) -> Iterator[str]:
    lead = {
        Action.FAILED: "Your message could not be delivered to the recipients below. It will not be tried"
        " again. If the reason can be mended, please send it once more.",
        Action.DELAYED: _HELD_LEAD if recipients[0].is_held else _DELAYED_LEAD,
        Action.DELIVERED: "Your message was delivered to the recipients below.",
        Action.RELAYED: "Your message was passed on, for the recipients below, to a system that does not"
        " send reports. You will hear nothing more unless something goes wrong.",
    }
    yield f"This is the mail gateway at {head.hostname}."
    yield ""
    yield lead[recipients[0].action]
    for report in recipients:
        yield ""
        yield INDENT + _clean(f"<{report.recipient}>", is_utf8=is_utf8)
        yield INDENT + _clean(f"{report.action} ({_status(report)}): {report.text}", is_utf8=is_utf8)
        if report.where:
            yield INDENT + _clean(report.where, is_utf8=is_utf8)
        if report.retry_until_seconds is not None:
            verb = "held" if report.is_held else "tried"
            yield f"{INDENT}{verb} until {rfc5322_date(report.retry_until_seconds)}"
    yield ""
    yield "The message:"
    yield f"{INDENT}taken in {rfc5322_date(original.arrival_seconds)}"
    if original.origin:
        yield INDENT + _clean(f"from {original.origin}", is_utf8=is_utf8)
    if original.message_id:
        yield INDENT + _clean(f"Message-ID {original.message_id}", is_utf8=is_utf8)
    yield f"{INDENT}our name for it is {original.queue_id}"
    if not original.returned and recipients[0].action in _UNKNOWN_STATUS:
        yield f"{INDENT}its content is not here any more"


def _human_part(lines: Iterator[str], *, is_utf8: bool) -> bytes:
    wrapped = [row for line in lines for row in (_wrap(line) if line else [""])]
    text = "".join(f"{row}\r\n" for row in wrapped).encode()
    charset = "utf-8" if is_utf8 else "us-ascii"
    return f"Content-Type: text/plain; charset={charset}\r\n".encode() + _encoding(text) + _CRLF + text


def _wrap(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line,
        TEXT_COLUMNS,
        subsequent_indent=indent * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _status_part(
    head: Letterhead, original: Original, recipients: tuple[RecipientReport, ...], *, is_utf8: bool
) -> bytes:
    fields = [("Reporting-MTA", f"dns;{head.hostname}")]
    if original.envid is not None:
        fields.insert(0, ("Original-Envelope-Id", decode_xtext(original.envid)))
    fields.append(("Arrival-Date", rfc5322_date(original.arrival_seconds)))
    groups = [fields, *(_recipient_fields(report) for report in recipients)]
    text = _CRLF.join(
        b"".join(_field(name, value, is_utf8=is_utf8) for name, value in group) for group in groups
    )
    kind = "global-delivery-status" if is_utf8 else "delivery-status"
    return f"Content-Type: message/{kind}\r\n".encode() + _encoding(text) + _CRLF + text


def _recipient_fields(report: RecipientReport) -> list[tuple[str, str]]:
    fields = []
    if report.orcpt is not None:
        kind, _, address = report.orcpt.partition(";")
        if _TYPE.fullmatch(kind) and address:
            fields.append(("Original-Recipient", f"{kind};{decode_xtext(address)}"))
    recipient = report.recipient or UNKNOWN_RECIPIENT
    fields += [
        ("Final-Recipient", f"{'rfc822' if recipient.isascii() else 'utf-8'};{recipient}"),
        ("Action", report.action),
        ("Status", _status(report)),
        ("Diagnostic-Code", f"{DIAGNOSTIC_TYPE};{_status(report)} {report.text}"),
    ]
    if report.last_attempt_seconds is not None:
        fields.append(("Last-Attempt-Date", rfc5322_date(report.last_attempt_seconds)))
    if report.retry_until_seconds is not None and report.action is Action.DELAYED:
        fields.append(("Will-Retry-Until", rfc5322_date(report.retry_until_seconds)))
    return fields


def _returned_part(original: Original, *, is_utf8: bool) -> bytes:
    if original.is_whole:
        kind = "message/global" if is_utf8 else "message/rfc822"
    else:
        kind = "message/global-headers" if is_utf8 else "text/rfc822-headers"
    return f"Content-Type: {kind}\r\n".encode() + _encoding(original.returned) + _CRLF + original.returned


def _encoding(data: bytes) -> bytes:
    return b"Content-Transfer-Encoding: " + (b"7bit" if data.isascii() else b"8bit") + _CRLF


def _status(report: RecipientReport) -> str:
    if _STATUS.fullmatch(report.status):
        return report.status
    return _UNKNOWN_STATUS.get(report.action, "2.0.0")


def _field(name: str, value: str, *, is_utf8: bool) -> bytes:
    return f"{name}: {_clean(value, is_utf8=is_utf8)}\r\n".encode()


def _clean(value: str, *, is_utf8: bool) -> str:
    """One printable line that is not too long."""
    text = "".join(char if char.isprintable() and (is_utf8 or char.isascii()) else "?" for char in value)
    return text.encode()[:VALUE_LIMIT_BYTES].decode("utf-8", "ignore").strip()


def _unused(boundary: str, content: bytes) -> str:
    """A boundary that does not occur in the content: the one given, or one made of it."""
    number = 0
    while f"{boundary}.{number}".encode() in content:
        number += 1
    return f"{boundary}.{number}"
