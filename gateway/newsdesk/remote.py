"""Remote control: a neighbour says itself what of its feed it wants, as FidoNet's AreaFix lets it.

Contract: who asks is known by its node, not by anything that stands in the request. Nothing goes beyond what
the configuration lets it decide (``Feed.remote``), whatever it wished before. A request is done once, however
often it comes, and wholly or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.ids import NodeId
from gateway.maillog import log_mail
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import NewMessage, Target
from gateway.msgqueue.remote import Decision, RemoteControl, RemoteRequest
from gateway.msgqueue.store import Queue
from gateway.nntp.article import Article, ArticleLimits, read_article
from gateway.nntp.events import Range, Retrieved
from gateway.nntp.path import without_fields
from gateway.nntp.remote_words import HELP_LINES, Command, Verb, read_commands
from gateway.nntp.wildmat import PATTERNS_LIMIT_CHARS, Verdict, Wildmat
from gateway.routing.feeds import Feed, Wishes

RESCAN_LIMIT_BYTES = 64 << 20
"""Of the articles that one request brings once more: they are put in the queue in one transaction."""
WISHES_LIMIT_CHARS = PATTERNS_LIMIT_CHARS // 4
LISTED_LIMIT_COUNT = 5000
ALL = "*"
_WILD = frozenset("*?")
_QUESTIONS = frozenset({Verb.LIST, Verb.QUERY, Verb.HELP})


class GroupName(Protocol):
    """A group that is kept."""

    @property
    def name(self) -> str:
        """What it is called."""


class Archive(Protocol):
    """Articles that are still kept."""

    def groups(self, pattern: Wildmat | None = None) -> Sequence[GroupName]:
        """All groups that a pattern matches."""

    def numbers(self, group: str, numbers: Range) -> list[int]:
        """The numbers of articles that are there, rising."""

    def retrieve(self, group: str, number: int) -> Retrieved | None:
        """An article by its number."""


@dataclass(frozen=True, slots=True)
class RemoteRules:
    """Who may ask, and where the answers go.

    Args:
        feeds: of neighbours that may decide anything, by node.
        contacts: mailboxes for answers, by name of the feed.
        limits: of an article.
    """

    feeds: Mapping[NodeId, Feed]
    contacts: Mapping[str, str]
    limits: ArticleLimits


class RemoteDesk:
    """Does what neighbours ask for.

    Args:
        queue: the open queue of news.
        rules: who may ask.
        archive: articles that are kept; None: none are.
    """

    def __init__(self, queue: Queue, rules: RemoteRules, archive: Archive | None) -> None:
        self.queue = queue
        self._rules = rules
        self._control = RemoteControl(queue)
        self._archive = archive

    def feed_of(self, node: NodeId) -> Feed | None:
        """The feed that a node decides about; None: it decides nothing."""
        return self._rules.feeds.get(node)

    def take(self, request_id: str, node: NodeId, text: str, answer_to: str) -> bool:
        """Do what a request asks for; when this returns, it and its answer are on disk.

        Args:
            request_id: the same however often it comes.
            node: who asks; it has a feed to decide about.
            text: its lines.
            answer_to: mailbox, or "": as configured.

        Returns:
            Whether it is new.

        Raises:
            StoreError: nothing was changed.
        """
        feed = self._rules.feeds[node]
        commands = read_commands(text)
        request = RemoteRequest(
            request_id, feed.name, node, answer_to or self._rules.contacts.get(feed.name, "")
        )
        decision = self._control.settle(
            request,
            lambda wishes, waiting: _Request(feed, wishes, waiting, self._archive, self).decide(commands),
        )
        for command in commands if decision is not None else ():
            log_mail("remote", node=feed.name, id=request_id, text=command.line)
        return decision is not None

    def again(self, feed: Feed, wishes: Wishes, places: Sequence[tuple[str, int]]) -> Iterator[NewMessage]:
        """Articles as they go to a feed once more.

        Args:
            feed: which.
            wishes: of its neighbour.
            places: groups and numbers.
        """
        left_bytes = RESCAN_LIMIT_BYTES
        seen: set[str] = set()
        for group, number in places:
            found = None if self._archive is None else self._archive.retrieve(group, number)
            if found is None or found.message_id in seen:
                continue
            seen.add(found.message_id)
            data = without_fields(found.data, ("Xref",))
            article = read_article(data, self._rules.limits)
            # What is kept back from it otherwise it does not get this way either.
            if not isinstance(article, Article) or not feed.takes(article, wishes):
                continue
            left_bytes -= len(data)
            if left_bytes < 0:
                return
            yield _message(self.queue.new_id(), feed, found.message_id, data)


class _Request:
    """One request being decided about."""

    def __init__(
        self, feed: Feed, wishes: Wishes, waiting_count: int, archive: Archive | None, desk: RemoteDesk
    ) -> None:
        self._feed = feed
        self._wishes = wishes
        self._waiting_count = waiting_count
        self._archive = archive
        self._desk = desk
        self._answer: list[str] = []
        self._places: list[tuple[str, int]] = []

    def decide(self, commands: Sequence[Command]) -> Decision:
        asked: set[Command] = set()
        for command in commands:
            # A long answer to each of many lines would be a flood.
            if command.verb in _QUESTIONS and command in asked:
                continue
            asked.add(command)
            self._answer.append(f"> {command.line}")
            self._answer += [f"  {line}" for line in _ACTS[command.verb](self, command)]
        if not commands:
            self._answer += ["Your request is empty. What can be asked for:", *_indented(HELP_LINES)]
        again = self._desk.again(self._feed, replace(self._wishes, is_paused=False), self._places)
        return Decision(self._wishes, "".join(f"{line}\n" for line in self._answer), again)

    def _subscribe(self, command: Command) -> list[str]:
        return self._wish(command, "")

    def _unsubscribe(self, command: Command) -> list[str]:
        return self._wish(command, "!")

    def _wish(self, command: Command, mark: str) -> list[str]:
        pattern, remote = command.pattern or ALL, self._remote
        is_wild = not _WILD.isdisjoint(pattern)
        if not is_wild and not remote.matches(pattern):
            return [f"not possible: you decide about {remote.text}"]
        if not is_wild and self._feed.groups.is_poison(pattern):
            return ["not possible: this group is never fed to you"]
        # What was wished about the same groups before counts no more; a star is about all of them.
        words = [] if pattern == ALL else [word for word in self._words if word.lstrip("!") != pattern]
        text = ",".join((*words, f"{mark}{pattern}"))
        if len(text) > WISHES_LIMIT_CHARS:
            return ["not possible: you have wished for too much; use patterns such as comp.*"]
        self._wishes = replace(self._wishes, groups=Wildmat.parse(text))
        done = "not fed to you from now on" if mark else "fed to you from now on"
        return [f"{done}, as far as in {remote.text}" if is_wild else done]

    def _list(self, _command: Command) -> list[str]:
        lines = [f"you decide about: {self._remote.text}"]
        names = self._names(self._remote)
        if names:
            lines.append("newsgroups that are kept here, a star in front of those that are fed to you:")
        lines += [f"{'*' if self._is_fed(name) else ' '} {name}" for name in names]
        return lines

    def _query(self, _command: Command) -> list[str]:
        feed = self._feed
        lines = [
            f"configured: {feed.groups.text}",
            f"you decide about: {self._remote.text}",
            f"your wishes, the last that matches counts: {self._wishes.groups.text or 'none'}",
        ]
        names = [name for name in self._names(None) if self._is_fed(name)]
        lines += [f"* {name}" for name in names]
        return [*lines, "paused: nothing is fed to you"] if self._wishes.is_paused else lines

    def _pause(self, _command: Command) -> list[str]:
        self._wishes = replace(self._wishes, is_paused=True)
        return ["nothing is fed to you until %RESUME; what passes meanwhile comes with %RESCAN alone"]

    def _resume(self, _command: Command) -> list[str]:
        self._wishes = replace(self._wishes, is_paused=False)
        return ["you are fed again"]

    def _rescan(self, command: Command) -> list[str]:
        if self._archive is None:
            return ["not possible: no articles are kept here"]
        if self._waiting_count >= self._feed.rescan_count:
            return [f"not now: {self._waiting_count} articles wait for you already; fetch them first"]
        left_count = self._feed.rescan_count - len(self._places)
        if left_count <= 0:
            return [f"not possible: {self._feed.rescan_count} articles come already by this request"]
        wanted = Wildmat.parse(command.pattern or ALL)
        found: list[tuple[str, int]] = []
        for name in self._names(wanted):
            if self._remote.matches(name) and self._is_fed(name) and len(found) < left_count:
                found += [(name, number) for number in self._archive.numbers(name, Range(1, None))][
                    -(left_count - len(found)) :
                ]
        self._places += found
        what = f"up to {len(found)} articles come once more"
        is_full = len(self._places) >= self._feed.rescan_count
        return [f"{what}; no more than {self._feed.rescan_count} by one request" if is_full else what]

    def _help(self, _command: Command) -> list[str]:
        return list(HELP_LINES)

    def _strange(self, _command: Command) -> list[str]:
        return ["not understood; %HELP says what can be asked for"]

    @property
    def _remote(self) -> Wildmat:
        return self._feed.remote or Wildmat.parse("")

    @property
    def _words(self) -> list[str]:
        return [word for word in self._wishes.groups.text.split(",") if word]

    def _is_fed(self, name: str) -> bool:
        return self._feed.verdict(name, self._wishes) is Verdict.YES

    def _names(self, pattern: Wildmat | None) -> list[str]:
        if self._archive is None:
            return []
        return [group.name for group in self._archive.groups(pattern)][:LISTED_LIMIT_COUNT]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _message(queue_id: str, feed: Feed, message_id: str, data: bytes) -> NewMessage:
    target = Target(feed.name, feed.node, feed.nice)
    return NewMessage(queue_id, Envelope("", (feed.name,)), (target,), data, message_id, "rescan")


_ACTS = {
    Verb.SUBSCRIBE: _Request._subscribe,  # noqa: SLF001 - a table of this class's own methods
    Verb.UNSUBSCRIBE: _Request._unsubscribe,  # noqa: SLF001
    Verb.LIST: _Request._list,  # noqa: SLF001
    Verb.QUERY: _Request._query,  # noqa: SLF001
    Verb.PAUSE: _Request._pause,  # noqa: SLF001
    Verb.RESUME: _Request._resume,  # noqa: SLF001
    Verb.RESCAN: _Request._rescan,  # noqa: SLF001
    Verb.HELP: _Request._help,  # noqa: SLF001
    Verb.STRANGE: _Request._strange,  # noqa: SLF001
}
