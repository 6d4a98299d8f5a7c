"""One message from a local program: a mail server's pipe, a script, a mail client's sendmail.

Contract: when the future of ``Taking.close`` is resolved, the message is in the queue, on disk, for
every recipient; when there is an error, for none. A message for this machine and for neighbours is two
in the queue, put there together. Line ends may be LF or CRLF and become CRLF; a CR alone and NUL are
refused. Memory does not grow with the message.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from gateway.errors import MessageError
from gateway.ingest.intake import Recipient
from gateway.ingest.routes import Routes
from gateway.ingest.stamp import HEADER_LOOK_BYTES, Stamp
from gateway.maillog import log_mail
from gateway.message.address import check_sender
from gateway.message.envelope import Envelope, MailOptions, Notify, RecipientOptions
from gateway.message.lines import CRLF, LocalLines
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.copies import ContentHash
from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.routing.urgency import Urgency, urgency_of

TOO_LARGE_STATUS = "5.3.4"


class PipeIntake:
    """Takes single messages in.

    Args:
        queue: where they go.
        routes: of their recipients.
        stamp: what is put in front of them.
        max_message_bytes: largest message, with CRLF line ends.
    """

    def __init__(self, queue: Queue, routes: Routes, stamp: Stamp, max_message_bytes: int) -> None:
        self.stamp = stamp
        self._queue = queue
        self._routes = routes
        self._max_message_bytes = max_message_bytes

    def check(self, recipients: Sequence[str], node: str | None) -> None:
        """Say before a message comes whether its recipients are taken; raises as ``begin``."""
        self._routes.find(recipients, node)

    def begin(
        self,
        sender: str,
        recipients: Sequence[str],
        origin: str,
        *,
        node: str | None = None,
        options: MailOptions | None = None,
        notify: frozenset[Notify] = frozenset(),
    ) -> "Taking":
        """Begin to take in a message that comes piece by piece.

        Args:
            sender: the envelope's; "" is the null sender.
            recipients: at least one.
            origin: who hands it in, for people.
            node: where it goes, whatever the routes say; None: as they say.
            options: what the sender asks for the message.
            notify: when to report about each recipient; empty: not said.

        Raises:
            BadAddress: sender or a recipient is no address.
            RecipientRefused: no route for a recipient; nobody gets the message.
            UnknownNode: there is no such node.
        """
        check_sender(sender)
        routed = self._routes.find(recipients, node)
        drafts = [Draft(self._queue, role, tuple(found)) for role, found in routed.items() if found]
        asked = RecipientOptions(notify)
        envelope = Envelope(
            sender,
            tuple(recipients),
            options=options or MailOptions(),
            recipient_options=dict.fromkeys(recipients, asked) if notify else {},
        )
        return Taking(self._queue, self.stamp, drafts, envelope, origin, self._max_message_bytes)

    def take(
        self, sender: str, recipients: Sequence[str], content: Iterable[bytes], origin: str
    ) -> list[str]:
        """Take one whole message in, and wait until it is on disk.

        Args:
            sender: see ``begin``.
            recipients: see ``begin``.
            content: the message, in pieces of any size.
            origin: see ``begin``.

        Returns:
            Its queue ids: one for neighbours, one for this machine, as far as there are recipients.

        Raises:
            GatewayError: see ``begin`` and ``Taking``.
        """
        taking = self.begin(sender, recipients, origin)
        try:
            for piece in content:
                taking.write(piece)
            taking.close().result()
        except BaseException:
            taking.discard()
            raise
        taking.done()
        return taking.ids


class Taking:
    """A message on its way in; see ``Handover``. Make one with ``PipeIntake.begin``."""

    def __init__(
        self,
        queue: Queue,
        stamp: Stamp,
        drafts: "list[Draft]",
        envelope: Envelope,
        origin: str,
        max_message_bytes: int,
    ) -> None:
        self._queue = queue
        self._stamp = stamp
        self._drafts = drafts
        self._envelope = envelope
        self._origin = origin
        self._max_message_bytes = max_message_bytes
        self._lines = LocalLines()
        self._head = bytearray()
        self._size_bytes = 0
        self._last = CRLF
        self._message_id = ""
        everybody = [recipient.address for draft in drafts for recipient in draft.recipients]
        for draft in drafts:
            draft.begin(stamp.received(draft.id, envelope.sender, everybody))

    @property
    def ids(self) -> list[str]:
        """The queue ids it has or will have."""
        return [draft.id for draft in self._drafts]

    def may_block(self, size_bytes: int) -> bool:
        """See ``Handover``; a line end may take one byte more."""
        return any(draft.size_bytes + 2 * size_bytes > INLINE_BODY_BYTES for draft in self._drafts)

    def write(self, piece: bytes) -> None:
        """See ``Handover``.

        Raises:
            MessageError: too large, a stray CR or NUL.
            StoreError: the disk refused.
        """
        self._append(self._lines.feed(piece))

    def close(self) -> "Future[None]":
        """See ``Handover``.

        Raises:
            MessageError: a stray CR, or too many hops.
            StoreError: the disk refused.
        """
        self._lines.finish()
        if self._last != CRLF:
            self._append(CRLF)
        head = bytes(self._head)
        self._message_id = self._stamp.check(head)
        urgency = urgency_of(self._envelope.options.priority, head)
        messages = [
            (draft.message(self._envelope, urgency, self._message_id, self._origin), draft.role)
            for draft in self._drafts
        ]
        committed = self._queue.put_together(messages)
        # From here on the queue releases the files, or removes them.
        for draft in self._drafts:
            draft.give_up()
        return committed

    def done(self) -> str:
        """See ``Handover``."""
        for draft in self._drafts:
            for recipient in draft.recipients:
                log_mail(
                    "received",
                    id=draft.id,
                    message_id=self._message_id or None,
                    from_=self._envelope.sender,
                    to=recipient.address,
                    client=self._origin,
                    node=recipient.node_name(draft.size_bytes),
                    size=draft.size_bytes,
                    status="2.0.0",
                )
        return f"2.0.0 queued as {' '.join(self.ids)}"

    def discard(self) -> None:
        """See ``Handover``."""
        for draft in self._drafts:
            draft.discard()

    def _append(self, piece: bytes) -> None:
        self._size_bytes += len(piece)
        if self._size_bytes > self._max_message_bytes:
            text = f"the message is larger than {self._max_message_bytes} bytes"
            raise MessageError(text, status=TOO_LARGE_STATUS)
        self._head += piece[: HEADER_LOOK_BYTES - len(self._head)]
        self._last = (self._last + piece[-2:])[-2:]
        for draft in self._drafts:
            draft.write(piece)


class Draft:
    """The recipients of one role, and the message for them as it grows.

    Args:
        queue: where it will go.
        role: in which.
        recipients: at least one.
    """

    def __init__(self, queue: Queue, role: Role, recipients: tuple[Recipient, ...]) -> None:
        self.id = queue.new_id()
        self.role = role
        self.recipients = recipients
        self.size_bytes = 0
        self._queue = queue
        self._trace_bytes = 0
        self._hash = ContentHash() if role is Role.OUTBOX else None
        self._data = bytearray()
        self._staged: StagedBody | None = None
        self._is_8bit = False

    def begin(self, received: bytes) -> None:
        """Put our trace field in front."""
        self._trace_bytes = len(received)
        self._keep(received)

    def write(self, piece: bytes) -> None:
        """Append bytes; a large message goes on in a file."""
        if self._hash is not None:
            self._hash.update(piece)
        self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        self._is_8bit = self._is_8bit or not piece.isascii()
        if self._staged is None and self.size_bytes > INLINE_BODY_BYTES:
            self._queue.check_room(self.size_bytes)
            self._staged = self._queue.stage_body(self.id)
            self._staged.write(self._data)
            self._data.clear()
        if self._staged is None:
            self._data += piece
        else:
            self._staged.write(piece)

    def message(self, envelope: Envelope, urgency: Urgency, message_id: str, origin: str) -> NewMessage:
        """The message to put in the queue, with its own recipients of the envelope."""
        recipients = tuple(recipient.address for recipient in self.recipients)
        is_smtputf8 = not all(map(str.isascii, (envelope.sender, *recipients)))
        return NewMessage(
            id=self.id,
            envelope=replace(envelope, recipients=recipients, is_8bit=self._is_8bit, is_smtputf8=is_smtputf8),
            targets=tuple(recipient.target(urgency, self.size_bytes) for recipient in self.recipients),
            body=bytes(self._data) if self._staged is None else self._staged,
            message_id=message_id,
            origin=origin,
            trace_bytes=self._trace_bytes,
            content_hash=None if self._hash is None else self._hash.digest(),
        )

    def give_up(self) -> None:
        """Forget the file: somebody else cares for it."""
        self._staged = None

    def discard(self) -> None:
        """Forget what was not put."""
        if self._staged is not None:
            self._staged.discard()
            self._staged = None
