"""Posting: from what a person's program hands in to an article that may go everywhere.

Contract: nothing that the poster wrote is changed; fields are added in front, Path gets our name. An article
that cannot be posted is a ``Rejection`` with a text for the poster; one for a moderated group without
approval is for its moderator. Clock, ids and the groups come from the caller.

Spec: RFC 5537 sections 3.4, 3.5 and 3.5.1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.message.header import rfc5322_date
from gateway.nntp.article import (
    FUTURE_LIMIT_SECONDS,
    Article,
    ArticleLimits,
    Reason,
    Rejection,
    field_value,
    header_end,
    header_fields,
    read_article,
)
from gateway.nntp.dates import parse_date
from gateway.nntp.path import without_fields

PATH_TAIL = "not-for-mail"
"""What ends a Path when the poster's program gave none: RFC 5536 section 3.1.5."""
MODERATORS = "%s@moderators.isc.org"
"""Where mail for the moderators of most groups of Usenet is sent on from."""

_NEEDED = ("From", "Newsgroups", "Subject")
_FORBIDDEN = ("Injection-Info", "Xref")
_POSTED = re.compile(r"(?:^|!)\.POSTED(?:[.!]|$)", re.IGNORECASE)
_NOT_IN_HOST = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_NOT_IN_PARAMETER = re.compile(r"[^ !#-\[\]-~]")
_NOT_APPROVED_BY_POSTER = "only moderators may approve articles here"


@dataclass(frozen=True, slots=True)
class Poster:
    """Who posts.

    Args:
        host: name or address of the machine, for Path and Injection-Info; "": not told.
        account: who it was, as the operator can tell; "": not told.
        is_moderator: may hand in articles with Approved.
    """

    host: str = ""
    account: str = ""
    is_moderator: bool = False


@dataclass(frozen=True, slots=True)
class Injected:
    """An article that may go everywhere.

    Args:
        data: its bytes.
        article: what they say.
    """

    data: bytes
    article: Article


@dataclass(frozen=True, slots=True)
class ForModerator:
    """A proto-article that its moderator must see.

    Args:
        group: the first moderated group it names.
        data: the proto-article, with a Message-ID and a Date.
    """

    group: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Injector:
    """What is the same for all that is posted here.

    Args:
        path_identity: our name in Path.
        is_group_known: whether a group is carried here.
        is_moderated: whether a group is moderated.
        complaints_to: an address for Injection-Info; "": none.
        limits: what is taken.
    """

    path_identity: str
    is_group_known: Callable[[str], bool]
    is_moderated: Callable[[str], bool]
    complaints_to: str = ""
    limits: ArticleLimits = field(default_factory=ArticleLimits)

    def inject(
        self, proto: bytes, poster: Poster, now_seconds: float, new_message_id: str
    ) -> Injected | ForModerator | Rejection:
        """Make an article of what was posted.

        Args:
            proto: the proto-article, whole, CRLF line ends.
            poster: who it is from.
            now_seconds: unix seconds.
            new_message_id: with angle brackets, for an article that has none.

        Spec: RFC 5537 section 3.5.
        """
        if header_end(proto) > self.limits.header_bytes:
            # The header is gone through several times: not before it is known to be small.
            return Rejection(Reason.HEADER_TOO_LARGE, f"a header of over {self.limits.header_bytes} bytes")
        rejection = _rejection_of_proto(proto, poster, now_seconds)
        if rejection is not None:
            return rejection
        named = _with_origin(proto, now_seconds, new_message_id)
        data = self._with_path(_injection_fields(self, proto, poster, now_seconds) + named, poster)
        article = read_article(data, self.limits)
        if isinstance(article, Rejection):
            return article
        if not any(map(self.is_group_known, article.newsgroups)):
            return Rejection(Reason.UNKNOWN_GROUP, f"no such newsgroup here: {article.newsgroups[0]}")
        moderated = next(filter(self.is_moderated, article.newsgroups), None)
        if moderated is not None and not article.is_approved:
            return ForModerator(moderated, named)
        return Injected(data, article)

    def _with_path(self, article: bytes, poster: Poster) -> bytes:
        """Path at the front: our name, where it was posted, and what the poster's program gave."""
        given = field_value(article, "Path")
        host = _NOT_IN_HOST.sub("-", poster.host)
        posted = f".POSTED.{host}" if host else ".POSTED"
        tail = PATH_TAIL.encode("ascii") if not given else b"".join(given.split())
        front = f"Path: {self.path_identity}!{posted}!".encode("ascii")
        return front + tail + b"\r\n" + without_fields(article, ("path",))


def moderator_address(template: str, group: str) -> str:
    """Where an article for a moderated group is mailed to.

    Args:
        template: an address; ``%s`` in it stands for the group with hyphens for its dots.
        group: its name.

    Spec: RFC 5537 section 3.5.1.
    """
    return template.replace("%s", group.replace(".", "-"))


def moderator_mail(for_moderator: ForModerator, to: str) -> bytes:
    """The mail for a moderator: the proto-article with its addressee.

    Args:
        for_moderator: what ``inject`` gave.
        to: address of the moderator.

    Spec: RFC 5537 section 3.5.1, step 1.
    """
    return f"To: {to}\r\n".encode() + without_fields(for_moderator.data, ("to", "cc", "bcc", "path"))


def _rejection_of_proto(proto: bytes, poster: Poster, now_seconds: float) -> Rejection | None:
    """RFC 5537 section 3.5, steps 2 to 4."""
    names = {found.name for found in header_fields(proto)}
    for name in _NEEDED:
        if name.lower().encode("ascii") not in names:
            return Rejection(Reason.MISSING, f"no {name} field")
    for name in _FORBIDDEN:
        if name.lower().encode("ascii") in names:
            return Rejection(Reason.NOT_ALLOWED, f"a {name} field: such an article was posted already")
    if _POSTED.search((field_value(proto, "Path") or b"").decode("utf-8", "replace")):
        return Rejection(Reason.NOT_ALLOWED, "its Path says that it was posted already")
    if b"approved" in names and not poster.is_moderator:
        return Rejection(Reason.UNAPPROVED, _NOT_APPROVED_BY_POSTER)
    dated = (field_value(proto, "Injection-Date") or field_value(proto, "Date") or b"").decode(
        "utf-8", "replace"
    )
    seconds = parse_date(dated)
    if seconds is not None and seconds > now_seconds + FUTURE_LIMIT_SECONDS:
        return Rejection(Reason.FUTURE, "its date is more than a day in the future")
    return None


def _with_origin(proto: bytes, now_seconds: float, new_message_id: str) -> bytes:
    """With Message-ID and Date: RFC 5537 section 3.5, step 7."""
    added = b""
    if field_value(proto, "Message-ID") is None:
        added += f"Message-ID: {new_message_id}\r\n".encode("ascii")
    if field_value(proto, "Date") is None:
        added += f"Date: {rfc5322_date(now_seconds)}\r\n".encode("ascii")
    return added + proto


def _injection_fields(injector: Injector, proto: bytes, poster: Poster, now_seconds: float) -> bytes:
    """Injection-Date and Injection-Info: RFC 5537 section 3.5, steps 9 to 11."""
    parameters = (
        ("posting-host", poster.host),
        ("posting-account", poster.account),
        ("mail-complaints-to", injector.complaints_to),
    )
    info = f"Injection-Info: {injector.path_identity}"
    for name, value in parameters:
        if value:
            info += f';\r\n\t{name}="{_NOT_IN_PARAMETER.sub("?", value)}"'
    lines = f"{info}\r\n"
    if not _may_be_injected_elsewhere(proto):
        lines += f"Injection-Date: {rfc5322_date(now_seconds)}\r\n"
    return lines.encode("ascii")


def _may_be_injected_elsewhere(proto: bytes) -> bool:
    """Whether it has its date, or names and dates by which an older program posts it at several places."""
    if field_value(proto, "Injection-Date") is not None:
        return True
    return field_value(proto, "Message-ID") is not None and field_value(proto, "Date") is not None
