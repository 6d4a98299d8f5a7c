"""One message from a local program: a mail server's pipe, a script, a mail client's sendmail.

Contract: when ``take`` returns, the message is in the queue, on disk, for every recipient; when it
raises, for none, except that a message for this machine and for neighbours is put in twice, one
part each, and a disk that fails between the two leaves the first. Line ends may be LF or CRLF and
become CRLF; a CR alone and NUL are refused. Memory does not grow with the message.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from gateway.errors import MailLoop, MessageError
from gateway.ids import NodeId
from gateway.maillog import log_mail
from gateway.message.address import SENDER_STATUS, check_mailbox, shown
from gateway.message.envelope import Envelope
from gateway.message.header import header_section_end, header_value, hop_count, received_line
from gateway.message.lines import CRLF, crlf_chunks
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.entry import Lane, NewMessage, Role, Target
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.routing.table import LocalRoute, Refusal, Route, Table

HEADER_LOOK_BYTES = 256 << 10
TOO_LARGE_STATUS = "5.3.4"
PROTOCOL = "local"
UTF8_PROTOCOL = "UTF8SMTP"


class RecipientRefused(MessageError):
    """The routes do not take mail for a recipient; the status is the route's."""


@dataclass(frozen=True, slots=True)
class PipeSettings:
    """What is taken.

    Args:
        hostname: our name in the Received field.
        max_message_bytes: largest message, with CRLF line ends.
        max_hops: Received fields it may come with.
    """

    hostname: str
    max_message_bytes: int = 50 << 20
    max_hops: int = 50


class PipeIntake:
    """Takes single messages in.

    Args:
        settings: what is taken.
        queue: where they go.
        table: routes recipients.
        find_lane: destination and niceness by a node's name in the table.
        wall: the time for the Received field.
    """

    def __init__(
        self,
        settings: PipeSettings,
        queue: Queue,
        table: Table,
        find_lane: Callable[[str], Lane],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._table = table
        self._find_lane = find_lane
        self._wall = wall
        self._names: dict[NodeId, str] = {}

    def take(
        self, sender: str, recipients: Sequence[str], content: Iterable[bytes], origin: str
    ) -> list[str]:
        """Take one message in.

        Args:
            sender: the envelope's; "" is the null sender.
            recipients: at least one.
            content: the message, in pieces of any size.
            origin: who handed it in, for people.

        Returns:
            Its queue ids: one for neighbours, one for this machine, as far as there are recipients.

        Raises:
            BadAddress: sender or a recipient is no address.
            RecipientRefused: no route for a recipient; nobody gets the message.
            MessageError: too large, a stray CR or NUL, or too many hops.
            StoreError: the disk refused.
        """
        if sender:
            try:
                check_mailbox(sender, is_utf8_allowed=True)
            except MessageError as error:
                raise type(error)(str(error), status=SENDER_STATUS) from None
        targets = self._targets(recipients)
        parts = [_Part(self._queue, role, found) for role, found in targets.items() if found]
        try:
            message_id = self._fill(parts, content, is_ascii=all(map(str.isascii, (sender, *recipients))))
            for part in parts:
                part.put(sender, message_id, origin).result()
                self._log(part, sender, message_id)
        except BaseException:
            for part in parts:
                part.discard()
            raise
        return [part.id for part in parts]

    def _targets(self, recipients: Sequence[str]) -> dict[Role, list[Target]]:
        found: dict[Role, list[Target]] = {Role.INBOX: [], Role.OUTBOX: []}
        for recipient in dict.fromkeys(recipients):
            check_mailbox(recipient, is_utf8_allowed=True)
            match self._table.route(recipient):
                case Route(name):
                    lane = self._find_lane(name)
                    found[Role.OUTBOX].append(Target(recipient, lane.node, lane.nice))
                    self._names[lane.node] = name
                case LocalRoute():
                    found[Role.INBOX].append(Target(recipient))
                case Refusal(status, text):
                    raise RecipientRefused(f"{shown(recipient)}: {text}", status=status)
        return found

    def _fill(self, parts: list["_Part"], content: Iterable[bytes], *, is_ascii: bool) -> str:
        """Write the message into every part; returns its Message-ID."""
        everybody = [target.recipient for part in parts for target in part.targets]
        for part in parts:
            part.write(self._received(part.id, everybody, is_ascii=is_ascii))
        head, size_bytes, last = bytearray(), 0, CRLF
        for piece in crlf_chunks(content):
            size_bytes += len(piece)
            if size_bytes > self._settings.max_message_bytes:
                limit = self._settings.max_message_bytes
                raise MessageError(f"the message is larger than {limit} bytes", status=TOO_LARGE_STATUS)
            head += piece[: HEADER_LOOK_BYTES - len(head)]
            last = (last + piece)[-2:]
            for part in parts:
                part.write(piece)
        if last != CRLF:
            for part in parts:
                part.write(CRLF)
        header = bytes(head[: header_section_end(bytes(head))])
        hops = hop_count(header)
        if hops > self._settings.max_hops:
            raise MailLoop(f"too many hops: {hops} Received fields, {self._settings.max_hops} are allowed")
        return header_value(header, "Message-ID") or ""

    def _received(self, part_id: str, everybody: list[str], *, is_ascii: bool) -> bytes:
        now = self._wall()
        return received_line(
            from_helo="",
            from_ip="",
            by=self._settings.hostname,
            protocol=PROTOCOL if is_ascii else UTF8_PROTOCOL,
            queue_id=part_id,
            for_recipient=everybody[0] if len(everybody) == 1 else None,
            unix_seconds=now,
            utc_offset_seconds=time.localtime(now).tm_gmtoff,
        )

    def _log(self, part: "_Part", sender: str, message_id: str) -> None:
        for target in part.targets:
            log_mail(
                "received",
                id=part.id,
                message_id=message_id or None,
                from_=sender,
                to=target.recipient,
                node=None if target.node is None else self._names[target.node],
                size=part.size_bytes,
                status="2.0.0",
            )


class _Part:
    """The recipients of one role, and the message for them as it grows."""

    def __init__(self, queue: Queue, role: Role, targets: list[Target]) -> None:
        self.id = queue.new_id()
        self.targets = tuple(targets)
        self.size_bytes = 0
        self._queue = queue
        self._role = role
        self._data = bytearray()
        self._staged: StagedBody | None = None
        self._is_8bit = False

    def write(self, piece: bytes) -> None:
        """Append bytes; a large message goes on in a file."""
        self.size_bytes += len(piece)
        self._is_8bit = self._is_8bit or not piece.isascii()
        if self._staged is None and len(self._data) + len(piece) > INLINE_BODY_BYTES:
            self._queue.check_room(self.size_bytes)
            self._staged = self._queue.stage_body(self.id)
            self._staged.write(bytes(self._data))
            self._data.clear()
        if self._staged is None:
            self._data += piece
        else:
            self._staged.write(piece)

    def put(self, sender: str, message_id: str, origin: str) -> "Future[None]":
        """Put it in the queue."""
        recipients = tuple(target.recipient for target in self.targets)
        is_smtputf8 = not all(map(str.isascii, (sender, *recipients)))
        body = bytes(self._data) if self._staged is None else self._staged
        message = NewMessage(
            id=self.id,
            envelope=Envelope(sender, recipients, is_8bit=self._is_8bit, is_smtputf8=is_smtputf8),
            targets=self.targets,
            body=body,
            message_id=message_id,
            origin=origin,
        )
        committed = self._queue.put(message, self._role)
        # From here on the queue releases the file, or removes it.
        self._staged = None
        return committed

    def discard(self) -> None:
        """Forget what was not put."""
        if self._staged is not None:
            self._staged.discard()
            self._staged = None
