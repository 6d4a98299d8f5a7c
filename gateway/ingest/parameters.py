"""Parameters of MAIL: SIZE, BODY and SMTPUTF8.

Spec: RFC 5321 section 4.1.2; RFC 1870 (SIZE); RFC 6152 (BODY); RFC 6531 (SMTPUTF8).
"""

import re
from dataclasses import dataclass

from gateway.ingest.reply import Reply
from gateway.message.address import shown

_SIZE = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL said beside the sender.

    Args:
        size_bytes: the size the client declared, or 0.
        is_8bit: ``BODY=8BITMIME``.
        is_smtputf8: ``SMTPUTF8``.
    """

    size_bytes: int = 0
    is_8bit: bool = False
    is_smtputf8: bool = False


_NONE = MailParameters()
_PLAIN_SIZE = re.compile(rb"SIZE=([0-9]{1,20})")


def parse_mail_parameters(raw: bytes) -> MailParameters | Reply:
    """Read the parameters behind the path; a fault is the answer to give."""
    if not raw:
        return _NONE
    if match := _PLAIN_SIZE.fullmatch(raw):
        return MailParameters(int(match[1]))
    found: dict[str, str] = {}
    for word in raw.decode("utf-8", "backslashreplace").split():
        key, equals, value = word.upper().partition("=")
        if key in found:
            return Reply(501, "5.5.4", f"parameter {shown(key)} is given twice")
        fault = _fault(key, value, has_value=bool(equals))
        if fault is not None:
            return fault
        found[key] = value
    return MailParameters(int(found.get("SIZE", "0")), found.get("BODY") == "8BITMIME", "SMTPUTF8" in found)


def _fault(key: str, value: str, *, has_value: bool) -> Reply | None:
    match key:
        case "SIZE":
            is_valid, allowed = _SIZE.fullmatch(value) is not None, "SIZE=number of bytes"
        case "BODY":
            is_valid, allowed = value in {"7BIT", "8BITMIME"}, "BODY=7BIT or BODY=8BITMIME"
        case "SMTPUTF8":
            is_valid, allowed = not has_value, "SMTPUTF8 without a value"
        case _:
            return Reply(555, "5.5.4", f"parameter {shown(key)} is not known here")
    return None if is_valid else Reply(501, "5.5.4", f"allowed: {allowed}")
