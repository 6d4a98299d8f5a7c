"""Who gets a report: one table of rules. Pure.

The first rule that holds says why nobody is told; if none does, the sender is. A report always has the
null sender, so that it never causes another one. So the sender of a message that went in circles is told as
well: the report ends where it would go round itself.

Spec: RFC 3461 sections 4.1 and 6.2; RFC 3464 section 2; RFC 5321 sections 4.5.5, 6.1 and 6.3; RFC 3834
section 2.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.message.address import local_part_of
from gateway.message.envelope import Notify, RecipientOptions
from gateway.message.header import header_value
from gateway.msgqueue.reports import Event, Told

MAILER = "mailer-daemon"
TYPE_LIMIT_CHARS = 1000
SENDER_STATUSES = frozenset({"5.1.7", "5.1.8", *(f"5.7.{detail}" for detail in range(20, 28))})
"""These blame the sender's address: it is none, or whoever used it may not (RFC 3463, RFC 7372)."""

_REPORT_TYPE = re.compile(
    r"multipart/report\b.*\breport-type\s*=\s*\"?(?:delivery|disposition)-", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Case:
    """A delivery that somebody may have to be told of.

    Args:
        event: what happened.
        sender: envelope sender.
        content_type: of the message, or "".
        status: RFC 3463 status of the last outcome, or "".
        options: what the sender asked for this recipient.
    """

    event: Event
    sender: str
    content_type: str
    status: str
    options: RecipientOptions


def why_untold(case: Case) -> Told | None:
    """Why nobody is told, or None: the sender is."""
    return next((told for holds, told in RULES if holds(case)), None)


def content_type_of(head: bytes) -> str:
    """The Content-Type of a message, by its beginning; "" if it has none."""
    return header_value(head, "Content-Type", limit_chars=TYPE_LIMIT_CHARS) or ""


def _is_from_mailer(case: Case) -> bool:
    sender = case.sender.lower()
    return (local_part_of(sender) if "@" in sender else sender) == MAILER


def _is_unwanted(case: Case) -> bool:
    return not case.options.is_wanted(_ASKED[case.event])


_ASKED = {Event.FAILED: Notify.FAILURE, Event.DELAYED: Notify.DELAY, Event.SUCCEEDED: Notify.SUCCESS}

RULES: tuple[tuple[Callable[[Case], bool], Told], ...] = (
    (lambda case: not case.sender, Told.NULL_SENDER),
    (_is_from_mailer, Told.IS_REPORT),
    (lambda case: _REPORT_TYPE.search(case.content_type) is not None, Told.IS_REPORT),
    (lambda case: case.status in SENDER_STATUSES, Told.SENDER_REFUSED),
    (_is_unwanted, Told.UNWANTED),
)
"""In the order in which they are asked."""
