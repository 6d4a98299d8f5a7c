"""A batch of messages from a local program: BSMTP on its standard output, as Exim's ``use_bsmtp`` writes.

Contract: the whole batch or nothing. A small one is held and read once. Another is staged in a file, read to
its end once with every recipient routed, and read again into the queue within one transaction. What is
refused of it is refused for all of it: the program can be told one thing only.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import chain

from gateway.durable import Disk
from gateway.errors import BadAddress, BadBatch, MessageError
from gateway.ingest.intake import Recipient
from gateway.ingest.routes import Routes
from gateway.ingest.stamp import HEADER_LOOK_BYTES, Stamp
from gateway.maillog import log_mail
from gateway.message.bsmtp import BatchReader
from gateway.message.bsmtp_dialogue import (
    BatchLimits,
    Event,
    MessageData,
    MessageEnd,
    MessageRefused,
    MessageStart,
    RecipientRefused,
)
from gateway.message.envelope import Envelope
from gateway.msgqueue.copies import ContentHash
from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.payload import Payload, stage_payload
from gateway.msgqueue.shelf import KeptBody, Shelf
from gateway.msgqueue.store import Queue
from gateway.msgqueue.stream import put_all
from gateway.routing.urgency import urgency_of

NO_BATCH_STATUS = "4.6.0"
"""What is no batch, or only the beginning of one, is a fault of the program: its mail must not bounce."""
MESSAGES_LIMIT_COUNT = 10_000
AT_ONCE_BYTES = 8 << 10
"""Of a batch that is read in the event loop: one of 64 KiB may be 1,700 messages, and all would wait."""
_ADDRESS_STATUS = "5.1."


class BatchIntake:
    """Takes batches in.

    Args:
        queue: where they go.
        disk: how they are staged.
        routes: of their recipients.
        stamp: what is put in front of each message.
        limits: of messages.
        max_batch_bytes: of a batch.
    """

    def __init__(
        self,
        queue: Queue,
        disk: Disk,
        routes: Routes,
        stamp: Stamp,
        limits: BatchLimits,
        max_batch_bytes: int,
    ) -> None:
        self.queue = queue
        self.routes = routes
        self.stamp = stamp
        self.limits = limits
        self.max_batch_bytes = max_batch_bytes
        self._disk = disk

    def begin(self, origin: str, node: str | None = None) -> "BatchTaking":
        """Begin to take in a batch.

        Args:
            origin: who hands it in, for people.
            node: where it goes, whatever the routes say; None: as they say.

        """
        return BatchTaking(self, origin, node)

    def stage(self) -> Payload:
        """Room for a batch to come.

        Raises:
            StoreError: the disk refused.
        """
        return stage_payload(self.queue.directory, self._disk)


@dataclass(slots=True)
class _Part:
    """A message of the batch in one role, while it is read."""

    id: str
    role: Role
    recipients: tuple[Recipient, ...]
    trace_bytes: int
    body: KeptBody


@dataclass(slots=True)
class _Message:
    """A message of the batch while it is read."""

    envelope: Envelope
    head: bytearray = field(default_factory=bytearray)
    hash: ContentHash = field(default_factory=ContentHash)
    parts: list[_Part] = field(default_factory=list)


class BatchTaking:
    """A batch on its way in; see ``Handover``. Make one with ``BatchIntake.begin``."""

    def __init__(self, intake: BatchIntake, origin: str, node: str | None) -> None:
        self._intake = intake
        self._payload = intake.stage()
        self._origin = origin
        self._node = node
        self._shelf = Shelf(intake.queue)
        self._put: list[tuple[NewMessage, list[str | None], int]] = []
        """For the log: messages without their bodies, the nodes they go to, sizes of their contents."""

    def may_block(self, size_bytes: int) -> bool:
        """See ``Handover``: a larger batch takes long to read, or is written to a file."""
        return self._payload.size_bytes + size_bytes > AT_ONCE_BYTES

    def write(self, piece: bytes) -> None:
        """See ``Handover``.

        Raises:
            TooLarge: the batch is larger than allowed.
            StoreError: the disk refused.
        """
        self._payload.write(piece, self._intake.max_batch_bytes, self._intake.queue.check_room)

    def close(self) -> "Future[None]":
        """See ``Handover``.

        Raises:
            BadBatch: it is no whole batch; temporary.
            MessageError: a message or a recipient is refused.
            StoreError: the disk refused.
        """
        messages: Iterable[tuple[NewMessage, Role]] = chain.from_iterable(self._read(is_kept=True))
        if self._payload.is_held_with(0):
            messages = list(messages)
            count = len(messages)
        else:
            count = sum(1 for _ in self._read(is_kept=False))
        if count == 0:
            raise BadBatch("the batch holds no message", status=NO_BATCH_STATUS)
        self._intake.queue.check_room(self._payload.size_bytes)
        return put_all(self._intake.queue, messages)

    def done(self) -> str:
        """See ``Handover``."""
        self._shelf.release()
        self._payload.discard()
        for message, nodes, size_bytes in self._put:
            for target, node in zip(message.targets, nodes, strict=True):
                log_mail(
                    "received",
                    id=message.id,
                    message_id=message.message_id or None,
                    from_=message.envelope.sender,
                    to=target.recipient,
                    client=self._origin,
                    node=node,
                    size=size_bytes,
                    status="2.0.0",
                )
        return f"2.0.0 queued as {' '.join(message.id for message, *_ in self._put)}"

    def discard(self) -> None:
        """See ``Handover``."""
        self._shelf.abandon()
        self._payload.discard()

    def _read(self, *, is_kept: bool) -> Iterator[list[tuple[NewMessage, Role]]]:
        """For each message, checked, what of it goes in the queue; nothing, unless it is to be kept."""
        message: _Message | None = None
        for event in self._events():
            match event:
                case MessageStart(envelope):
                    message = self._begin(envelope, is_kept=is_kept)
                case MessageData(data) if message is not None:
                    message.head += data[: HEADER_LOOK_BYTES - len(message.head)]
                    message.hash.update(data)
                    for part in message.parts:
                        part.body.write(data)
                case MessageEnd(size_bytes, is_8bit) if message is not None:
                    yield self._end(message, size_bytes, is_8bit=is_8bit)
                    message = None
                case MessageRefused(_, text, status) | RecipientRefused(_, _, text, status):
                    kind = BadAddress if status.startswith(_ADDRESS_STATUS) else MessageError
                    raise kind(text, status=status)

    def _events(self) -> Iterator[Event]:
        reader = BatchReader(self._intake.limits)
        try:
            for chunk in self._payload.chunks():
                yield from reader.feed(chunk)
            reader.finish()
        except BadBatch as error:
            raise BadBatch(str(error), status=NO_BATCH_STATUS) from None

    def _begin(self, envelope: Envelope, *, is_kept: bool) -> _Message:
        found = self._intake.routes.find(envelope.recipients, self._node)
        message = _Message(envelope)
        for role, recipients in found.items() if is_kept else ():
            if recipients:
                part_id = self._intake.queue.new_id()
                received = self._intake.stamp.received(part_id, envelope.sender, envelope.recipients)
                body = self._shelf.new_body(part_id)
                body.write(received)
                message.parts.append(_Part(part_id, role, tuple(recipients), len(received), body))
        return message

    def _end(self, message: _Message, size_bytes: int, *, is_8bit: bool) -> list[tuple[NewMessage, Role]]:
        head = bytes(message.head)
        message_id = self._intake.stamp.check(head)
        urgency = urgency_of(message.envelope.options.priority, head)
        envelope = replace(message.envelope, is_8bit=message.envelope.is_8bit or is_8bit)
        found = []
        for part in message.parts:
            whole_bytes = part.trace_bytes + size_bytes
            addresses = tuple(recipient.address for recipient in part.recipients)
            new = NewMessage(
                id=part.id,
                envelope=replace(envelope, recipients=addresses),
                targets=tuple(recipient.target(urgency, whole_bytes) for recipient in part.recipients),
                body=part.body.finish(),
                message_id=message_id,
                origin=self._origin,
                trace_bytes=part.trace_bytes,
                content_hash=message.hash.digest() if part.role is Role.OUTBOX else None,
            )
            nodes = [recipient.node_name(whole_bytes) for recipient in part.recipients]
            self._put.append((new._replace(body=b""), nodes, size_bytes))
            found.append((new, part.role))
        return found
