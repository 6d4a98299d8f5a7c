"""Payloads as they come out of packets, and a receiver that takes them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.ids import BatchId, NodeId, PacketId
from gateway.message.bsmtp import BatchWriter
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import MessageView, list_messages
from gateway.receive.quarantine import Source
from gateway.receive.receiver import RMAIL, RSMTP, SENDMAIL, Receipt, Receiver, ReceiveSettings
from tests.support.messages import NODE_A

BATCH = BatchId(b"\x07" * 16)
PACKET = PacketId(b"\x01" * 32)
BODY = b"Subject: test\r\nMessage-ID: <1@a.test>\r\n\r\nhello\r\n"

Pair = tuple[Envelope, bytes]


def pair(*recipients: str, sender: str = "alice@a.test", body: bytes = BODY) -> Pair:
    """A message with its envelope."""
    return Envelope(sender, recipients or ("bob@b.test",)), body


def batch_of(pairs: Sequence[Pair], batch: BatchId = BATCH) -> bytes:
    """A batch as a gateway writes it."""
    writer = BatchWriter()
    parts = [writer.start(batch, len(pairs))]
    for envelope, body in pairs:
        parts += writer.message(envelope, [body])
    return b"".join([*parts, writer.end()])


def receiver(queue: Queue, disk: Disk | None = None, **settings: Any) -> Receiver:
    """A receiver of mail for b.test."""
    values = {"own_name": "mx.b.test", "local_domains": ("b.test",), **settings}
    return Receiver(queue, disk or Disk(is_syncing=False), ReceiveSettings(**values))


def receive(
    receiving: Receiver,
    chunks: Iterable[bytes],
    packet: PacketId | None = PACKET,
    handle: str = RSMTP,
    args: tuple[bytes, ...] = (),
    *,
    sender: NodeId = NODE_A,
) -> Receipt:
    """Receive a payload from node a, or another that is called so."""
    with receiving.begin(Source(sender, "a", packet, handle, args)) as reception:
        return reception.take_all(chunks)


def take(
    queue: Queue, payload: bytes | Iterable[bytes], packet: PacketId | None = PACKET, **settings: Any
) -> Receipt:
    """Receive a batch from node a."""
    chunks = [payload] if isinstance(payload, bytes) else payload
    return receive(receiver(queue, **settings), chunks, packet)


def take_sendmail(
    queue: Queue, payload: bytes, *args: str | bytes, packet: PacketId | None = PACKET, **settings: Any
) -> Receipt:
    """Receive a ``sendmail`` payload from node a."""
    raw_args = tuple(arg.encode("utf-8") if isinstance(arg, str) else arg for arg in args)
    return receive(receiver(queue, **settings), [payload], packet, SENDMAIL, raw_args)


def take_rmail(
    queue: Queue, payload: bytes, *args: bytes, packet: PacketId | None = PACKET, handle: str = RMAIL
) -> Receipt:
    """Receive an ``rmail`` payload from node a, or one for another handle."""
    return receive(receiver(queue), [payload], packet, handle, args)


def inbox(queue: Queue) -> list[MessageView]:
    """Everything in the inbox, in order."""
    return list_messages(queue, Role.INBOX, states=tuple(State))


def body_of(queue: Queue, view: MessageView) -> bytes:
    """The body of a message of the inbox."""
    return b"".join(queue.read_body(view.seq))


def without_trace(body: bytes) -> bytes:
    """A body without the Received field in front of it, which ends in a date in UTC."""
    field, zone, rest = body.partition(b" +0000\r\n")
    assert field.startswith(b"Received: from a\r\n\tby mx.b.test with NNCP id ")
    assert zone
    return rest


def leftovers(directory: Path) -> Iterator[Path]:
    """Files below the queue's directory that no row and no record accounts for."""
    yield from (directory / "incoming").glob("*")
