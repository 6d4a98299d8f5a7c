"""Parameters of MAIL and RCPT that a sender asks reports, priority and deadlines with: read and written.

RET, ENVID, NOTIFY and ORCPT (DSN), MT-PRIORITY, and BY (DELIVERBY). They are kept as they came, so that they
travel on unchanged; ``decode_xtext`` says what they mean.

Contract: what was accepted here holds no control character, encoded or not, so it can stand in a
report's header field once it is decoded.

Spec: RFC 3461 section 4; RFC 6533 section 3 (ORCPT in UTF-8); RFC 6710 section 4; RFC 2852 section 4.
"""

import math
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from gateway.errors import MessageError
from gateway.message.address import shown
from gateway.message.envelope import (
    DeliverBy,
    LateAction,
    MailOptions,
    Notify,
    RecipientOptions,
    Return,
)

ALL_EXTENSIONS = frozenset({"DSN", "MT-PRIORITY", "DELIVERBY"})
"""The extensions these parameters belong to, as EHLO names them."""
ENVID_LIMIT_CHARS = 100
ORCPT_LIMIT_CHARS = 500
PRIORITY_LIMIT = 9
DELIVER_BY_LIMIT_SECONDS = 999_999_999

_PRINTABLE_HEX = r"\+(?:[2-6][0-9A-F]|7[0-9A-E])"
_XTEXT = re.compile(rf"(?:[!-*,-<>-~]|{_PRINTABLE_HEX})+")
_UTF8_XTEXT = re.compile(rf"(?:[!-*,-<>-~\u00a1-\U0010ffff]|{_PRINTABLE_HEX})+")
_NOT_IN_XTEXT = re.compile(r"[ +=]")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~-]+")
"""The type of an address, without the two characters that xtext would encode."""
_PRIORITY = re.compile(r"0|-?[1-9]")
_DELIVER_BY = re.compile(r"([+-]?[0-9]{1,9});([RN])(T?)", re.IGNORECASE)


class BadParameter(MessageError):
    """A parameter that is known, with a value it can't have."""

    status = "5.5.4"


def with_mail_option(options: MailOptions, keyword: str, value: str) -> MailOptions | None:
    """Add a parameter of MAIL.

    Args:
        options: so far.
        keyword: in upper case.
        value: what stands behind ``=``, or "".

    Returns:
        The options with it; None if the keyword is none of those read here.

    Raises:
        BadParameter: it is given twice, or its value can't be.
    """
    if keyword not in _MAIL:
        return None
    given, add = _MAIL[keyword]
    if given(options) is not None:
        raise BadParameter(f"{keyword} is given twice")
    return add(options, value)


def with_recipient_option(
    options: RecipientOptions, keyword: str, value: str, *, is_utf8_allowed: bool
) -> RecipientOptions | None:
    """Add a parameter of RCPT; as ``with_mail_option``.

    Args:
        options: so far.
        keyword: in upper case.
        value: what stands behind ``=``, or "".
        is_utf8_allowed: the message was declared SMTPUTF8, so that ORCPT may hold UTF-8.

    Raises:
        BadParameter: it is given twice, or its value can't be.
    """
    if keyword not in {"NOTIFY", "ORCPT"}:
        return None
    if options.notify if keyword == "NOTIFY" else options.orcpt:
        raise BadParameter(f"{keyword} is given twice")
    if keyword == "NOTIFY":
        return replace(options, notify=_notify(value))
    return replace(options, orcpt=_orcpt(value, is_utf8_allowed=is_utf8_allowed))


def mail_words(options: MailOptions, extensions: Container[str]) -> str:
    """The options as parameters of MAIL, a blank in front of each.

    A deadline that has passed can't be written with RETURN: a second is left then, and whoever reads it
    returns the message.

    Args:
        options: to write.
        extensions: what the receiver offers, of ``DSN``, ``MT-PRIORITY`` and ``DELIVERBY``.
    """
    words = ""
    if "DSN" in extensions:
        words += "" if options.ret is None else f" RET={options.ret}"
        words += "" if options.envid is None else f" ENVID={options.envid}"
    if options.priority is not None and "MT-PRIORITY" in extensions:
        words += f" MT-PRIORITY={options.priority}"
    if options.deliver_by is not None and "DELIVERBY" in extensions:
        words += f" BY={_by_value(options.deliver_by)}"
    return words


def recipient_words(options: RecipientOptions, extensions: Container[str]) -> str:
    """The options as parameters of RCPT, a blank in front of each; none without ``DSN``."""
    if "DSN" not in extensions:
        return ""
    words = f" NOTIFY={notify_text(options.notify)}" if options.notify else ""
    return words if options.orcpt is None else f"{words} ORCPT={options.orcpt}"


def notify_text(notify: frozenset[Notify]) -> str:
    """The value of NOTIFY, always in the same order."""
    return ",".join(event for event in Notify if event in notify) if notify else ""


def notify_of(text: str) -> frozenset[Notify]:
    """What ``notify_text`` wrote."""
    return frozenset(map(Notify, text.split(","))) if text else frozenset()


def decode_xtext(text: str) -> str:
    """What an accepted ENVID, or the address of an ORCPT, means.

    Spec: RFC 3461 section 4.
    """
    return _HEX.sub(lambda match: chr(int(match[1], 16)), text)


def encode_xtext(text: str) -> str:
    """Printable ASCII as xtext, such as for an ENVID; anything else stays, for the reader to refuse."""
    return _NOT_IN_XTEXT.sub(lambda match: f"+{ord(match[0]):02X}", text)


def _envid(value: str) -> str:
    _check(value, ENVID_LIMIT_CHARS, _XTEXT, "ENVID")
    return value


def _ret(value: str) -> Return:
    try:
        return Return(value.upper())
    except ValueError:
        raise BadParameter("allowed: RET=FULL or RET=HDRS") from None


def _notify(value: str) -> frozenset[Notify]:
    try:
        notify = frozenset(map(Notify, value.upper().split(",")))
    except ValueError:
        notify = frozenset()
    if not notify or (Notify.NEVER in notify and len(notify) > 1):
        raise BadParameter("allowed: NOTIFY=NEVER, or one or more of SUCCESS,FAILURE,DELAY")
    return notify


def _orcpt(value: str, *, is_utf8_allowed: bool) -> str:
    kind, _, address = value.partition(";")
    if not _ATOM.fullmatch(kind):
        raise BadParameter(f"allowed: ORCPT=TYPE;address such as rfc822;bob@b.example, not {shown(value)}")
    is_unicode = is_utf8_allowed and kind.lower() == "utf-8"
    _check(address, ORCPT_LIMIT_CHARS - len(kind) - 1, _UTF8_XTEXT if is_unicode else _XTEXT, "ORCPT")
    return value


def _check(value: str, limit_chars: int, pattern: re.Pattern[str], keyword: str) -> None:
    if len(value) > limit_chars:
        raise BadParameter(f"the value of {keyword} is too long")
    if not pattern.fullmatch(value) or not value.isprintable():
        raise BadParameter(f"the value of {keyword} is no xtext of printable characters: {shown(value)}")


def _priority(value: str) -> int:
    if not _PRIORITY.fullmatch(value):
        raise BadParameter(f"allowed: MT-PRIORITY=number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}")
    return int(value)


def _deliver_by(value: str) -> DeliverBy:
    match = _DELIVER_BY.fullmatch(value)
    if match is None:
        raise BadParameter("allowed: BY=seconds;R or BY=seconds;N, with a T behind for a trace")
    seconds, action = int(match[1]), LateAction(match[2].upper())
    if action is LateAction.RETURN and seconds <= 0:
        raise BadParameter("allowed: BY=seconds;R with more than 0 seconds")
    return DeliverBy(seconds, action, is_traced=bool(match[3]))


def _by_value(deliver_by: DeliverBy) -> str:
    lowest = 1 if deliver_by.action is LateAction.RETURN else -DELIVER_BY_LIMIT_SECONDS
    seconds = min(max(math.floor(deliver_by.seconds), lowest), DELIVER_BY_LIMIT_SECONDS)
    return f"{seconds};{deliver_by.action}{'T' * deliver_by.is_traced}"


_MAIL: Mapping[str, tuple[Callable[[MailOptions], object], Callable[[MailOptions, str], MailOptions]]] = {
    "ENVID": (lambda options: options.envid, lambda options, value: replace(options, envid=_envid(value))),
    "RET": (lambda options: options.ret, lambda options, value: replace(options, ret=_ret(value))),
    "MT-PRIORITY": (
        lambda options: options.priority,
        lambda options, value: replace(options, priority=_priority(value)),
    ),
    "BY": (
        lambda options: options.deliver_by,
        lambda options, value: replace(options, deliver_by=_deliver_by(value)),
    ),
}
"""What each parameter of MAIL is kept as, and how it is added."""
