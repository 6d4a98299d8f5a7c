"""Parameters of MAIL and RCPT: what a client may say behind an address.

SIZE, BODY and SMTPUTF8 are read here, what the sender asks for (reports, priority, a deadline) by
``gateway.message.esmtp``. A fault is a value: the answer to give.

Spec: RFC 5321 section 4.1.2; RFC 1870 (SIZE); RFC 6152 (BODY); RFC 6531 (SMTPUTF8); RFC 4954 (AUTH).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.ingest.reply import Reply
from gateway.message.address import shown
from gateway.message.envelope import MailOptions, RecipientOptions
from gateway.message.esmtp import BadParameter, with_mail_option, with_recipient_option

_SIZE = re.compile(r"[0-9]{1,20}")
_NO_MAIL_OPTIONS = MailOptions()
_NO_RECIPIENT_OPTIONS = RecipientOptions()
_PLAIN_SIZE = re.compile(rb"SIZE=([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL said beside the sender.

    Args:
        size_bytes: the size the client declared, or 0.
        is_8bit: ``BODY=8BITMIME``.
        is_smtputf8: ``SMTPUTF8``.
        options: what the sender asks for.
    """

    size_bytes: int = 0
    is_8bit: bool = False
    is_smtputf8: bool = False
    options: MailOptions = _NO_MAIL_OPTIONS


_NONE = MailParameters()


def parse_mail_parameters(raw: bytes, *, is_auth_known: bool = False) -> MailParameters | Reply:
    """Read the parameters behind the path of MAIL.

    Args:
        raw: behind the path.
        is_auth_known: AUTH was offered, so that the client may name who it was submitted by; that is
            passed over.
    """
    if not raw:
        return _NONE
    if match := _PLAIN_SIZE.fullmatch(raw):
        return MailParameters(int(match[1]))
    found, seen = _NONE, set()
    for keyword, value in _words(raw):
        if keyword in seen:
            return Reply(501, "5.5.4", f"parameter {shown(keyword)} is given twice")
        seen.add(keyword)
        try:
            taken = _take(found, keyword, value)
        except BadParameter as error:
            return Reply(501, error.status, str(error))
        if taken is None and not (keyword == "AUTH" and is_auth_known):
            return _unknown(keyword)
        found = taken or found
    return found


def parse_rcpt_parameters(raw: bytes, *, is_utf8_allowed: bool) -> RecipientOptions | Reply:
    """Read the parameters behind the path of RCPT.

    Args:
        raw: behind the path.
        is_utf8_allowed: the message was declared SMTPUTF8.
    """
    options = _NO_RECIPIENT_OPTIONS
    for keyword, value in _words(raw):
        try:
            more = with_recipient_option(options, keyword, value or "", is_utf8_allowed=is_utf8_allowed)
        except BadParameter as error:
            return Reply(501, error.status, str(error))
        if more is None:
            return _unknown(keyword)
        options = more
    return options


def _words(raw: bytes) -> Iterator[tuple[str, str | None]]:
    for word in filter(None, raw.decode("utf-8", "surrogateescape").split(" ")):
        keyword, equals, value = word.partition("=")
        yield keyword.upper(), value if equals else None


def _take(found: MailParameters, keyword: str, value: str | None) -> MailParameters | None:
    """What was found with one more parameter; None: it is not known."""
    if keyword in _OWN:
        return _OWN[keyword](found, value)
    options = with_mail_option(found.options, keyword, value or "")
    return None if options is None else replace(found, options=options)


def _size(found: MailParameters, value: str | None) -> MailParameters:
    if value is None or not _SIZE.fullmatch(value):
        raise BadParameter("allowed: SIZE=number of bytes")
    return replace(found, size_bytes=int(value))


def _body(found: MailParameters, value: str | None) -> MailParameters:
    if value is None or value.upper() not in {"7BIT", "8BITMIME"}:
        raise BadParameter("allowed: BODY=7BIT or BODY=8BITMIME")
    return replace(found, is_8bit=value.upper() == "8BITMIME")


def _smtputf8(found: MailParameters, value: str | None) -> MailParameters:
    if value is not None:
        raise BadParameter("allowed: SMTPUTF8 without a value")
    return replace(found, is_smtputf8=True)


def _unknown(keyword: str) -> Reply:
    return Reply(555, "5.5.4", f"parameter {shown(keyword)} is not known here")


_OWN: Mapping[str, Callable[[MailParameters, str | None], MailParameters]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
}
