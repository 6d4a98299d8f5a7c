"""Messages as ``sendmail``, ``rmail`` and ``uux`` get them: what stands in front decides who they are for.

Contract: as ``Handover``. Recipients on the command line are checked before a byte of the message
is asked for.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from gateway.errors import BadAddress, MessageError, UsageFault
from gateway.ingest.pipe import PipeIntake, Taking
from gateway.message.address import SENDER_STATUS, check_mailbox, shown
from gateway.message.from_line import FromLines, address_of
from gateway.message.lines import LocalLines
from gateway.message.lone_dot import LoneDot
from gateway.message.mailbox_list import parse_mailboxes
from gateway.message.sendmail_words import SendmailWords
from gateway.message.submission import Author, HeaderReader, passed_header, recipients_in, submitted_header
from gateway.msgqueue.store import INLINE_BODY_BYTES

NO_RECIPIENT_STATUS = "5.5.1"
NULL_SENDERS = ("", "<>")
MAIL_SYSTEM = "MAILER-DAEMON"


@dataclass(frozen=True, slots=True)
class LocalUser:
    """Who runs a command on this machine.

    Args:
        name: of the user.
        full_name: for people; may be empty.
    """

    name: str
    full_name: str = ""

    @property
    def origin(self) -> str:
        """As the queue and the log name it."""
        return f"local user {self.name}"


class Submission:
    """A message for ``sendmail``.

    Args:
        intake: where it goes.
        words: what the command line says.
        user: who runs it.
        new_message_id: makes the left part of a Message-ID.

    Raises:
        BadAddress: the sender or a recipient is none.
        RecipientRefused: no route for a recipient.
        UsageFault: there is no recipient, and none is to be looked for.
    """

    def __init__(
        self,
        intake: PipeIntake,
        words: SendmailWords,
        user: LocalUser,
        new_message_id: Callable[[], str],
    ) -> None:
        self._intake = intake
        self._words = words
        self._user = user
        self._new_message_id = new_message_id
        self._hostname = intake.stamp.hostname
        self._sender = self._read_sender()
        self._lines = LocalLines()
        self._dot = None if words.is_dot_content else LoneDot()
        self._header = HeaderReader()
        self._taking: Taking | None = None
        self._is_header_done = False
        self._seen_bytes = 0
        recipients = self._given_recipients()
        if not words.is_scanning:
            if not recipients:
                raise UsageFault("no recipient is given; -t takes them from the header of the message")
            self._taking = self._begin(recipients)

    def may_block(self, size_bytes: int) -> bool:
        """See ``Handover``."""
        if self._is_header_done:
            return self._begun().may_block(size_bytes)
        return 2 * (self._seen_bytes + size_bytes) > INLINE_BODY_BYTES

    def write(self, piece: bytes) -> None:
        """See ``Handover``.

        Raises:
            MessageError: something is wrong with the message, or with those it is for.
            StoreError: the disk refused.
        """
        self._seen_bytes += len(piece)
        lines = self._lines.feed(piece)
        self._append(lines if self._dot is None else self._dot.feed(lines))

    def close(self) -> "Future[None]":
        """See ``Handover``.

        Raises:
            MessageError: as ``write``.
            StoreError: the disk refused.
        """
        self._lines.finish()
        if self._dot is not None:
            self._append(self._dot.finish())
        if not self._is_header_done:
            self._header.finish()
            self._take_header()
        return self._begun().close()

    def done(self) -> str:
        """See ``Handover``."""
        return self._begun().done()

    def discard(self) -> None:
        """See ``Handover``."""
        if self._taking is not None:
            self._taking.discard()

    def _append(self, lines: bytes) -> None:
        if self._is_header_done:
            self._begun().write(lines)
        elif self._header.feed(lines):
            self._take_header()

    def _take_header(self) -> None:
        fields = self._header.fields
        if self._taking is None:
            named = [qualified(address, self._hostname) for address in recipients_in(fields)]
            recipients = [*self._given_recipients(), *named]
            if not recipients:
                raise MessageError("the header names no recipient", status=NO_RECIPIENT_STATUS)
            self._taking = self._begin(recipients)
        is_passed_on = self._words.is_passed_on
        self._is_header_done = True
        self._taking.write(
            passed_header(fields) if is_passed_on else submitted_header(fields, self._author())
        )
        self._taking.write(self._header.rest)

    def _begin(self, recipients: Sequence[str]) -> Taking:
        words = self._words
        return self._intake.begin(
            self._sender, recipients, self._user.origin, options=words.options, notify=words.notify
        )

    def _begun(self) -> Taking:
        if self._taking is None:
            raise AssertionError("internal error: a message without its envelope")
        return self._taking

    def _author(self) -> Author:
        full_name = self._words.full_name
        return Author(
            address=self._sender or f"{MAIL_SYSTEM}@{self._hostname}",
            full_name=self._user.full_name if full_name is None else full_name,
            message_id=f"{self._new_message_id()}@{self._hostname}",
            date=self._intake.stamp.date(),
        )

    def _read_sender(self) -> str:
        given = self._words.sender
        if given is None:
            return qualified(self._user.name, self._hostname)
        if given in NULL_SENDERS:
            return ""
        try:
            found = [given] if is_mailbox(given) else parse_mailboxes(given)
        except BadAddress as error:
            raise BadAddress(f"-f: {error}", status=SENDER_STATUS) from None
        if len(found) != 1:
            raise BadAddress(f"-f {shown(given)} is not one address", status=SENDER_STATUS)
        return qualified(found[0], self._hostname)

    def _given_recipients(self) -> list[str]:
        found: list[str] = []
        for word in self._words.recipients:
            found += [word] if is_mailbox(word) else parse_mailboxes(word)
        return [qualified(address, self._hostname) for address in found]


class Passage:
    """A message for ``rmail`` or ``uux``: it may begin with lines that say who sent it.

    Args:
        intake: where it goes.
        recipients: addresses or paths.
        sender: of a message that does not say it.
        user: who runs the command.
        node: where it goes, whatever the routes say; None: as they say.

    Raises:
        BadAddress: a recipient is none.
        RecipientRefused: no route for a recipient.
        UnknownNode: there is no such node.
    """

    def __init__(
        self, intake: PipeIntake, recipients: Sequence[str], sender: str, user: LocalUser, node: str | None
    ) -> None:
        self._intake = intake
        self._recipients = [address_of(recipient) for recipient in recipients]
        if not self._recipients:
            raise UsageFault("no recipient is given")
        self._sender = sender
        self._user = user
        self._node = node
        self._lines = FromLines()
        self._taking: Taking | None = None
        intake.check(self._recipients, node)

    def may_block(self, size_bytes: int) -> bool:
        """See ``Handover``."""
        return (
            2 * size_bytes > INLINE_BODY_BYTES if self._taking is None else self._taking.may_block(size_bytes)
        )

    def write(self, piece: bytes) -> None:
        """See ``Handover``.

        Raises:
            MessageError: something is wrong with the message.
            StoreError: the disk refused.
        """
        content = self._lines.feed(piece)
        if content:
            self._begun().write(content)

    def close(self) -> "Future[None]":
        """See ``Handover``.

        Raises:
            MessageError: something is wrong with the message.
            StoreError: the disk refused.
        """
        content = self._lines.finish()
        self._begun().write(content)
        return self._begun().close()

    def done(self) -> str:
        """See ``Handover``."""
        return self._begun().done()

    def discard(self) -> None:
        """See ``Handover``."""
        if self._taking is not None:
            self._taking.discard()

    def _begun(self) -> Taking:
        if self._taking is None:
            said = self._lines.sender
            sender = self._sender if said is None else said
            address = qualified(sender, self._intake.stamp.hostname) if sender else ""
            self._taking = self._intake.begin(address, self._recipients, self._user.origin, node=self._node)
        return self._taking


def qualified(address: str, hostname: str) -> str:
    """An address with a domain: this host's, if it had none."""
    return address if "@" in address else f"{address}@{hostname}"


def is_mailbox(text: str) -> bool:
    """Whether a text is an address as it stands."""
    try:
        check_mailbox(text, is_utf8_allowed=True)
    except BadAddress:
        return False
    return True
