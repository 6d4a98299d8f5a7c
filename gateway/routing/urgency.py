"""How urgent a message is, as its sender says.

What the sender's program said in the envelope (MT-PRIORITY) decides, if it said anything. Else the header
does: ``Priority`` (``urgent``, ``normal``, ``non-urgent``) and ``Precedence`` (``bulk``, ``junk``, ``list``,
``special-delivery``). Of two that disagree the less urgent one counts: a list's copy of an urgent mail is a
list's copy. ``X-Priority`` and ``Importance`` are for the reader of a mail and say nothing about its way.

Spec: RFC 6710 section 5; RFC 2156 section 5.3.6 (Priority); RFC 2076 section 3.9 (Precedence).
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from gateway.message.header import header_section_end, header_value


class Urgency(StrEnum):
    """Which mail goes first."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"
    """May wait: lists, mass mailings, what its sender is in no hurry with."""


_PRIORITY: Mapping[str, Urgency] = {"urgent": Urgency.URGENT, "non-urgent": Urgency.BULK}
_PRECEDENCE: Mapping[str, Urgency] = {
    "special-delivery": Urgency.URGENT,
    "list": Urgency.BULK,
    "bulk": Urgency.BULK,
    "junk": Urgency.BULK,
}
_ANY_OF_THEM = re.compile(rb"^P(?:riority|recedence)[ \t]*:", re.IGNORECASE | re.MULTILINE)


def urgency_of(priority: int | None, head: bytes) -> Urgency:
    """How urgent a message is.

    Args:
        priority: of MT-PRIORITY, -9 to 9, or None: not said.
        head: the beginning of the message, or its header section.
    """
    if priority is not None:
        return _by_number(priority)
    if _ANY_OF_THEM.search(head, 0, header_section_end(head)) is None:
        # As most mail is: one look at the header and not two.
        return Urgency.NORMAL
    said = {
        words.get((header_value(head, name) or "").strip().lower(), Urgency.NORMAL)
        for name, words in (("Priority", _PRIORITY), ("Precedence", _PRECEDENCE))
    }
    if Urgency.BULK in said:
        return Urgency.BULK
    return Urgency.URGENT if Urgency.URGENT in said else Urgency.NORMAL


def _by_number(priority: int) -> Urgency:
    if priority == 0:
        return Urgency.NORMAL
    return Urgency.URGENT if priority > 0 else Urgency.BULK
