"""The body and the arguments of a packet to the handle ``sendmail``: one message a packet.

The body is what Postfix's ``pipe`` with ``flags=R`` hands to ``nncp-exec``: a line
``Return-Path: <sender>``, then the message, all with LF. The recipients are the handle's
arguments; handle and arguments share one field of 255 bytes, so a message for many recipients takes
several packets.

Spec: NNCP 8 manual, Postfix integration; Plain packet (the path field).
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from gateway.errors import BadAddress, BadBatch
from gateway.message.address import POSTMASTER, SENDER_STATUS, check_mailbox, shown
from gateway.message.lines import LF, lf_chunks

EXEC_PATH_LIMIT_BYTES = 255
"""The path field of a plain packet: handle and arguments with a NUL between."""
RETURN_PATH_LIMIT_BYTES = 1000
"""Longest first line: RFC 5321 section 4.5.3.1.6 sets it for a line of text, with its end."""

_RETURN_PATH = re.compile(rb"Return-Path:[ \t]*<([^\r\n\0]*)>[ \t]*\r?\n", re.IGNORECASE)
_POSTFIX_NULL_SENDER = "mailer-daemon"
"""What Postfix writes for the null sender, unless its transport says ``null_sender=``."""
_HOW = "the sending side writes it (Postfix pipe: flags=R; Exim pipe: return_path_add)"


def write_sendmail_body(sender: str, content: Iterable[bytes]) -> Iterator[bytes]:
    """Write the body of a packet for one message.

    Args:
        sender: address, or empty for the null sender.
        content: the message with CRLF line ends, in chunks of any size.

    Raises:
        BadAddress: the sender is not an address.
        MessageError: a bare CR, a bare LF or a NUL in the content, or no line end after the last line.
    """
    if sender:
        check_mailbox(sender, is_utf8_allowed=True)
    yield f"Return-Path: <{sender}>\n".encode()
    last = LF
    for piece in lf_chunks(content):
        yield piece
        last = piece[-1:]
    if last != LF:
        yield LF


def split_return_path(first: bytes) -> tuple[str, bytes]:
    """Take the sender from the front of a body.

    Args:
        first: the beginning of the body, with its whole first line (``RETURN_PATH_LIMIT_BYTES`` suffice).

    Returns:
        The sender (empty for the null sender, also as Postfix spells it) and what follows the line.

    Raises:
        BadBatch: the first line is not a Return-Path.
        BadAddress: it holds no address.
    """
    match = _RETURN_PATH.match(first[:RETURN_PATH_LIMIT_BYTES])
    if match is None:
        line = first[:RETURN_PATH_LIMIT_BYTES].partition(LF)[0]
        raise BadBatch(f"the body begins with {shown(line)}, not with Return-Path: <sender>; {_HOW}")
    try:
        sender = match[1].decode("utf-8")
    except UnicodeDecodeError:
        raise BadAddress(f"Return-Path {shown(match[1])} is not UTF-8", status=SENDER_STATUS) from None
    if sender.lower() == _POSTFIX_NULL_SENDER:
        sender = ""
    if sender:
        try:
            check_mailbox(sender, is_utf8_allowed=True)
        except BadAddress as error:
            raise BadAddress(f"Return-Path: {error}", status=SENDER_STATUS) from None
    return sender, first[match.end() :]


def split_recipients(
    handle: bytes, recipients: Sequence[str], *, limit_bytes: int = EXEC_PATH_LIMIT_BYTES
) -> list[tuple[str, ...]]:
    """Share the recipients of one message out over packets, in their order.

    Args:
        handle: name of the handle, with fixed arguments if it has any, joined by NUL.
        recipients: arguments to put behind it.
        limit_bytes: what handle, arguments and the NULs between them may take.

    Returns:
        The recipients of each packet; no entry is empty.

    Raises:
        BadAddress: a recipient alone does not fit, or is not an address.
    """
    groups: list[tuple[str, ...]] = []
    group: list[str] = []
    used_bytes = len(handle)
    for recipient in recipients:
        if recipient.lower() != POSTMASTER:
            check_mailbox(recipient, is_utf8_allowed=True)
        size_bytes = 1 + len(recipient.encode("utf-8"))
        if len(handle) + size_bytes > limit_bytes:
            room_bytes = max(limit_bytes - len(handle) - 1, 0)
            text = f"recipient {shown(recipient)} does not fit in a packet: handle {shown(handle)} leaves"
            raise BadAddress(f"{text} {room_bytes} of {limit_bytes} bytes")
        if group and used_bytes + size_bytes > limit_bytes:
            groups.append(tuple(group))
            group, used_bytes = [], len(handle)
        group.append(recipient)
        used_bytes += size_bytes
    if group:
        groups.append(tuple(group))
    return groups
