"""Writes the mail that answers a neighbour's request about its feed of news.

Spec: RFC 5322; RFC 3834.
"""

from collections.abc import Iterator

from gateway.message.header import rfc5322_date

LINE_CHARS = 240
"""Four bytes each at most; RFC 5322 section 2.1.1 allows 998 bytes."""


def write_remote_mail(
    *, hostname: str, sender: str, recipient: str, message_id: str, date_seconds: float, answer: str
) -> bytes:
    """Write the whole mail, with CRLF line ends.

    Args:
        hostname: our host name.
        sender: mailbox that requests go to.
        recipient: whom it is for.
        message_id: of the mail, without brackets; unique.
        date_seconds: when it is written, seconds since 1970.
        answer: printable lines; what is too long for one is spread over several.
    """
    is_ascii = answer.isascii()
    fields = (
        ("Date", rfc5322_date(date_seconds)),
        ("From", f"News at {hostname} <{sender}>"),
        ("To", f"<{recipient}>"),
        ("Subject", f"Your feed of news from {hostname}"),
        ("Message-ID", f"<{message_id}>"),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f"text/plain; charset={'us-ascii' if is_ascii else 'utf-8'}"),
        ("Content-Transfer-Encoding", "7bit" if is_ascii else "8bit"),
    )
    header = "".join(f"{name}: {value}\r\n" for name, value in fields)
    lines = "".join(f"{piece}\r\n" for line in answer.splitlines() for piece in _pieces(line))
    return f"{header}\r\n{lines}".encode("utf-8", "replace")


def _pieces(line: str) -> Iterator[str]:
    yield line[:LINE_CHARS]
    yield from (line[start : start + LINE_CHARS] for start in range(LINE_CHARS, len(line), LINE_CHARS))
