"""Batch SMTP: many messages with their envelopes in one body, written and read as a stream.

A batch is the client's half of an SMTP session, nothing of our own in it::

    HELO 0123456789abcdef0123456789abcdef.2.batch.nncp-gateway.invalid
    MAIL FROM:<sender@example.org>
    RCPT TO:<one@example.net>
    RCPT TO:<two@example.net>
    DATA
    (the message, dots doubled, CRLF)
    .
    MAIL FROM:<> ...
    QUIT

The name in HELO is where a batch of ours says its id and how many messages it holds; every other
receiver takes it for a host name. Between gateways the name travels beside the batch, where it costs
nothing, and lines end in LF.

States of the reader::

    COMMAND --DATA--> CONTENT --final dot--> COMMAND --QUIT--> ENDED
    any --a fault of the batch--> FAILED (every further call raises the same error)

Contract: a batch may be cut anywhere between two ``feed`` calls without another outcome. Only
``finish`` proves that the batch is whole. A fault inside one message refuses that message, not
the batch: ``MessageRefused`` may come instead of ``MessageStart`` or at any time before
``MessageEnd``, and whoever keeps the data then throws it away. A fault that leaves it unclear where
a message begins or ends is BadBatch.

Spec: RFC 2442; RFC 5321 sections 3.3, 4.1.1 and 4.5.2.
"""

from collections.abc import Iterable, Iterator

from gateway.errors import BadAddress, BadBatch, MessageError
from gateway.ids import BatchId
from gateway.message.address import POSTMASTER, check_mailbox, has_common_domain, shown
from gateway.message.bsmtp_dialogue import (
    BATCH_DOMAIN,
    TOO_LARGE_STATUS,
    BatchLimits,
    Dialogue,
    Event,
    MessageData,
    MessageEnd,
    MessageRefused,
    MessageStart,
    RecipientRefused,
)
from gateway.message.envelope import Envelope
from gateway.message.esmtp import ALL_EXTENSIONS, mail_words, recipient_words
from gateway.message.lines import CR, CRLF, LF, DotReader, DotStuffer, find_stray, stray_text, uncut

__all__ = [
    "BATCH_DOMAIN",
    "BatchLimits",
    "BatchReader",
    "BatchWriter",
    "Event",
    "MessageData",
    "MessageEnd",
    "MessageRefused",
    "MessageStart",
    "RecipientRefused",
    "check_envelope",
]


_NAME_END = f".{BATCH_DOMAIN}".encode("ascii")
_LINE_ENDS = frozenset(CRLF)


class BatchWriter:
    """Write one batch: ``start``, ``message`` for each message, ``end``.

    Contract: what is yielded, in a row, is the body. Memory does not grow with a message. After an
    error the batch is to be thrown away.

    Args:
        is_esmtp: the receiver is known to read ESMTP parameters. ``exim -bS`` does not: it stops at
            the first one and drops the rest of the batch.
        eol: the line end of all of it. LF compresses better, and comes out as CRLF.

    Spec: RFC 2442.
    """

    __slots__ = ("_eol", "_is_esmtp", "_is_open", "_left_count")

    def __init__(self, *, is_esmtp: bool = False, eol: bytes = CRLF) -> None:
        self._is_esmtp = is_esmtp
        self._eol = eol
        self._left_count: int | None = None
        self._is_open = False

    def start(self, batch_id: BatchId, message_count: int) -> bytes:
        """Write the greeting with the id of the batch.

        Args:
            batch_id: fixed when the messages were claimed.
            message_count: how many times ``message`` will be called, at least 1.
        """
        greeting = b"EHLO " if self._is_esmtp else b"HELO "
        return self._local(greeting + self.announce(batch_id, message_count) + CRLF)

    def announce(self, batch_id: BatchId, message_count: int) -> bytes:
        """Begin a batch without a greeting; returns the name that tells the same, to travel beside it.

        Args:
            batch_id: as for ``start``.
            message_count: as for ``start``.
        """
        if self._left_count is not None or message_count < 1:
            raise AssertionError("internal error: a batch is started once and holds a message at least")
        self._left_count = message_count
        return f"{batch_id.text}.{message_count}.{BATCH_DOMAIN}".encode("ascii")

    def message(self, envelope: Envelope, content: Iterable[bytes]) -> Iterator[bytes]:
        """Write one message; the iterator must be exhausted before the next call.

        Args:
            envelope: with one recipient at least.
            content: the message with CRLF line ends, in chunks of any size.

        Raises:
            BadAddress: an address of the envelope would not be read at the other end.
            MessageError: a bare CR, a bare LF or a NUL in the content.
        """
        if self._is_open or not self._left_count:
            raise AssertionError("internal error: more messages than announced, or one was not written out")
        self._is_open = True
        yield self._local(self._commands(envelope))
        stuffer = DotStuffer()
        for piece in uncut(content):
            yield self._local(stuffer.feed(piece))
        yield self._local(stuffer.finish())
        self._left_count -= 1
        self._is_open = False

    def end(self) -> bytes:
        """Write the end of the batch."""
        if self._is_open or self._left_count != 0:
            raise AssertionError("internal error: fewer messages than announced")
        return self._local(b"QUIT\r\n")

    def _local(self, lines: bytes) -> bytes:
        """The line ends of this batch, for a piece that is not cut inside one."""
        return lines if self._eol == CRLF else lines.replace(CRLF, self._eol)

    def _commands(self, envelope: Envelope) -> bytes:
        check_envelope(envelope, is_esmtp=self._is_esmtp)
        parameters = _mail_parameters(envelope) if self._is_esmtp else ""
        options = envelope.recipient_options if self._is_esmtp else {}
        lines = [f"MAIL FROM:<{envelope.sender}>{parameters}"]
        for recipient in envelope.recipients:
            words = recipient_words(options[recipient], ALL_EXTENSIONS) if recipient in options else ""
            lines.append(f"RCPT TO:<{recipient}>{words}")
        return "\r\n".join([*lines, "DATA\r\n"]).encode("utf-8")


def _mail_parameters(envelope: Envelope) -> str:
    is_ascii = envelope.sender.isascii() and all(map(str.isascii, envelope.recipients))
    is_smtputf8 = envelope.is_smtputf8 or not is_ascii
    flags = " BODY=8BITMIME" * envelope.is_8bit + " SMTPUTF8" * is_smtputf8
    return flags + mail_words(envelope.options, ALL_EXTENSIONS)


def check_envelope(envelope: Envelope, *, is_esmtp: bool) -> None:
    """Say before a batch is begun whether a message can be put in it.

    Args:
        envelope: of the message.
        is_esmtp: as for the ``BatchWriter``. Without it, domains that ``exim -bS`` refuses are
            refused here: one such address and Exim drops the rest of the batch, at every try again.

    Raises:
        BadAddress: an address would not be taken at the other end, or there is no recipient.
    """
    if not envelope.recipients:
        raise BadAddress("a message without recipients can not be put in a batch")
    if envelope.sender:
        _check_address(envelope.sender, is_esmtp=is_esmtp)
    for recipient in envelope.recipients:
        if recipient.lower() != POSTMASTER:
            _check_address(recipient, is_esmtp=is_esmtp)


def _check_address(address: str, *, is_esmtp: bool) -> None:
    check_mailbox(address, is_utf8_allowed=True)
    if not is_esmtp and not has_common_domain(address):
        text = f"address {shown(address)} can not be put in a batch for a stock receiver"
        raise BadAddress(f"{text}: its domain must be letters, digits, hyphens and dots")


class BatchReader:
    """Read one batch, ours or anybody's.

    Commands may be in any case and end in CRLF or LF; HELO and QUIT may be missing, unless the
    batch carries an id of ours. The line end of ``DATA`` says which one the message has: after LF, as
    Exim writes batches, the whole message has LF and comes out with CRLF; after CRLF a bare LF is a stray.

    Args:
        limits: what is taken.
    """

    __slots__ = (
        "_content",
        "_dialogue",
        "_error",
        "_is_8bit",
        "_is_refused",
        "_limits",
        "_pending",
        "_size_bytes",
    )

    def __init__(self, limits: BatchLimits | None = None) -> None:
        self._limits = limits or BatchLimits()
        self._dialogue = Dialogue(self._limits)
        self._pending = b""
        self._content: DotReader | None = None
        self._size_bytes = 0
        self._is_8bit = False
        self._is_refused = False
        self._error: str | None = None

    @property
    def batch_id(self) -> BatchId | None:
        """Id of a batch of ours, once its greeting was read; None for any other."""
        return self._dialogue.batch_id

    @property
    def expected_count(self) -> int | None:
        """How many messages the greeting announced; None for a batch that is not ours."""
        return self._dialogue.expected_count

    @property
    def message_count(self) -> int:
        """Messages whose end was read, the refused ones among them."""
        return self._dialogue.message_count

    def announce(self, name: bytes) -> None:
        """Take what came beside the batch, as if its greeting said it; what is no name of a batch counts not.

        Raises:
            BadBatch: the name of a batch that can't be.
        """
        if name.lower().endswith(_NAME_END) and not set(name) & _LINE_ENDS:
            self.feed(b"EHLO " + name + CRLF)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the batch.

        Raises:
            BadBatch: it can not be told where messages begin or end, or a limit of the batch was passed.
        """
        self._check_usable()
        buffer = self._pending + data
        position = 0
        events: list[Event] = []
        try:
            while position < len(buffer):
                if self._content is None:
                    following = self._read_line(buffer, position, events)
                else:
                    following = self._read_content(self._content, buffer, position, events)
                if following == position:
                    break
                position = following
        except BadBatch as error:
            self._error = str(error)
            raise
        self._pending = buffer[position:]
        return events

    def finish(self) -> None:
        """Say that no more bytes come.

        Raises:
            BadBatch: the batch is not whole.
        """
        self._check_usable()
        if self._content is not None:
            self._error = f"the batch ends inside a message, {self._dialogue.place}"
        elif self._pending:
            self._error = f"the batch ends inside a line, {self._dialogue.place}"
        else:
            self._error = self._dialogue.fault_at_end()
        self._check_usable()

    def _check_usable(self) -> None:
        if self._error is not None:
            raise BadBatch(self._error)

    def _read_line(self, buffer: bytes, position: int, events: list[Event]) -> int:
        if self._dialogue.has_ended:
            if buffer[position:].strip(CRLF):
                raise BadBatch("there are bytes behind QUIT")
            return len(buffer)
        limit = position + self._limits.command_bytes
        end = buffer.find(LF, position, limit)
        if end < 0:
            if len(buffer) >= limit:
                raise BadBatch(f"a command is longer than {self._limits.command_bytes} bytes")
            return position
        eol = CRLF if buffer.startswith(CR, end - 1) and end > position else LF
        line = buffer[position : end + 1 - len(eol)]
        begin = self._dialogue.take(line) if line else None
        if begin is None:
            return end + 1
        events += begin
        self._size_bytes = 0
        self._is_8bit = False
        self._is_refused = isinstance(begin[-1], MessageRefused)
        # The reader of content wants the line end of DATA in front.
        self._content = DotReader(eol)
        return end + 1 - len(eol)

    def _read_content(self, content: DotReader, buffer: bytes, position: int, events: list[Event]) -> int:
        piece, following = content.read(buffer, position)
        if piece and not self._is_refused:
            self._take_piece(piece, events)
        if content.is_done:
            if not self._is_refused:
                events.append(MessageEnd(self._size_bytes, is_8bit=self._is_8bit))
            self._dialogue.end_message()
            self._content = None
        return following

    def _take_piece(self, piece: bytes, events: list[Event]) -> None:
        room_bytes = self._limits.message_bytes - self._size_bytes
        stray = find_stray(piece)
        # The first fault counts, so that it does not depend on how the batch is cut.
        if stray is not None and stray[1] <= room_bytes:
            self._refuse(events, stray_text(stray[0], self._size_bytes + stray[1]), MessageError.status)
        elif len(piece) > room_bytes:
            text = f"the message is larger than {self._limits.message_bytes} bytes"
            self._refuse(events, text, TOO_LARGE_STATUS)
        else:
            self._size_bytes += len(piece)
            self._is_8bit = self._is_8bit or not piece.isascii()
            events.append(MessageData(piece))

    def _refuse(self, events: list[Event], text: str, status: str) -> None:
        transaction = self._dialogue.transaction
        if transaction is None:
            raise AssertionError("internal error: a message is refused outside of one")
        self._is_refused = True
        events.append(MessageRefused(transaction.envelope(), text, status))
