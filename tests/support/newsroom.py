"""A queue of news with feeds, and what is handed in there, without a node around it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.ids import NodeId, PacketId
from gateway.msgqueue.history import Fate
from gateway.msgqueue.store import Queue
from gateway.newsdesk.batches import BatchDesk
from gateway.newsdesk.desk import Accepted, DeskRules, NewsDesk, Origin, Refused
from gateway.nntp.rnews_batch import RnewsLimits
from gateway.nntp.wildmat import Wildmat
from gateway.receive.news import NewsReceiver
from gateway.receive.quarantine import Source
from gateway.receive.receiver import Receipt
from gateway.routing.feeds import Feed, Feeds
from tests.support.messages import NODE_A, NODE_B
from tests.support.news import article

EVERYTHING = Wildmat.parse("*")
B_FEED = Feed("b", Wildmat.parse("*,!local.*"), NODE_B, 224)
INN_FEED = Feed("inn", EVERYTHING, path_names=("inn.test",))
FROM_A = Origin("a", "a", ("gw.a.test",), EVERYTHING)
LOCAL = Origin("", "local user news", None)
PACKET = PacketId(b"\x01" * 32)


def crlf(content: bytes) -> bytes:
    """With the line ends that the queue holds."""
    return content.replace(b"\n", b"\r\n")


def desk(queue: Queue, feeds: Sequence[Feed] = (B_FEED, INN_FEED), **rules: Any) -> NewsDesk:
    """A desk of the node gw.test."""
    return NewsDesk(queue, DeskRules("gw.test", feeds=Feeds(tuple(feeds)), **rules))


def judge(queue: Queue, content: bytes, origin: Origin = FROM_A, **rules: Any) -> Accepted | Refused:
    """What is decided about an article with LF line ends."""
    return desk(queue, **rules).judge(crlf(content), origin)


def take(queue: Queue, number: int | str, origin: Origin = FROM_A, **values: str) -> Fate:
    """Take one article in."""
    newsdesk = desk(queue)
    return newsdesk.take(newsdesk.judge(crlf(article(number, **values)), origin), origin).result()


def receiver(
    queue: Queue, disk: Disk | None = None, origins: dict[NodeId, Origin] | None = None
) -> NewsReceiver:
    """What takes batches of node a."""
    return NewsReceiver(
        BatchDesk(desk(queue), RnewsLimits(article_bytes=1_000_000, article_count=1000, total_bytes=1 << 26)),
        disk or Disk(is_syncing=False),
        {NODE_A: FROM_A} if origins is None else origins,
        max_batch_bytes=1 << 26,
        max_quarantine_bytes=1 << 26,
    )


def receive(
    queue: Queue,
    payload: bytes,
    packet: PacketId | None = PACKET,
    disk: Disk | None = None,
    sender: NodeId = NODE_A,
) -> Receipt:
    """Take in a payload that a neighbour sent."""
    source = Source(sender, "a", packet, "rnews")
    with receiver(queue, disk).begin(source) as reception:
        return reception.take_all([payload])


def waiting(queue: Queue) -> list[tuple[str, str]]:
    """Message-ID and recipient of each delivery that waits, in order."""
    with queue.reading() as connection:
        rows = connection.execute(
            "SELECT m.message_id, d.recipient FROM delivery d JOIN message m ON m.seq = d.message"
            " WHERE d.state = 'queued' ORDER BY d.seq"
        ).fetchall()
    return [(str(message_id), str(recipient)) for message_id, recipient in rows]


def open_queue(directory: Path, disk: Disk | None = None) -> Queue:
    """A queue of news."""
    return Queue(directory, disk or Disk(is_syncing=False))


def feed(**values: Any) -> Feed:
    """A feed of everything, but for these values."""
    return replace(Feed("f", EVERYTHING), **values)
