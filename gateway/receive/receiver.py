"""The receiver: takes the payload of an exec packet, commits its messages to the inbox.

A call that returns means: the packet can go. What was in it is in the inbox, was there already, or
is in the quarantine with a record; all of it on disk. A call that raises means: the packet must stay and
will be tried again. So only faults that can pass raise:

- the disk is full, the queue is busy (``StoreError``);
- the batch is larger than allowed: it goes through once the limit is raised (``TooLarge``);
- its neighbour has more waiting here than its rate allows (``OverRate``);
- the payload is cut short, and it is not known whether the packet was: Go's tosser feeds a handler
  while it still decrypts, so a damaged packet looks like this. It stays with the tosser, which goes
  on reporting it, and nothing of it is delivered or kept here (``CutShort``).

When our own tosser calls, the packet was authenticated to its last byte: a batch cut short was
written so, will never get better, and goes to the quarantine.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from gateway.durable import Disk
from gateway.errors import BadBatch, ConfigError, GatewayError, MessageError
from gateway.ids import BatchId, NodeId
from gateway.maillog import log_mail
from gateway.message.address import is_domain
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.msgqueue.entry import NewMessage, Received
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.insertion import size_of
from gateway.msgqueue.pace import Account, check_backlog
from gateway.msgqueue.payload import DIRECTORY_NAME as STAGING_NAME
from gateway.msgqueue.payload import Payload, stage_payload
from gateway.msgqueue.shelf import HEAD_LIMIT_BYTES, Body, HeadBody, Shelf
from gateway.msgqueue.store import Queue
from gateway.receive import quarantine
from gateway.receive.admission import Admission, FindWay, House
from gateway.receive.arrival_lines import ArrivalLines
from gateway.receive.quarantine import Quarantine, Source
from gateway.receive.unpack import CutShort, Stamp, Unpacker
from gateway.routing.rights import Rights

SALT_BYTES = 16
NODE_TAG_CHARS = 16
"""Of an id in base32: 80 bits, enough to know ourselves again."""
CUT_SHORT_STATUS = "4.6.0"
SENDMAIL = "sendmail"
RMAIL = "rmail"
NNCPNET = "nncp-rmail-v1"
"""As NNCPNET names it."""
RSMTP = "rsmtp"
SINGLE = frozenset({SENDMAIL, RMAIL, NNCPNET})
"""Handles whose payload is one message."""
KEPT_BYTES = 1 << 20
KEPT_COUNT = 1000
"""A payload of so many bytes and messages is read once: its messages stay in memory."""

Read = Callable[[Unpacker, Iterable[bytes]], Iterator[NewMessage]]


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """How the receiver works.

    Args:
        own_name: our host name, for the trace field.
        local_domains: what is delivered here; see ``House``.
        own_id: our node, for trace fields and against loops; None: it is not named there.
        max_hops: Received fields a message may have when it comes.
        max_own_hops: those of them that this very node wrote.
        rights: what nodes may send, and areas where no node answers for a message.
        areas: ids of the areas that messages may come by.
        limits: of messages and batches.
        max_batch_bytes: of a payload, decompressed.
        max_quarantine_bytes: of all payloads set aside.

    Raises:
        ConfigError: a value that can not work.
    """

    own_name: str
    local_domains: tuple[str, ...]
    own_id: NodeId | None = None
    max_hops: int = 50
    max_own_hops: int = 3
    rights: Mapping[NodeId, Rights] = field(default_factory=dict)
    areas: frozenset[NodeId] = frozenset()
    limits: BatchLimits = field(default_factory=BatchLimits)
    max_batch_bytes: int = 1 << 30
    max_quarantine_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if not is_domain(self.own_name):
            raise ConfigError(f"{self.own_name!r} is not a host name for a trace field")

    @property
    def own_node(self) -> str:
        """What our node is called in trace fields."""
        return "" if self.own_id is None else self.own_id.text[:NODE_TAG_CHARS]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a payload.

    Args:
        is_duplicate: it had been received before: nothing was changed.
        message_count: messages put in the queue, the refused ones among them.
        dead_count: recipients that were refused, and are dead letters.
        late_count: messages that wait because their neighbour sends more than it may.
        quarantine_id: under which the payload is kept, or None. With a ``message_count`` of 0 it could
            not be read at all.
    """

    is_duplicate: bool = False
    message_count: int = 0
    dead_count: int = 0
    late_count: int = 0
    quarantine_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """What the first reading found: the payload is whole.

    Args:
        batch: its id, if it is a batch of ours.
        lost: why the first of the messages whose bytes are not taken was refused, or None.
        messages: all of them; none: the payload is to be read again.
    """

    batch: BatchId | None
    lost: MessageError | None
    messages: Sequence[NewMessage]


class Receiver:
    """Takes payloads in.

    Args:
        queue: the open queue.
        disk: how files are changed.
        settings: how.
        find_way: where mail goes, by the routes; None: it is delivered here or refused.
        name_of: the name of a node.
    """

    def __init__(
        self,
        queue: Queue,
        disk: Disk,
        settings: ReceiveSettings,
        *,
        find_way: FindWay | None = None,
        name_of: Callable[[NodeId], str] = str,
    ) -> None:
        self._queue = queue
        self._disk = disk
        self._settings = settings
        self._inbox = Inbox(queue)
        self._house = House(settings.local_domains, settings.max_hops, settings.max_own_hops, find_way)
        self._name_of = name_of
        self._quarantine = Quarantine(
            queue.directory / quarantine.DIRECTORY_NAME,
            queue.directory / STAGING_NAME,
            disk,
            settings.max_quarantine_bytes,
        )

    def begin(self, source: Source) -> "Reception":
        """Begin to take in a payload that comes piece by piece.

        Args:
            source: where it comes from; its handle says how it is read.

        Raises:
            StoreError: the disk refused.
        """
        payload = stage_payload(self._queue.directory, self._disk)
        return Reception(payload, self._settings.max_batch_bytes, self._queue.check_room, source, self.finish)

    def finish(self, payload: Payload, source: Source) -> Receipt:
        """Take in a payload that is staged whole.

        Raises:
            GatewayError: the packet must stay; see above.
        """
        return self._take_in(payload, source, _reading_of(source))

    def _take_in(self, payload: Payload, source: Source, read: Read) -> Receipt:
        stamp = Stamp(
            secrets.token_bytes(SALT_BYTES),
            source.sender_name,
            self._settings.own_name,
            self._settings.own_node,
            self._queue.clock.wall(),
        )
        try:
            finding = self._examine(payload, source, read, stamp)
        except CutShort as error:
            if source.packet is None:
                raise CutShort(f"{error}; the packet is kept", status=CUT_SHORT_STATUS) from None
            return Receipt(quarantine_id=self._set_aside(payload, source, error))
        except MessageError as error:
            return Receipt(quarantine_id=self._set_aside(payload, source, error))
        kept_as = None if finding.lost is None else self._set_aside(payload, source, finding.lost)
        self._queue.check_room(payload.size_bytes)
        check_backlog(self._queue, self._account(source))
        lines = ArrivalLines(source, finding.batch, self._name_of)

        def messages(new_body: Callable[[str], Body]) -> Iterable[NewMessage]:
            unpacker = self._unpacker(source, stamp, new_body, kept_as)
            return finding.messages or read(unpacker, payload.chunks())

        received = self._put(messages, source, finding.batch)
        if received.is_duplicate:
            lines.duplicate(received)
            return Receipt(is_duplicate=True, quarantine_id=kept_as)
        dead_count = sum(map(lines.message, messages(lambda _: HeadBody())))
        lines.slowed(received)
        return Receipt(
            message_count=received.message_count,
            dead_count=dead_count,
            late_count=received.late_count,
            quarantine_id=kept_as,
        )

    def _examine(self, payload: Payload, source: Source, read: Read, stamp: Stamp) -> _Finding:
        """Read the payload to its end, keeping no more than a little.

        Raises:
            CutShort: it is not whole.
            MessageError: it can't be read.
        """
        if source.handle in SINGLE and source.packet is None and payload.last_byte != b"\n":
            # One message has no end of its own. Every mail server ends it with a line end.
            raise CutShort("the message does not end in a line end")
        unpacker = self._unpacker(source, stamp, lambda _: HeadBody(), None)
        count, kept = 0, list[NewMessage]()
        is_kept = payload.size_bytes <= KEPT_BYTES
        for message in read(unpacker, payload.chunks()):
            count += 1
            is_kept = is_kept and count <= KEPT_COUNT and size_of(message) < HEAD_LIMIT_BYTES
            if is_kept:
                kept.append(message)
            else:
                kept.clear()
        if count == 0:
            raise BadBatch("the batch holds no message")
        # The record of a message that was lost is to say where the payload is kept, and it is nowhere yet.
        is_kept = is_kept and unpacker.lost is None
        return _Finding(unpacker.batch_id, unpacker.lost, kept if is_kept else ())

    def _put(
        self,
        messages: Callable[[Callable[[str], Body]], Iterable[NewMessage]],
        source: Source,
        batch: BatchId | None,
    ) -> Received:
        shelf = Shelf(self._queue)
        account = self._account(source)
        try:
            received = self._inbox.put_batch(
                source.sender, messages(shelf.new_body), batch=batch, packet=source.packet, account=account
            )
        except BaseException:
            shelf.abandon()
            raise
        shelf.release()
        return received

    def _unpacker(
        self, source: Source, stamp: Stamp, new_body: Callable[[str], Body], kept_as: str | None
    ) -> Unpacker:
        # An area brings a message to all who subscribe to it: each takes what is its own.
        is_relayed = source.sender not in self._settings.areas
        admission = Admission(self._house, source.sender, self._rights(source), is_relayed)
        return Unpacker(stamp, admission, self._settings.limits, new_body, kept_as)

    def _rights(self, source: Source) -> Rights:
        return self._settings.rights.get(source.answerable, Rights())

    def _account(self, source: Source) -> Account:
        return Account(source.answerable, self._rights(source).rate)

    def _set_aside(self, payload: Payload, source: Source, why: GatewayError) -> str:
        kept_as = self._quarantine.keep(payload, source, why, self._queue.clock.wall())
        log_mail(
            "quarantined",
            node=source.sender_name,
            packet=None if source.packet is None else source.packet.text,
            handle=source.handle,
            quarantine=kept_as,
            status=why.status,
            text=str(why),
        )
        return kept_as


class Reception:
    """A payload on its way in; leaving the ``with`` block forgets what was not finished.

    Args:
        payload: where it is staged.
        limit_bytes: of the payload.
        check_room: called with a number of bytes to come.
        source: where it comes from.
        finish: takes the staged payload in.
    """

    def __init__(
        self,
        payload: Payload,
        limit_bytes: int,
        check_room: Callable[[int], None],
        source: Source,
        finish: Callable[[Payload, Source], Receipt],
    ) -> None:
        self._payload = payload
        self._limit_bytes = limit_bytes
        self._check_room = check_room
        self._source = source
        self._finish = finish

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            TooLarge: more than is allowed.
            StoreError: the disk refused.
        """
        self._payload.write(chunk, self._limit_bytes, self._check_room)

    def finish(self) -> Receipt:
        """Say that the payload is whole, and take it in.

        Raises:
            GatewayError: the packet must stay; see the module.
        """
        return self._finish(self._payload, self._source)

    def take_all(self, chunks: Iterable[bytes]) -> Receipt:
        """``write`` all chunks, then ``finish``."""
        for chunk in chunks:
            self.write(chunk)
        return self.finish()

    def discard(self) -> None:
        """Forget what was not finished. Idempotent."""
        self._payload.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


def _reading_of(source: Source) -> Read:
    """How a payload is read, by its handle."""
    if source.handle == SENDMAIL:
        return lambda unpacker, chunks: unpacker.read_single(source.args, chunks)
    if source.handle == RMAIL:
        return lambda unpacker, chunks: unpacker.read_rmail(source.args, chunks)
    if source.handle == NNCPNET:
        return lambda unpacker, chunks: unpacker.read_nncpnet(source.args, chunks)
    return lambda unpacker, chunks: unpacker.read_batch(chunks, source.args)
