"""From a whole message with its envelope to rows in the queue.

Contract: when ``accept`` returns, the message is on disk, synced. When it raises, the caller must
not say that it was taken. Once it was called, the message may be in the queue even if the client
is gone before it hears so: the client then sends it again and the recipient sees it twice, which
RFC 1047 describes and no server can avoid; it is never lost.

A message for this machine and for neighbours becomes two in the queue, one in each role; both are put
in one transaction.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from gateway.batch.choices import Choices
from gateway.errors import MailLoop
from gateway.ingest.landing import Landing
from gateway.maillog import log_mail
from gateway.message.envelope import Envelope, MailOptions, RecipientOptions
from gateway.message.header import (
    header_section_end,
    header_value,
    hop_count,
    missing_fields,
    received_line,
)
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.copies import ContentHash
from gateway.msgqueue.entry import NewMessage, Role, Target
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.routing.urgency import Urgency, urgency_of

HEADER_LOOK_BYTES = 256 << 10
"""How much of a message is searched for header fields; Received fields stand in front."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient that was accepted.

    Args:
        address: without angle brackets.
        choices: the neighbours that may get it, or None: it is delivered here.
    """

    address: str
    choices: Choices | None = None

    def target(self, urgency: Urgency, size_bytes: int) -> Target:
        """Where a message for it goes.

        Args:
            urgency: of the message.
            size_bytes: of the message.
        """
        if self.choices is None:
            return Target(self.address)
        lane = self.choices.lane(urgency, size_bytes)
        return Target(self.address, lane.node, lane.nice)

    def node_name(self, size_bytes: int) -> str | None:
        """The name of the node that a message of a size goes to, or None: it is delivered here."""
        return None if self.choices is None else self.choices.of(size_bytes).name


@dataclass(frozen=True, slots=True)
class Submission:
    """A message's envelope and where it came from.

    Args:
        sender: "" is the null sender.
        recipients: at least one.
        is_8bit: it was declared ``BODY=8BITMIME``.
        is_smtputf8: it was declared ``SMTPUTF8``.
        client_ip: address of the client.
        helo: what the client called itself.
        protocol: for the Received field: ``SMTP``, ``ESMTP`` or ``UTF8SMTP``.
        options: what the sender asked for the message.
        recipient_options: what the sender asked for single recipients, by address.
        user: who logged in to submit it, or "".
        is_completed: fields that every message must have are added where they are missing.
    """

    sender: str
    recipients: tuple[Recipient, ...]
    is_8bit: bool
    is_smtputf8: bool
    client_ip: str
    helo: str
    protocol: str
    options: MailOptions = field(default_factory=MailOptions)
    recipient_options: Mapping[str, RecipientOptions] = field(default_factory=dict)
    user: str = ""
    is_completed: bool = False

    @property
    def origin(self) -> str:
        """Who handed it in, for people."""
        return f"user {self.user} at {self.client_ip}" if self.user else self.client_ip


@dataclass(frozen=True, slots=True)
class _Part:
    """What becomes one message of the queue: the recipients of one role."""

    id: str
    role: Role
    recipients: tuple[Recipient, ...]
    received: bytes
    """Our trace field."""
    added: bytes
    """Fields that are put between it and the content."""
    message_id: str
    urgency: Urgency
    submission: Submission

    @property
    def front(self) -> bytes:
        """All that is put in front of the content."""
        return self.received + self.added

    def size_bytes(self, content: bytearray) -> int:
        """Of the whole message."""
        return len(self.received) + len(self.added) + len(content)

    def message(self, body: bytes | StagedBody, content: bytearray) -> NewMessage:
        """The message to put, once its body is held; the content is given for its hash."""
        size_bytes = self.size_bytes(content)
        return NewMessage(
            id=self.id,
            envelope=Envelope(
                self.submission.sender,
                tuple(recipient.address for recipient in self.recipients),
                is_8bit=self.submission.is_8bit,
                is_smtputf8=self.submission.is_smtputf8,
                options=self.submission.options,
                recipient_options=self.submission.recipient_options,
            ),
            targets=tuple(recipient.target(self.urgency, size_bytes) for recipient in self.recipients),
            body=body,
            message_id=self.message_id,
            origin=self.submission.origin,
            trace_bytes=len(self.received),
            content_hash=ContentHash(self.added, content).digest() if self.role is Role.OUTBOX else None,
        )


class Intake:
    """Puts messages in the queue.

    Args:
        queue: where they go.
        hostname: our name in Received fields.
        max_hops: Received fields a message may come with.
        executor: runs what blocks: writing and syncing large bodies.
        wall: the time for Received fields, seconds since 1970.
    """

    def __init__(
        self,
        queue: Queue,
        hostname: str,
        max_hops: int,
        executor: Executor,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._hostname = hostname
        self._max_hops = max_hops
        self._executor = executor
        self._wall = wall
        self._landing = Landing()

    async def accept(self, submission: Submission, content: bytearray) -> str:
        """Put a message in the queue and wait until it is there.

        Args:
            submission: its envelope.
            content: the message with CRLF line ends; not changed.

        Returns:
            Its queue id (two, with a blank between, if it was split).

        Raises:
            MailLoop: it came through too many hops.
            StoreFull: the free-space reserve is touched, or the disk is full.
            StoreError: the disk or the database refused.
        """
        head = bytes(content[:HEADER_LOOK_BYTES])
        header = head[: header_section_end(head)]
        hops_count = hop_count(header)
        if hops_count > self._max_hops:
            raise MailLoop(f"too many hops: {hops_count} Received fields, {self._max_hops} are allowed")
        added = b""
        if submission.is_completed and len(header) < HEADER_LOOK_BYTES:
            added = self._missing(header)
        message_id = header_value(added + header, "Message-ID") or ""
        urgency = urgency_of(submission.options.priority, header)
        parts = [
            _Part(queue_id, role, recipients, received, added, message_id, urgency, submission)
            for role, recipients in _by_role(submission.recipients)
            for queue_id, received in (self._stamp(submission, recipients),)
        ]
        await self._put(parts, content)
        for part in parts:
            _log_received(part, content)
        return " ".join(part.id for part in parts)

    def _missing(self, header: bytes) -> bytes:
        now = self._wall()
        message_id = f"{self._queue.new_id()}.{int(now)}@{self._hostname}"
        return missing_fields(header, message_id, now, time.localtime(now).tm_gmtoff)

    def _stamp(self, submission: Submission, recipients: tuple[Recipient, ...]) -> tuple[str, bytes]:
        """A new queue id, and our trace field with it."""
        part_id = self._queue.new_id()
        now = self._wall()
        return part_id, received_line(
            from_helo=submission.helo,
            from_ip=submission.client_ip,
            by=self._hostname,
            protocol=submission.protocol,
            queue_id=part_id,
            for_recipient=recipients[0].address if len(submission.recipients) == 1 else None,
            unix_seconds=now,
            utc_offset_seconds=time.localtime(now).tm_gmtoff,
        )

    async def _put(self, parts: Sequence[_Part], content: bytearray) -> None:
        if all(len(part.front) + len(content) <= INLINE_BODY_BYTES for part in parts):
            committed = self._queue.put_together(
                [(part.message(b"".join((part.front, content)), content), part.role) for part in parts]
            )
        else:
            loop = asyncio.get_running_loop()
            committed = await loop.run_in_executor(self._executor, self._put_large, parts, content)
        await self._landing.wait(committed)

    def _put_large(self, parts: Sequence[_Part], content: bytearray) -> "Future[None]":
        self._queue.check_room(len(parts) * len(content))
        staged: list[StagedBody] = []
        try:
            for part in parts:
                body = self._queue.stage_body(part.id)
                staged.append(body)
                body.write(part.front)
                body.write(content)
            return self._queue.put_together(
                [(part.message(body, content), part.role) for part, body in zip(parts, staged, strict=True)]
            )
        except BaseException:
            for body in staged:
                body.discard()
            raise


def _by_role(recipients: tuple[Recipient, ...]) -> list[tuple[Role, tuple[Recipient, ...]]]:
    """The recipients of each role that has any; the inbox first."""
    here = tuple(recipient for recipient in recipients if recipient.choices is None)
    if not here:
        return [(Role.OUTBOX, recipients)]
    away = tuple(recipient for recipient in recipients if recipient.choices is not None)
    return [(Role.INBOX, here), (Role.OUTBOX, away)] if away else [(Role.INBOX, here)]


def _log_received(part: _Part, content: bytearray) -> None:
    size_bytes = part.size_bytes(content)
    for recipient in part.recipients:
        log_mail(
            "received",
            id=part.id,
            message_id=part.message_id or None,
            from_=part.submission.sender,
            to=recipient.address,
            node=recipient.node_name(size_bytes),
            size=len(content),
            client=part.submission.client_ip,
            user=part.submission.user or None,
            status="2.0.0",
        )
