"""Writes the mail by which the operator of a node hears of messages that a limit of size holds.

Contract: whatever stands in addresses, the mail has exactly the fields and lines written here: values are
made printable and cut.

Spec: RFC 5322; RFC 3834 section 5 (Auto-Submitted).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.message.header import rfc5322_date

VALUE_LIMIT_BYTES = 900
"""Of a line: RFC 5322 section 2.1.1 allows 998."""
INDENT = "    "


@dataclass(frozen=True, slots=True)
class HeldItem:
    """One held message.

    Args:
        queue_id: our name for it.
        sender: envelope sender.
        recipients: those for whom it is held.
        link: which link is meant, such as ``to node hub``.
        text: why it is held, one line.
    """

    queue_id: str
    sender: str
    recipients: tuple[str, ...]
    link: str
    text: str


def write_operator_mail(
    *, hostname: str, operator: str, message_id: str, date_seconds: float, items: Sequence[HeldItem]
) -> bytes:
    """Write the whole mail, with CRLF line ends.

    Args:
        hostname: our host name.
        operator: whom it is for.
        message_id: of the mail, without brackets; unique.
        date_seconds: when it is written, seconds since 1970.
        items: at least one.
    """
    lines = "".join(f"{_clean(line)}\r\n" for line in _text(hostname, items))
    is_ascii = lines.isascii()
    plural = "message is" if len(items) == 1 else "messages are"
    fields = (
        ("Date", rfc5322_date(date_seconds)),
        ("From", f"Mail Gateway <MAILER-DAEMON@{hostname}>"),
        ("To", f"<{operator}>"),
        ("Subject", f"{len(items)} {plural} held at {hostname}: too large for the link"),
        ("Message-ID", f"<{message_id}>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f"text/plain; charset={'us-ascii' if is_ascii else 'utf-8'}"),
        ("Content-Transfer-Encoding", "7bit" if is_ascii else "8bit"),
    )
    header = "".join(f"{name}: {_clean(value)}\r\n" for name, value in fields)
    return f"{header}\r\n{lines}".encode()


def _text(hostname: str, items: Sequence[HeldItem]) -> Iterator[str]:
    yield f"This is the mail gateway at {hostname}."
    yield ""
    yield "These messages are larger than is sent, or taken, on their link without asking."
    yield "They wait until you decide; if you do nothing, they expire like all mail that waits."
    for item in items:
        yield ""
        yield f"{item.queue_id}  {item.link}"
        yield f"{INDENT}from <{item.sender}>"
        yield from (f"{INDENT}to   <{recipient}>" for recipient in item.recipients)
        yield INDENT + item.text
    ids = " ".join(item.queue_id for item in items[:3]) + (" ..." if items[3:] else "")
    yield ""
    yield "What you can do:"
    yield f"{INDENT}nncp-gateway queue list --state held"
    yield f"{INDENT}nncp-gateway queue release {ids}"
    yield f"{INDENT}nncp-gateway queue move --to-node NODE {ids}"
    yield f"{INDENT}nncp-gateway queue expire {ids}    (the sender is told)"
    yield f"{INDENT}nncp-gateway queue drop {ids}    (nobody is told)"


def _clean(value: str) -> str:
    """One printable line that is not too long."""
    text = "".join(char if char.isprintable() else "?" for char in value)
    return text.encode("utf-8", "replace")[:VALUE_LIMIT_BYTES].decode("utf-8", "ignore").rstrip()
