"""The values that go in and out of the queue.

A *message* is one mail with its envelope; a *delivery* is one recipient of it, and the unit
that has a state. The states and who changes them:

    outbox   queued -> claimed -> sent
             queued -> dead                      (can never be sent: see the status)
             (new) -> held -> queued             (too large for the link, until a person lets it go)
    inbox    queued -> delivered
             queued -> queued                    (deferred: attempts and next try changed)
             queued -> dead                      (refused, expired, or our own repeated fault)
             (new) -> held -> queued             (as above)
    both     queued <-> held, dead -> queued, queued | held | dead -> dropped   (``operations``: a person)

``docs/reference/queue.md`` says what is on disk in each of them and after a crash.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from gateway.ids import BatchId, NodeId, PacketId
from gateway.message.envelope import Envelope
from gateway.msgqueue.bodies import StagedBody


class Role(StrEnum):
    """Which way a message goes."""

    OUTBOX = "outbox"
    INBOX = "inbox"


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    HELD = "held"
    SENT = "sent"
    DELIVERED = "delivered"
    DEAD = "dead"
    DROPPED = "dropped"


class HeldBy(StrEnum):
    """What holds a delivery until a person lets it go."""

    SIZE = "size"
    """It is too large for the link."""
    PERSON = "person"


class BatchState(StrEnum):
    """How far a batch has come; ``docs/reference/queue.md`` has the crash table."""

    CLAIMED = "claimed"
    NAMED = "named"
    DONE = "done"


class Form(StrEnum):
    """What a neighbour understands, and so how its batches are written."""

    GATEWAY = "gateway"
    BSMTP = "bsmtp"
    SENDMAIL = "sendmail"
    RNEWS = "rnews"
    """For articles of news."""


class Verdict(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    REFUSED = "refused"


class Success(StrEnum):
    """Who tells a sender that wants to know of success, once a message has left; RFC 3461 section 5.2."""

    DELIVERED = "delivered"
    """We do: it is in its mailbox."""
    RELAYED = "relayed"
    """We do: the next system sends no such reports."""
    PASSED_ON = "passed on"
    """The next system does: it was told the wish."""


class Outcome(NamedTuple):
    """The result of one attempt for one recipient.

    Args:
        verdict: what to do with the delivery.
        status: RFC 3463 status; its first digit agrees with the verdict.
        text: for a person, one line.
        success: of a delivered one: who tells of it.
        is_cut: nobody knows how it ended: the connection or the command broke off in the middle. The next
            try is made alone, behind all others, so that a message that breaks servers harms no other.
    """

    verdict: Verdict
    status: str
    text: str
    success: Success = Success.RELAYED
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One recipient of a new message, and where it goes.

    Args:
        recipient: the address, without angle brackets.
        node: outbox: the destination node; inbox: None.
        nice: outbox: niceness of the lane, 1 to 255; inbox: 0.
        refusal: set when the recipient can't be served: it is recorded as dead at once.
    """

    recipient: str
    node: NodeId | None = None
    nice: int = 0
    refusal: Outcome | None = None


class NewMessage(NamedTuple):
    """A message to be put in the queue.

    Args:
        id: from ``Queue.new_id``.
        envelope: sender, flags and options; its recipients are those of ``targets``.
        targets: one for each recipient.
        body: the message with CRLF line ends, or a staged file that holds it.
        message_id: the Message-ID header's value for logs and people, or "".
        origin: who gave it to us, for people: an address, a node's name.
        trace_bytes: how much of the body is our trace field, which stands in front.
        content_hash: ``copies.ContentHash`` of the rest; None: this message has no copies.
    """

    id: str
    envelope: Envelope
    targets: tuple[Target, ...]
    body: bytes | StagedBody
    message_id: str
    origin: str
    trace_bytes: int = 0
    content_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What travels together: mail of one niceness to one node."""

    node: NodeId
    nice: int


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """What waits in a lane.

    Args:
        lane: which.
        message_count: messages with at least one queued recipient.
        size_bytes: their sizes together.
        oldest_age_seconds: how long the first of them has waited.
        flush_seconds: until the lane is closed because somebody asked for it, 0 or less: now; None:
            nobody did.
        largest_bytes: size of the largest message.
        full_seconds: how long it has held a whole batch; None: it does not, or nobody has looked.
    """

    lane: Lane
    message_count: int
    size_bytes: int
    oldest_age_seconds: float
    flush_seconds: float | None = None
    largest_bytes: int = 0
    full_seconds: float | None = None

    @property
    def is_flush_due(self) -> bool:
        """Whether the lane is to be closed now, whatever is in it."""
        return self.flush_seconds is not None and self.flush_seconds <= 0


class QueuedMessage(NamedTuple):
    """A message of the queue with those of its recipients that are meant.

    Args:
        seq: its place in the order of arrival.
        id: its queue id.
        envelope: sender, flags, options and the recipients meant; time left until a deadline is counted
            from when this value was read.
        delivery_seqs: the deliveries, in the order of ``envelope.recipients``.
        size_bytes: of the body.
        message_id: the Message-ID header's value, or "".
        origin: who gave it to us.
        age_seconds: time since arrival on the queue's own clock.
        attempts: most attempts made for one of the recipients.
        trace_bytes: how much of the body is our trace field, which stands in front.
        kind: the same for messages that may be copies; None: it has none.
    """

    seq: int
    id: str
    envelope: Envelope
    delivery_seqs: tuple[int, ...]
    size_bytes: int
    message_id: str
    origin: str
    age_seconds: float
    attempts: int
    trace_bytes: int = 0
    kind: bytes | None = None

    def only(self, delivery_seqs: Collection[int]) -> "QueuedMessage":
        """The message with some of its recipients."""
        if len(delivery_seqs) == len(self.delivery_seqs):
            return self
        kept = [
            (recipient, seq)
            for recipient, seq in zip(self.envelope.recipients, self.delivery_seqs, strict=True)
            if seq in delivery_seqs
        ]
        envelope = replace(self.envelope, recipients=tuple(recipient for recipient, _ in kept))
        return self._replace(envelope=envelope, delivery_seqs=tuple(seq for _, seq in kept))


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages claimed to travel in one packet.

    Args:
        id: 128 random bits, the same however often the batch is sealed.
        lane: where they go.
        form: how the body is written.
        state: how far it is.
        temporary: name of the file the packet is built in, in the tx directory of ``first_hop``.
        first_hop: the node whose tx directory it goes to.
        packet: the packet's name, once it is known.
        message_count: messages in it.
    """

    id: BatchId
    lane: Lane
    form: Form
    state: BatchState
    temporary: str
    first_hop: NodeId
    packet: PacketId | None
    message_count: int


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a batch that was received.

    Args:
        is_duplicate: it had been received before: nothing was changed.
        message_count: messages put in the queue.
        first_packet: of a duplicate: text of the packet it came in first, or "".
        late_count: messages that wait because their neighbour sends more than it may.
        longest_wait_seconds: the longest wait of them.
    """

    is_duplicate: bool
    message_count: int
    first_packet: str = ""
    late_count: int = 0
    longest_wait_seconds: float = 0.0
