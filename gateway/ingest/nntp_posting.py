"""Posting: what a person's program hands in becomes an article in the queue, or a mail to a moderator.

Contract: what is answered holds: an article that was taken is on disk, a mail to a moderator is in the
queue of mail, on disk as well. Nothing that was posted is dropped without a word. All of it blocks; callers
use a thread.

Spec: RFC 5537 sections 3.5 and 3.5.1.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import GatewayError, MessageError
from gateway.ingest.nntp_settings import Moderators
from gateway.ingest.pipe import PipeIntake
from gateway.message.mailbox_list import parse_mailboxes
from gateway.msgqueue.history import Fate
from gateway.newsdesk.desk import Judgement, NewsDesk, Origin, Refused, log_articles, note_of
from gateway.nntp.article import ArticleLimits, Rejection, field_value
from gateway.nntp.events import Stored
from gateway.nntp.injection import (
    ForModerator,
    Injected,
    Injector,
    Poster,
    moderator_address,
    moderator_mail,
)

IsGroup = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Groups:
    """What is known of groups.

    Args:
        is_known: whether there is a group.
        is_moderated: whether it is moderated.
        is_open: whether readers may post there.
    """

    is_known: IsGroup
    is_moderated: IsGroup
    is_open: IsGroup


@dataclass(frozen=True, slots=True)
class Posted:
    """What is answered to who posted.

    Args:
        stored: whether it was taken.
        text: why not.
    """

    stored: Stored
    text: str = ""


@dataclass(frozen=True, slots=True)
class Posting:
    """Takes what is posted.

    Args:
        desk: puts articles in the queue of news.
        mail: puts mails in the queue of mail.
        groups: what is known of groups.
        moderators: who gets articles of moderated groups.
        complaints_to: an address for Injection-Info, or "".
        limits: of an article.
        wall: seconds since 1970.
    """

    desk: NewsDesk
    mail: PipeIntake
    groups: Groups
    moderators: Moderators = field(default_factory=Moderators)
    complaints_to: str = ""
    limits: ArticleLimits = field(default_factory=ArticleLimits)
    wall: Callable[[], float] = time.time

    def post(self, proto: bytes, poster: Poster, origin: Origin) -> Posted:
        """Take what is posted; the answer is true when this returns.

        Args:
            proto: with CRLF line ends.
            poster: who posts, as the article tells it.
            origin: who posts, for queue and log.
        """
        pathhost, now = self.desk.rules.pathhost, self.wall()
        injector = Injector(
            pathhost, self.groups.is_known, self._is_moderated, self.complaints_to, self.limits
        )
        new_message_id = f"<{self.desk.queue.new_id()}.{int(now)}@{pathhost}>"
        try:
            found = injector.inject(proto, poster, now, new_message_id)
            match found:
                case Rejection():
                    return self._refused(Refused("", found.text, len(proto)), origin)
                case ForModerator():
                    return self._mail(found, origin)
                case Injected():
                    return self._put(self._judge(found), origin)
        except GatewayError as error:
            return Posted(Stored.LATER, str(error))

    def _judge(self, injected: Injected) -> Judgement:
        article = injected.article
        for group in article.newsgroups:
            if self.groups.is_known(group) and not self.groups.is_open(group):
                return Refused(article.message_id, f"nobody may post in {group}", article.size_bytes)
        return self.desk.judge_posted(injected)

    def _put(self, judgement: Judgement, origin: Origin) -> Posted:
        if isinstance(judgement, Refused):
            return self._refused(judgement, origin)
        fate = self.desk.take(judgement, origin).result()
        log_articles([(note_of(judgement), fate)], origin)
        if fate is Fate.KNOWN:
            return Posted(Stored.NO, "there is an article with this Message-ID already")
        return Posted(Stored.YES)

    def _refused(self, refused: Refused, origin: Origin) -> Posted:
        log_articles([(note_of(refused), Fate.REFUSED)], origin)
        return Posted(Stored.NO, refused.text)

    def _is_moderated(self, group: str) -> bool:
        groups = self.moderators.groups
        return (groups is not None and groups.matches(group)) or self.groups.is_moderated(group)

    def _mail(self, found: ForModerator, origin: Origin) -> Posted:
        addresses = self.moderators.addresses
        template = next((address for groups, address in addresses if groups.matches(found.group)), None)
        if template is None:
            return Posted(Stored.NO, f"{found.group} is moderated, and it is not known by whom")
        to = moderator_address(template, found.group)
        try:
            self.mail.take(_sender(found.data), [to], [moderator_mail(found, to)], origin.client)
        except GatewayError as error:
            return Posted(Stored.LATER, f"{found.group} is moderated, and no mail goes to {to}: {error}")
        return Posted(Stored.YES, f"mailed to the moderator of {found.group}")


def _sender(proto: bytes) -> str:
    """Who is told when the mail to the moderator fails: the one who posted, if their address is one."""
    text = (field_value(proto, "From") or b"").decode("utf-8", "replace")
    try:
        found = parse_mailboxes(text)
    except MessageError:
        return ""
    return found[0] if found else ""
