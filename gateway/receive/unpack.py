"""From the bytes of a payload to the messages of the queue.

A payload is read once if it is small, and else three times: to prove that it is whole, to put its messages
in the inbox inside one transaction, and to write the mail log once they are there. Each reading makes the
same messages with the same ids, in a memory that does not grow with the batch.

A message or a recipient that can't be accepted becomes a dead delivery with its reason; the others
go on. ``BadBatch`` is for what leaves unclear where messages begin and end.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from gateway.errors import BadAddress, BadBatch, MessageError
from gateway.ids import BatchId
from gateway.message.address import check_mailbox, check_sender, shown
from gateway.message.bsmtp import BatchReader
from gateway.message.bsmtp_dialogue import (
    TOO_LARGE_STATUS,
    BatchLimits,
    Event,
    MessageData,
    MessageEnd,
    MessageRefused,
    MessageStart,
    RecipientRefused,
)
from gateway.message.envelope import Envelope
from gateway.message.from_line import FromLines, address_of
from gateway.message.header import (
    header_section_end,
    header_value,
    hop_count,
    node_hop_count,
    received_line,
)
from gateway.message.lines import crlf_chunks
from gateway.message.sendmail import RETURN_PATH_LIMIT_BYTES, split_return_path
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.entry import NewMessage, Outcome, Target, Verdict
from gateway.msgqueue.shelf import Body
from gateway.receive.admission import Admission, Arrival, is_postmaster
from gateway.routing.urgency import urgency_of

PROTOCOL = "NNCP"
ID_BYTES = 8

_RETURN_PATH = b"return-path:"


class CutShort(BadBatch):
    """The payload ends before the batch does, without any other fault."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the trace field and the ids of a batch's messages are made of.

    Args:
        salt: random bytes, the same for each reading of a payload.
        sender_name: the node it came from.
        own_name: our host name.
        own_node: what our node is called in trace fields, so that we know our own again; see ``node_tag``.
        wall_seconds: when it came, seconds since 1970.
    """

    salt: bytes
    sender_name: str
    own_name: str
    own_node: str
    wall_seconds: float

    def message_id(self, index: int) -> str:
        """The queue id of the message with that number in the batch."""
        return hashlib.blake2b(index.to_bytes(8, "big"), key=self.salt, digest_size=ID_BYTES).hexdigest()

    def received(self, message_id: str, recipients: tuple[str, ...]) -> bytes:
        """The trace field of a message."""
        return received_line(
            from_helo=self.sender_name,
            from_ip="",
            by=self.own_name,
            protocol=PROTOCOL,
            queue_id=message_id,
            node=self.own_node,
            for_recipient=recipients[0] if len(recipients) == 1 else None,
            unix_seconds=self.wall_seconds,
        )


class Unpacker:
    """One reading of a payload.

    Args:
        stamp: what is put in front of each message.
        admission: what is taken, and where it goes.
        limits: of messages and batches.
        new_body: begins the message with a queue id.
        kept_as: id of the payload in the quarantine, if a message's bytes are kept there alone.

    Attributes:
        batch_id: of a batch of ours, once that is known.
        lost: why the first of the messages whose bytes are not taken was refused, or None.
    """

    def __init__(
        self,
        stamp: Stamp,
        admission: Admission,
        limits: BatchLimits,
        new_body: Callable[[str], Body],
        kept_as: str | None = None,
    ) -> None:
        self.batch_id: BatchId | None = None
        self.lost: MessageError | None = None
        self._stamp = stamp
        self._admission = admission
        self._limits = limits
        self._new_body = new_body
        self._kept_as = kept_as
        self._index = 0
        self._envelope = Envelope("", ())
        self._refused: list[Target] = []
        self._body: Body | None = None
        self._size_bytes = 0

    def read_batch(self, chunks: Iterable[bytes], args: tuple[bytes, ...] = ()) -> Iterator[NewMessage]:
        """The messages of a BSMTP batch.

        Args:
            chunks: the batch.
            args: of the handle; the first may be the name of the batch.

        Raises:
            CutShort: the batch is not whole.
            BadBatch: it can't be read.
        """
        reader = BatchReader(self._limits)
        try:
            for name in args[:1]:
                reader.announce(name)
            for chunk in chunks:
                for event in reader.feed(chunk):
                    message = self._take(event)
                    if message is not None:
                        yield message
                self.batch_id = reader.batch_id
            try:
                reader.finish()
            except BadBatch as error:
                raise CutShort(str(error)) from None
        finally:
            self._discard()

    def read_single(self, args: tuple[bytes, ...], chunks: Iterable[bytes]) -> Iterator[NewMessage]:
        """The one message of a payload for the handle ``sendmail``.

        Args:
            args: the recipients.
            chunks: ``Return-Path: <sender>``, then the message, with LF or CRLF line ends.

        Raises:
            BadBatch: there is no Return-Path line, or no recipient.
            BadAddress: the sender is not an address.
        """
        source = iter(chunks)
        first = b""
        while len(first) < RETURN_PATH_LIMIT_BYTES and (chunk := next(source, b"")):
            first += chunk
        sender, rest = split_return_path(first)
        return self._read_message(sender, args, chain((rest,), source))

    def read_rmail(self, args: tuple[bytes, ...], chunks: Iterable[bytes]) -> Iterator[NewMessage]:
        """The one message of a payload for the handle ``rmail``.

        Args:
            args: the recipients; a path such as ``home!bob`` stands for ``bob@home``.
            chunks: the ``From`` lines, then the message, with LF or CRLF line ends.

        Raises:
            BadBatch: there is no From line, or no recipient.
            BadAddress: the sender is not an address.
        """
        lines, source = FromLines(), iter(chunks)
        first = b""
        while not first and (chunk := next(source, b"")):
            first = lines.feed(chunk)
        first += lines.finish()
        if lines.sender is None:
            raise BadBatch("the message does not begin with a line From that names its sender")
        check_sender(lines.sender)
        recipients = tuple(os.fsencode(address_of(os.fsdecode(arg))) for arg in args)
        return self._read_message(lines.sender, recipients, chain((first,), source))

    def read_nncpnet(self, args: tuple[bytes, ...], chunks: Iterable[bytes]) -> Iterator[NewMessage]:
        """The one message of a payload for the handle ``nncp-rmail-v1``.

        Its format is known by what mail servers hand to NNCPNET's programs: ``From`` lines (Exim, Postfix's
        flag F) or ``Return-Path`` (flag R) tell the sender. A message that has neither has the null sender.

        Args:
            args: the recipients, addresses as they are.
            chunks: the message, with LF or CRLF line ends.

        Raises:
            BadBatch: a From line that can't be read, or no recipient.
            BadAddress: the sender is not an address.
        """
        lines, source = FromLines(), iter(chunks)
        first = b""
        while len(first) < RETURN_PATH_LIMIT_BYTES and (chunk := next(source, b"")):
            first += lines.feed(chunk)
        first += lines.finish()
        sender = lines.sender
        if sender is not None:
            check_sender(sender)
        elif first[: len(_RETURN_PATH)].lower() == _RETURN_PATH:
            sender, first = split_return_path(first)
        return self._read_message(sender or "", args, chain((first,), source))

    def _read_message(
        self, sender: str, args: tuple[bytes, ...], content: Iterator[bytes]
    ) -> Iterator[NewMessage]:
        if not args:
            raise BadBatch("no recipient was given behind the handle")
        recipients = [arg for arg in map(self._recipient, args) if arg is not None]
        is_ascii = sender.isascii() and all(map(str.isascii, recipients))
        envelope = Envelope(sender, tuple(recipients), is_smtputf8=not is_ascii)
        try:
            yield self._single(envelope, content)
        finally:
            self._discard()

    def _single(self, envelope: Envelope, content: Iterator[bytes]) -> NewMessage:
        self._begin(envelope)
        is_8bit = False
        try:
            for piece in crlf_chunks(content):
                if self._size_bytes + len(piece) > self._limits.message_bytes:
                    text = f"the message is larger than {self._limits.message_bytes} bytes"
                    raise MessageError(text, status=TOO_LARGE_STATUS)
                is_8bit = is_8bit or not piece.isascii()
                self._write(piece)
        except MessageError as error:
            return self._lose(envelope, error)
        return self._finish(is_8bit=is_8bit)

    def _recipient(self, raw: bytes) -> str | None:
        """The address an argument is, or None after it was put among the refused ones."""
        try:
            if raw.startswith(b"-"):
                raise BadAddress(f"{shown(raw)} could be taken for an option")
            try:
                recipient = raw.decode("utf-8")
            except UnicodeDecodeError:
                raise BadAddress(f"{shown(raw)} is not UTF-8") from None
            if is_postmaster(recipient):
                return recipient
            check_mailbox(recipient, is_utf8_allowed=True)
        except BadAddress as error:
            self._refused.append(_dead(shown(raw)[1:-1], error))
            return None
        return recipient

    def _take(self, event: Event) -> NewMessage | None:
        if isinstance(event, MessageData):
            self._write(event.data)
        elif isinstance(event, MessageStart):
            self._begin(event.envelope)
        elif isinstance(event, MessageEnd):
            return self._finish(is_8bit=event.is_8bit)
        elif isinstance(event, RecipientRefused):
            self._refused.append(_dead(event.address, MessageError(event.text, status=event.status)))
        else:
            return self._lose_refused(event)
        return None

    def _current(self) -> Body:
        if self._body is None:
            raise AssertionError("internal error: content outside of a message")
        return self._body

    def _write(self, piece: bytes) -> None:
        self._current().write(piece)
        self._size_bytes += len(piece)

    def _begin(self, envelope: Envelope) -> None:
        self._envelope, self._size_bytes = envelope, 0
        message_id = self._stamp.message_id(self._index)
        everybody = (*envelope.recipients, *(target.recipient for target in self._refused))
        self._body = self._new_body(message_id)
        self._body.write(self._stamp.received(message_id, everybody))

    def _finish(self, *, is_8bit: bool) -> NewMessage:
        body = self._current()
        head = body.head()
        envelope = replace(self._envelope, is_8bit=self._envelope.is_8bit or is_8bit)
        targets = self._admission.targets(self._arrival(envelope, head), envelope.recipients)
        message = self._message(envelope, (*targets, *self._refused), body.finish(), _id_in(head))
        self._body = None
        return message

    def _arrival(self, envelope: Envelope, head: bytes) -> Arrival:
        header = head[: header_section_end(head)]
        return Arrival(
            envelope.sender,
            self._size_bytes,
            # One of the fields is the one just added.
            hop_count=hop_count(header) - 1,
            own_hop_count=node_hop_count(header, self._stamp.own_node) - 1,
            urgency=urgency_of(envelope.options.priority, header),
        )

    def _lose_refused(self, event: MessageRefused) -> NewMessage:
        return self._lose(event.envelope, MessageError(event.text, status=event.status))

    def _lose(self, envelope: Envelope, error: MessageError) -> NewMessage:
        """The record of a message whose bytes are not taken."""
        self.lost = self.lost or error
        message_id = "" if self._body is None else _id_in(self._body.head())
        self._discard()
        kept = "" if self._kept_as is None else f" (the batch is kept in quarantine: {self._kept_as})"
        refusal = Outcome(Verdict.REFUSED, error.status, f"{error}{kept}")
        targets = tuple(Target(recipient, refusal=refusal) for recipient in envelope.recipients)
        if not targets and not self._refused:
            targets = (Target("", refusal=refusal),)
        return self._message(envelope, (*targets, *self._refused), b"", message_id)

    def _message(
        self, envelope: Envelope, targets: tuple[Target, ...], body: bytes | StagedBody, message_id: str
    ) -> NewMessage:
        message = NewMessage(
            id=self._stamp.message_id(self._index),
            envelope=replace(envelope, recipients=tuple(target.recipient for target in targets)),
            targets=targets,
            body=body,
            message_id=message_id,
            origin=self._stamp.sender_name,
        )
        self._index += 1
        self._refused = []
        return message

    def _discard(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.discard()


def _dead(recipient: str, error: MessageError) -> Target:
    return Target(recipient, refusal=Outcome(Verdict.REFUSED, error.status, str(error)))


def _id_in(head: bytes) -> str:
    return header_value(head, "Message-ID") or ""
