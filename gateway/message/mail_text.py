"""Reads a mail that is for a program: its first plain text, and whether a person wrote it.

Contract: no more than ``TEXT_LIMIT_BYTES`` is looked at, and no more than ``DEPTH_LIMIT_COUNT`` parts within
parts, whatever the mail holds. Bytes that fit no charset are shown as question marks.

Spec: RFC 2045; RFC 2046 section 5.1; RFC 3834 section 2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message

TEXT_LIMIT_BYTES = 64 << 10
DEPTH_LIMIT_COUNT = 3
PARTS_LIMIT_COUNT = 10
BOUNDARY_LIMIT_CHARS = 70
"""RFC 2046 section 5.1.1."""
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class MailText:
    """What was read.

    Args:
        text: of the first part that is plain text; "": there is none.
        is_automatic: a program wrote it: it must not be answered.
    """

    text: str
    is_automatic: bool


def read_mail_text(content: bytes) -> MailText:
    """Read a mail.

    Args:
        content: as much of it as there is, any line ends.
    """
    header, body = _split(content[:TEXT_LIMIT_BYTES])
    return MailText(next(_texts(header, body, DEPTH_LIMIT_COUNT), ""), _is_automatic(header))


def _is_automatic(header: "Message[str, str]") -> bool:
    marks = [str(value).partition(";")[0].strip().lower() for value in header.get_all("Auto-Submitted", [])]
    precedence = str(header.get("Precedence", "")).strip().lower()
    return any(mark != "no" for mark in marks) or precedence in {"bulk", "list", "junk"}


def _split(data: bytes) -> tuple["Message[str, str]", bytes]:
    end = _END_OF_HEADER.search(data)
    head = data if end is None else data[: end.start()]
    body = b"" if end is None else data[end.end() :]
    return message_from_bytes(head + b"\n\n", policy=policy.compat32), body


def _texts(header: "Message[str, str]", body: bytes, depth: int) -> Iterator[str]:
    if header.get_content_maintype() == "multipart":
        if depth > 0:
            for part in _parts(header, body):
                yield from _texts(*_split(part), depth - 1)
        return
    if header.get_content_type() == "text/plain":
        header.set_payload(body.decode("ascii", "surrogateescape"))
        yield _decoded(header)


def _parts(header: "Message[str, str]", body: bytes) -> list[bytes]:
    boundary = header.get_boundary("") or ""
    if not 0 < len(boundary) <= BOUNDARY_LIMIT_CHARS:
        return []
    mark = re.escape(boundary.encode("utf-8", "replace"))
    parts = re.split(rb"(?:^|\r?\n)--" + mark + rb"(?:--)?[ \t]*(?:\r?\n|\Z)", body)
    return parts[1 : 1 + PARTS_LIMIT_COUNT]


def _decoded(header: "Message[str, str]") -> str:
    payload = header.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(str(header.get_param("charset", "utf-8")), "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
