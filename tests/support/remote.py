"""A neighbour that decides about its feed of news, and articles that are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.msgqueue.remote import RemoteControl
from gateway.msgqueue.store import Queue
from gateway.newsdesk.remote import RemoteDesk, RemoteRules
from gateway.nntp.article import ArticleLimits
from gateway.nntp.events import Range, Retrieved
from gateway.nntp.wildmat import Wildmat
from gateway.receive.newsfix import NewsfixReceiver
from gateway.receive.quarantine import Source
from gateway.receive.receiver import Receipt
from gateway.routing.feeds import Feed
from tests.support.messages import NODE_B
from tests.support.news import article
from tests.support.newsroom import PACKET, crlf, open_queue

REMOTE_FEED = Feed(
    "b",
    Wildmat.parse("misc.*,!misc.quiet,@misc.secret"),
    NODE_B,
    224,
    remote=Wildmat.parse("comp.*,misc.*"),
    rescan_count=5,
)


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """A group by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class SmallArchive:
    """Articles in memory, by group and number."""

    articles: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)

    def groups(self, pattern: Wildmat | None = None) -> list[NamedGroup]:
        """See ``Archive``."""
        return [NamedGroup(name) for name in self.articles if pattern is None or pattern.matches(name)]

    def numbers(self, group: str, numbers: Range) -> list[int]:
        """See ``Archive``."""
        return sorted(number for number in self.articles[group] if number >= numbers.first)

    def retrieve(self, group: str, number: int) -> Retrieved | None:
        """See ``Archive``."""
        found = self.articles[group].get(number)
        return None if found is None else Retrieved(number, f"<{group}.{number}@a.test>", found)


def archive(**counts: int) -> SmallArchive:
    """Groups of ``misc`` with so many articles each."""
    groups = {f"misc.{name}": count for name, count in counts.items()}
    return SmallArchive(
        {
            name: {
                number: crlf(article(f"{name}.{number}", groups=name, more="Xref: gw.test misc.test:1"))
                for number in range(1, count + 1)
            }
            for name, count in groups.items()
        }
    )


def remote_desk(queue: Queue, kept: SmallArchive | None = None, feed: Feed = REMOTE_FEED) -> RemoteDesk:
    """A desk that takes the requests of node b."""
    return RemoteDesk(queue, RemoteRules({NODE_B: feed}, {"b": "news@b.test"}, ArticleLimits()), kept)


class Remote:
    """A neighbour at its feed.

    Args:
        queue: the open queue of news.
        kept: articles that are kept.
    """

    def __init__(self, queue: Queue, kept: SmallArchive | None = None) -> None:
        self.queue = queue
        self.control = RemoteControl(queue)
        self._desk = remote_desk(queue, kept)

    def ask(self, *lines: str, request_id: str | None = None) -> str:
        """Let it ask; returns the answer."""
        self._desk.take(request_id or self.queue.new_id(), NODE_B, "\n".join(lines), "")
        waiting = self.control.unanswered(10)
        for each in waiting:
            self.control.mark_answered(each.id)
        return "".join(each.answer for each in waiting)


def ask_by_packet(directory: Path, text: bytes, disk: Disk | None = None, sender: NodeId = NODE_B) -> Receipt:
    """Let a request come in a packet, to a queue that is opened for it."""
    disk = disk or Disk(is_syncing=False)
    with open_queue(directory, disk) as queue:
        receiver = NewsfixReceiver(remote_desk(queue, archive(test=3)), disk, 1 << 20)
        with receiver.begin(Source(sender, "b", PACKET, "newsfix")) as reception:
            return reception.take_all([text])
