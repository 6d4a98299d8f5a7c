r"""Addresses of an SMTP envelope: the strict grammar of RFC 5321, with the UTF-8 of RFC 6531.

Contract: an address that passed holds no control character, so it can stand in an SMTP command,
a header field or a log line as it is. It may still begin with a dash, since that is legal:
whoever puts one on a command line asks ``is_option_like`` first.

Where this differs from the letter of the RFC, and why:

- A local part may be longer than 64 octets. The RFC names the size every host must at least
  take, and mailing lists that encode the recipient in the sender do pass it. The limit of a
  whole path, 256 octets with its brackets, holds.
- A label of a domain may hold an underscore: there are hosts named so, and Postfix takes them. Exim
  does not; see ``has_common_domain``.
- ``[TAG:...]`` literals other than ``IPv6`` are refused: no other tag was ever registered.
"""

import ipaddress
import re

from gateway.errors import BadAddress

PATH_LIMIT_BYTES = 256
"""RFC 5321 section 4.5.3.1.3, with the two brackets."""
MAILBOX_LIMIT_BYTES = PATH_LIMIT_BYTES - 2
DOMAIN_LIMIT_BYTES = 255
POSTMASTER = "postmaster"

SENDER_STATUS = "5.1.7"
RECIPIENT_STATUS = "5.1.3"
NON_ASCII_STATUS = "5.6.7"

_SHOWN_CHARS = 120
_NOT_ASCII = r"\u00a0-\U0010ffff"
"""What RFC 6531 adds to atoms; what must not appear among it is refused by _FORBIDDEN first."""
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, line and paragraph separators, marks that reorder text on a screen, lone surrogates."""
_FORBIDDEN_IN_DOMAIN = re.compile(r"[\s\u3002\uff0e\uff61]")
"""Spaces, and the characters that some resolvers read as a dot."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_ASCII_LOCAL = rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*"
_ASCII_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?"
_ASCII_DOMAIN = rf"{_ASCII_LABEL}(?:\.{_ASCII_LABEL})*"
_UTF8_LABEL = rf"[A-Za-z0-9_{_NOT_ASCII}](?:[A-Za-z0-9_\-{_NOT_ASCII}]{{0,61}}[A-Za-z0-9_{_NOT_ASCII}])?"

_PLAIN_MAILBOX = re.compile(rf"{_ASCII_LOCAL}@{_ASCII_DOMAIN}")
_PLAIN_PATH = re.compile(rf" *<({_ASCII_LOCAL}@{_ASCII_DOMAIN})>(?: ++([ -~]*))?".encode("ascii"))
_PATH = re.compile(r' *<(@[^:<>"]*:)?((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>(?: ++(.*))?', re.DOTALL)
_SOURCE_ROUTE = re.compile(rf"@{_UTF8_LABEL}(?:\.{_UTF8_LABEL})*(?:,@{_UTF8_LABEL}(?:\.{_UTF8_LABEL})*)*:")
_DOT_STRING = re.compile(rf"[{_ATEXT}{_NOT_ASCII}]+(?:\.[{_ATEXT}{_NOT_ASCII}]+)*")
_QUOTED_STRING = re.compile(rf'"(?:[ !#-\[\]-~{_NOT_ASCII}]|\\[ -~])*"')
_DOMAIN = re.compile(rf"{_UTF8_LABEL}(?:\.{_UTF8_LABEL})*")
_COMMON_DOMAIN = re.compile(r"@[A-Za-z0-9.\-]+\Z")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def parse_path(raw: bytes, *, is_utf8_allowed: bool, is_recipient: bool = False) -> tuple[str, bytes]:
    """Read what follows ``MAIL FROM:`` or ``RCPT TO:``.

    A source route is accepted and dropped; spaces in front are accepted, as every server does;
    an address without angle brackets is refused.

    Args:
        raw: the command from behind the colon to before its line end.
        is_utf8_allowed: whether an address may hold UTF-8 (RFC 6531).
        is_recipient: refuse the null path ``<>``, accept ``<postmaster>`` without a domain.

    Returns:
        The address without brackets (empty for the null path), and the parameters, if any.

    Raises:
        BadAddress: status 5.1.7 for a sender, 5.1.3 for a recipient, 5.6.7 where UTF-8 is not allowed.

    Spec: RFC 5321 sections 4.1.1.3, 4.1.2 and appendix C; RFC 6531 section 3.3.
    """
    if (plain := _PLAIN_PATH.fullmatch(raw)) and plain.end(1) - plain.start(1) <= MAILBOX_LIMIT_BYTES:
        return plain[1].decode("ascii"), plain[2] or b""
    status = RECIPIENT_STATUS if is_recipient else SENDER_STATUS
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadAddress(f"address {shown(raw)} is not UTF-8", status=status) from None
    if _FORBIDDEN.search(text):
        raise BadAddress(f"address {shown(raw)} holds a control character", status=status)
    match = _PATH.fullmatch(text)
    if match is None:
        raise BadAddress(f"{shown(raw)} is not an address in angle brackets", status=status)
    route, mailbox, parameters = match[1], match[2], (match[3] or "").encode("utf-8")
    if route and not _SOURCE_ROUTE.fullmatch(route):
        raise BadAddress(f"source route {shown(route)} is not @domain,@domain:", status=status)
    if not mailbox and not route and not is_recipient:
        return "", parameters
    if is_recipient and mailbox.lower() == POSTMASTER:
        return mailbox, parameters
    _check(mailbox, is_utf8_allowed=is_utf8_allowed, status=status)
    return mailbox, parameters


def check_mailbox(text: str, *, is_utf8_allowed: bool) -> None:
    """Check an address without angle brackets; neither the null sender nor a bare ``postmaster`` passes.

    Raises:
        BadAddress: the text names what is wrong with it.

    Spec: RFC 5321 section 4.1.2; RFC 6531 section 3.3.
    """
    if _PLAIN_MAILBOX.fullmatch(text) and len(text) <= MAILBOX_LIMIT_BYTES:
        return
    _check(text, is_utf8_allowed=is_utf8_allowed, status=RECIPIENT_STATUS)


def check_sender(text: str) -> None:
    """Check the sender of an envelope, without angle brackets; empty is the null sender.

    Raises:
        BadAddress: status 5.1.7; the text names what is wrong with it.
    """
    if text:
        try:
            check_mailbox(text, is_utf8_allowed=True)
        except BadAddress as error:
            raise BadAddress(str(error), status=SENDER_STATUS) from None


def domain_of(address: str) -> str:
    """The domain in lower case, or an empty text if there is none; U-labels and A-labels stay as they are."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def is_domain(text: str) -> bool:
    """Whether a text is a domain or an address literal, in ASCII, as a greeting must be.

    Spec: RFC 5321 section 4.1.2.
    """
    return (
        bool(text) and text.isascii() and _FORBIDDEN.search(text) is None and _fault_of_domain(text) is None
    )


def has_common_domain(address: str) -> bool:
    """Whether every mail system takes the domain of a valid address, or there is none.

    Exim as it comes refuses the others: address literals, underscores, and UTF-8 that is not in its
    ``xn--`` form.
    """
    return "@" not in address or _COMMON_DOMAIN.search(address) is not None


def local_part_of(address: str) -> str:
    r"""The local part as it is meant: ``"a\ b"@x`` and ``"a b"@x`` are both ``a b``.

    Spec: RFC 5321 section 4.1.2, quoted and unquoted forms are equivalent.
    """
    local = address.rpartition("@")[0] if "@" in address else address
    if local.startswith('"') and local.endswith('"'):
        return _QUOTED_PAIR.sub(r"\1", local[1:-1])
    return local


def is_option_like(address: str) -> bool:
    """Whether a command could take the address for an option.

    True for a quoted local part too: the next mail system takes the quotes off before it puts
    the address on a command line.
    """
    return local_part_of(address).startswith("-")


def shown(raw: bytes | str) -> str:
    """An unverified text for an error or a log line: quoted, escaped and cut."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return ascii(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")


def _check(text: str, *, is_utf8_allowed: bool, status: str) -> None:
    fault = _forbidden(text)
    if fault is None and not text.isascii() and not is_utf8_allowed:
        fault, status = "is not ASCII, and the sending side did not ask for SMTPUTF8", NON_ASCII_STATUS
    if fault is None:
        local, at, domain = text.rpartition("@")
        fault = _fault_of_local(local) or _fault_of_domain(domain) if at else "has no @"
    if fault is not None:
        raise BadAddress(f"address {shown(text)} {fault}", status=status)


def _forbidden(text: str) -> str | None:
    if not text:
        return "is empty"
    if _FORBIDDEN.search(text):
        return "holds a control character"
    if len(text.encode("utf-8")) > MAILBOX_LIMIT_BYTES:
        return f"is longer than {MAILBOX_LIMIT_BYTES} octets"
    return None


def _fault_of_local(local: str) -> str | None:
    if not local:
        return "has no local part"
    if local.startswith('"'):
        return None if _QUOTED_STRING.fullmatch(local) else "has a local part with broken quotes"
    if _DOT_STRING.fullmatch(local):
        return None
    return "has a local part that must be quoted (a space, a special character or a misplaced dot)"


def _fault_of_domain(domain: str) -> str | None:
    if domain.startswith("["):
        return None if _is_literal(domain) else "has an address literal that is not [IPv4] or [IPv6:...]"
    if len(domain.encode("utf-8")) > DOMAIN_LIMIT_BYTES:
        return f"has a domain longer than {DOMAIN_LIMIT_BYTES} octets"
    if _DOMAIN.fullmatch(domain) and not _FORBIDDEN_IN_DOMAIN.search(domain):
        return None
    return "has a domain that is not letters, digits and hyphens between dots"


def _is_literal(domain: str) -> bool:
    if not domain.endswith("]") or "%" in domain:
        return False
    inside = domain[1:-1]
    try:
        if inside[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(inside[5:])
        else:
            ipaddress.IPv4Address(inside)
    except ValueError:
        return False
    return True
