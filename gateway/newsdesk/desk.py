"""Judges articles: whether one is taken, with our name in its Path, and which feeds get it.

Contract: nothing of an article is changed but its Path (and Xref, which means nothing here). A refusal is
remembered only if it holds for the article whoever brings it and can't be a lie about somebody
else's: a malformed article may bear any Message-ID.

Spec: RFC 5536; RFC 5537 sections 3.2, 3.6 and 3.7.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from gateway.maillog import log_alike
from gateway.message.envelope import Envelope
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.entry import NewMessage, Target
from gateway.msgqueue.history import Fate, History, NewArticle
from gateway.msgqueue.remote import RemoteControl
from gateway.msgqueue.store import Queue
from gateway.nntp.article import Article, ArticleLimits, Rejection, age_rejection, read_article
from gateway.nntp.injection import Injected
from gateway.nntp.path import Source, is_in_path, path_identities, relayed
from gateway.nntp.wildmat import Wildmat
from gateway.routing.feeds import Feed, Feeds

Hold = Callable[[str, bytes], bytes | StagedBody]

CLOCK_SET_SECONDS = 1_704_067_200.0
"""2024 began. A clock that shows less was never set, and says nothing about the age of an article."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who brings articles.

    Args:
        name: the feed's name, for logs; what came from it does not go back to it.
        client: for people: an address, a program's user.
        path_names: its names in Path; None: it is a program of this machine, which we believe.
        accept: the groups it may bring articles in; None: all.
        only: the one feed that gets what it brings, as it says itself; None: as the feeds have it.
        max_article_bytes: of an article; None: as large as any.
    """

    name: str
    client: str
    path_names: tuple[str, ...] | None = ()
    accept: Wildmat | None = None
    only: Feed | None = None
    max_article_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DeskRules:
    """What is taken at all.

    Args:
        pathhost: our name in Path.
        aliases: other names of ours; an article with one of them in its Path went round.
        groups: carried here.
        limits: of an article.
        max_age_seconds: of an article; the history must reach farther back.
        feeds: where articles go.
    """

    pathhost: str
    aliases: tuple[str, ...] = ()
    groups: Wildmat = field(default_factory=lambda: Wildmat.parse("*"))
    limits: ArticleLimits = field(default_factory=ArticleLimits)
    max_age_seconds: float = 30 * 86_400.0
    feeds: Feeds = field(default_factory=Feeds)


class Accepted(NamedTuple):
    """An article that is taken.

    Args:
        article: what was read of it.
        data: its bytes, with our name in Path.
        feeds: where it goes; none: it is only remembered.
    """

    article: Article
    data: bytes
    feeds: tuple[Feed, ...]

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        return self.article.message_id


@dataclass(frozen=True, slots=True)
class Refused:
    """An article that is not taken.

    Args:
        message_id: as far as it is known, or "".
        text: why, one line.
        size_bytes: of what came.
        is_remembered: its Message-ID is; whoever brings it, it is not taken.
    """

    message_id: str
    text: str
    size_bytes: int
    is_remembered: bool = False


Judgement = Accepted | Refused


class NewsDesk:
    """Takes articles in.

    Args:
        queue: the open queue of news.
        rules: what is taken.
    """

    def __init__(self, queue: Queue, rules: DeskRules) -> None:
        self.queue = queue
        self.rules = rules
        self.history = History(queue)
        self._own_names = (rules.pathhost, *rules.aliases)
        self._remote = RemoteControl(queue) if rules.feeds.has_remote else None

    def judge(
        self, data: bytes, origin: Origin, message_id: str | None = None, *, is_made_here: bool = False
    ) -> Judgement:
        """Decide about an article, without taking it in.

        Args:
            data: with CRLF line ends.
            origin: who brings it.
            message_id: what it was announced by, or None.
            is_made_here: see ``read_article``.
        """
        article = read_article(data, self.rules.limits, message_id=message_id, is_made_here=is_made_here)
        if isinstance(article, Rejection):
            return Refused(message_id or "", article.text, len(data))
        fault = self._fault(article, origin)
        if fault is not None:
            return fault
        feeds = (origin.only,) if origin.only else self._targets(article, origin.name)
        passed_on = relayed(data, self.rules.pathhost, _source(article, origin), article)
        return Accepted(article, passed_on, feeds)

    def judge_posted(self, injected: Injected) -> Judgement:
        """Decide about an article that was posted here and injected: our name is in its Path already."""
        article = injected.article
        fault = self._age_fault(article) or self._groups_fault(article)
        if fault is not None:
            return fault
        feeds = self._targets(article, "")
        # What a peer brings may be of no use here; what is posted must not vanish without a word.
        if not feeds:
            return _refuse(article, "nobody here takes articles in these newsgroups")
        return Accepted(article, injected.data, feeds)

    def new_article(self, judgement: Judgement, origin: Origin, hold: Hold | None = None) -> NewArticle:
        """What goes in the queue for an article.

        Args:
            judgement: what was decided.
            origin: who brings it.
            hold: puts a body where its size belongs; None: as the queue does.
        """
        message_id = judgement.message_id
        queue_id = self.queue.new_id()
        if isinstance(judgement, Refused):
            if not judgement.is_remembered:
                message_id = ""
            return NewArticle(_message(queue_id, _NOBODY, b"", message_id, origin), judgement.text)
        body = (hold or self.queue.hold_body)(queue_id, judgement.data) if judgement.feeds else b""
        message = _message(queue_id, _address(judgement.feeds), body, message_id, origin)
        return NewArticle(message, is_forced=origin.only is not None)

    def take(self, judgement: Judgement, origin: Origin) -> "Future[Fate]":
        """Take an article in; write the log with ``log`` once the future is resolved.

        Raises:
            StoreError: the disk refused.
        """
        return self.history.put(self.new_article(judgement, origin))

    def take_group(self, group: Sequence[tuple[Judgement, Origin]]) -> "Future[tuple[Fate, ...]]":
        """Take in articles that came about the same time, in one commit; none is large enough for a file.

        Raises:
            StoreError: the disk refused.
        """
        return self.history.put_group([self.new_article(*one) for one in group])

    def _targets(self, article: Article, came_from: str) -> tuple[Feed, ...]:
        wishes = None if self._remote is None else self._remote.wishes()
        return self.rules.feeds.targets(article, came_from, wishes)

    def _fault(self, article: Article, origin: Origin) -> Refused | None:
        """Why an article that is well-formed is not taken, or None."""
        fault = self._age_fault(article)
        if fault is None and is_in_path(article.path, self._own_names):
            fault = _refuse(article, "it has been here: our name is in its Path")
        fault = fault or self._groups_fault(article)
        if fault is not None:
            return fault
        if origin.accept is not None and not origin.accept.takes(article.newsgroups):
            return _refuse(article, f"{origin.name or origin.client} may not feed these newsgroups")
        limit = origin.max_article_bytes
        if limit is not None and article.size_bytes > limit:
            return _refuse(article, f"{article.size_bytes} bytes; {origin.name} may bring up to {limit}")
        return None

    def _age_fault(self, article: Article) -> Refused | None:
        now = self.queue.clock.wall()
        if now < CLOCK_SET_SECONDS:
            return None
        aged = age_rejection(article, now, max_age_seconds=self.rules.max_age_seconds)
        return None if aged is None else _refuse(article, aged.text)

    def _groups_fault(self, article: Article) -> Refused | None:
        if self.rules.groups.takes(article.newsgroups):
            return None
        return _refuse(article, "none of its newsgroups is carried here", is_remembered=True)


class Note(NamedTuple):
    """What the log says of an article, kept until it is on disk.

    Args:
        message_id: or "".
        size_bytes: of what came.
        to: names of the feeds that get it.
        refusal: why it is not taken, or None.
    """

    message_id: str
    size_bytes: int
    to: str
    refusal: str | None


def note_of(judgement: Judgement) -> Note:
    """What is to be remembered of an article for the log."""
    if isinstance(judgement, Refused):
        return Note(judgement.message_id, judgement.size_bytes, "", judgement.text)
    article = judgement.article
    return Note(article.message_id, article.size_bytes, _names(judgement.feeds), None)


def log_articles(articles: Iterable[tuple[Note, Fate]], origin: Origin) -> None:
    """Write the lines of articles that were taken in, or were not."""
    for (to, refusal, fate), alike in groupby(articles, key=_what_became):
        log_alike(
            _EVENTS[fate],
            ("message_id", "size"),
            [(note.message_id or None, note.size_bytes) for note, _ in alike],
            to=to if fate is Fate.NEW else None,
            client=origin.client,
            node=origin.name or None,
            text=refusal,
        )


def _what_became(article: tuple[Note, Fate]) -> tuple[str, str | None, Fate]:
    note, fate = article
    return note.to, note.refusal, fate


_EVENTS = {Fate.NEW: "received", Fate.KNOWN: "duplicate", Fate.REFUSED: "refused"}


def _source(article: Article, origin: Origin) -> Source:
    """Who stands in Path as the one that brought it."""
    if origin.path_names is None:
        return Source(path_identities(article.path)[:1])
    return Source(origin.path_names, origin.name)


def _refuse(article: Article, text: str, *, is_remembered: bool = False) -> Refused:
    return Refused(article.message_id, text, article.size_bytes, is_remembered)


@dataclass(frozen=True, slots=True)
class _Address:
    """Whom an article is for: most are for the same feeds as another was."""

    targets: tuple[Target, ...]
    envelope: Envelope


_NOBODY = _Address((), Envelope("", ()))


@functools.lru_cache(maxsize=256)
def _address(feeds: tuple[Feed, ...]) -> _Address:
    targets = [Target(feed.name, feed.node, feed.nice if feed.node is not None else 0) for feed in feeds]
    return _Address(tuple(targets), Envelope("", tuple(feed.name for feed in feeds)))


@functools.lru_cache(maxsize=256)
def _names(feeds: tuple[Feed, ...]) -> str:
    return " ".join([feed.name for feed in feeds])


def _message(
    queue_id: str, address: _Address, body: bytes | StagedBody, message_id: str, origin: Origin
) -> NewMessage:
    return NewMessage(
        queue_id, address.envelope, address.targets, body, message_id, origin.name or origin.client
    )
