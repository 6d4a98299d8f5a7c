"""The header section: the trace field we add in front of a message, and the little we read of it.

Contract: whatever a client said in its greeting, ``received_line`` is one well-formed header field.
The functions that read work on the header section alone and never change a byte.

Spec: RFC 5321 section 4.4; RFC 5322 sections 2.2 and 3.6.7.
"""

import functools
import ipaddress
import re
from datetime import datetime, timedelta, timezone

from gateway.message.address import is_domain

SHOWN_VALUE_CHARS = 200
SHOWN_GREETING_CHARS = 100

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UTF8_PROTOCOL = "UTF8"
"""Begins the protocol names under which a header may hold UTF-8: RFC 6531 section 3.7.3."""

_NODE = "NNCP node"
_NOT_IN_WORD = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_RECEIVED = re.compile(rb"^Received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")


def received_line(  # noqa: PLR0913 -- the clauses of the field, each by its name
    *,
    from_helo: str,
    from_ip: str,
    by: str,
    protocol: str,
    queue_id: str,
    for_recipient: str | None,
    unix_seconds: float,
    utc_offset_seconds: int = 0,
    node: str = "",
) -> bytes:
    """Write the Received field for a message that we take.

    Args:
        from_helo: what the client called itself; what is no host name goes into a comment, made
            harmless. Empty for a message that came from a local program.
        from_ip: the client's address; empty as above.
        by: our host name.
        protocol: ``SMTP``, ``ESMTP``, ``ESMTPSA``, ``LMTP``, ``UTF8SMTP`` ... (RFC 3848, RFC 6531).
        queue_id: our name for the message.
        for_recipient: the recipient if there is exactly one, else None, since recipients need not
            know of each other.
        unix_seconds: when we took it.
        utc_offset_seconds: local time minus UTC.
        node: what our node is called, for ``node_hop_count``; "": it is not said.

    Returns:
        The field with its CRLF, folded.

    Spec: RFC 5321 section 4.4; RFC 5322 section 3.6.7.
    """
    origin = _origin(from_helo, from_ip)
    receipt = f"by {_word(by)} with {_word(protocol)} id {_word(queue_id)}"
    if node:
        receipt += f"\r\n\t({_NODE} {_word(node)})"
    if for_recipient and (for_recipient.isascii() or protocol.startswith(_UTF8_PROTOCOL)):
        receipt += f"\r\n\tfor <{for_recipient}>"
    date = rfc5322_date(unix_seconds, utc_offset_seconds)
    first = f"Received: {origin}\r\n\t" if origin else "Received: "
    return f"{first}{receipt};\r\n\t{date}\r\n".encode()


def missing_fields(header: bytes, message_id: str, unix_seconds: float, utc_offset_seconds: int = 0) -> bytes:
    """Write the fields that a message needs and that its header section has not, for its front.

    Args:
        header: the whole header section.
        message_id: for a Message-ID field, without brackets.
        unix_seconds: for a Date field.
        utc_offset_seconds: local time minus UTC.

    Spec: RFC 6409 sections 8.2 and 8.3; RFC 5322 section 3.6.
    """
    added = b""
    if header_value(header, "Date") is None:
        added += f"Date: {rfc5322_date(unix_seconds, utc_offset_seconds)}\r\n".encode("ascii")
    if header_value(header, "Message-ID") is None:
        added += f"Message-ID: <{message_id}>\r\n".encode("ascii")
    return added


def rfc5322_date(unix_seconds: float, utc_offset_seconds: int = 0) -> str:
    """Write a time as header fields have it, such as ``Sat, 01 Jan 2000 00:00:00 +0000``.

    Args:
        unix_seconds: the time, 0 = 1970; fractions are cut.
        utc_offset_seconds: local time minus UTC; written in whole minutes.

    Spec: RFC 5322 section 3.3.
    """
    return _date(int(unix_seconds), utc_offset_seconds // 60)


def hop_count(header: bytes) -> int:
    """How often a message was received, by the Received fields of its header section."""
    return len(_RECEIVED.findall(header))


def node_hop_count(header: bytes, node: str) -> int:
    """How often a message came to a node from neighbours, by the name it has in their Received fields."""
    return len(_node_field(node).findall(header))


def header_section_end(data: bytes) -> int:
    """Offset behind the last header field: of the empty line, or the end if there is none.

    Args:
        data: the beginning of a message, with CRLF or LF line ends.
    """
    if data.startswith((b"\r\n", b"\n")):
        return 0
    crlf = data.find(b"\r\n\r\n")
    lf = data.find(b"\n\n", 0, crlf if crlf >= 0 else len(data))
    if lf >= 0:
        return lf + 1
    return crlf + 2 if crlf >= 0 else len(data)


def header_value(data: bytes, name: str, *, limit_chars: int = SHOWN_VALUE_CHARS) -> str | None:
    """The first field of a name, made fit for a log line: unfolded, printable, cut.

    Args:
        data: the beginning of a message, or its header section.
        name: of the field, in any case.
        limit_chars: longest text returned.

    Returns:
        The text, or None if there is no such field.
    """
    match = _field(name).search(data, 0, header_section_end(data))
    if match is None:
        return None
    raw = _FOLD.sub(b"", match[1])[: 4 * limit_chars]
    text = raw.decode("utf-8", "replace").strip()[:limit_chars]
    return "".join(char if char.isprintable() else "?" for char in text)


@functools.lru_cache(maxsize=4)
def _node_field(node: str) -> re.Pattern[bytes]:
    field = rb"^Received[ \t]*:(?:[^\r\n]|\r?\n[ \t]){0,2000}?"
    return re.compile(field + re.escape(f"({_NODE} {_word(node)})".encode()), re.IGNORECASE | re.MULTILINE)


@functools.lru_cache(maxsize=64)
def _field(name: str) -> re.Pattern[bytes]:
    # Lines of one field beyond these are of no use in a log, and a hostile header has millions.
    body = rb"([^\r\n]*(?:\r?\n[ \t][^\r\n]*){0,50})"
    return re.compile(
        rb"^" + re.escape(name.encode("ascii")) + rb"[ \t]*:" + body, re.IGNORECASE | re.MULTILINE
    )


@functools.lru_cache(maxsize=1024)
def _origin(from_helo: str, from_ip: str) -> str:
    literal = _literal(from_ip)
    info = f" ({literal})" if literal else ""
    if is_domain(from_helo):
        return f"from {from_helo}{info}"
    comment = f" (HELO {_word(from_helo)})" if from_helo else ""
    return f"from {literal or 'unknown'}{info}{comment}" if literal or comment else ""


def _literal(ip_text: str) -> str:
    try:
        ip = ipaddress.ip_address(ip_text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv4Address):
        return f"[{ip}]"
    return f"[{ip.ipv4_mapped}]" if ip.ipv4_mapped else f"[IPv6:{ip}]"


def _word(text: str) -> str:
    return _NOT_IN_WORD.sub("?", text[:SHOWN_GREETING_CHARS]) or "?"


@functools.lru_cache(maxsize=16)
def _date(unix_seconds: int, utc_offset_minutes: int) -> str:
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    moment = datetime.fromtimestamp(unix_seconds, zone)
    sign = "-" if utc_offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(utc_offset_minutes), 60)
    # Names of our own: those of strftime follow the locale.
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S} {sign}{hours:02}{minutes:02}"
