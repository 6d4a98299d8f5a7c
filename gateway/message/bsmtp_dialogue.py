"""The commands of a batch: from lines to envelopes.

A ``Dialogue`` takes one command after the other and answers with events. It knows nothing of
buffers or content: ``gateway.message.bsmtp`` cuts the lines and reads what follows ``DATA``.

States::

    IDLE --MAIL--> TRANSACTION --DATA--> (content) --end_message--> IDLE --QUIT--> ENDED
    IDLE or TRANSACTION --HELO, RSET--> IDLE

Contract: a bad address or parameter refuses a recipient or a message; a command out of order is
BadBatch, since then the batch is not what its writer meant.

Spec: RFC 2442; RFC 5321 sections 3.3, 4.1.1 and 4.1.4.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

from gateway.errors import BadAddress, BadBatch, MessageError
from gateway.ids import BatchId
from gateway.message.address import parse_path, shown
from gateway.message.envelope import Envelope, MailOptions, RecipientOptions
from gateway.message.esmtp import with_mail_option, with_recipient_option

BATCH_DOMAIN = "batch.nncp-gateway.invalid"
"""``.invalid`` can be no real host: RFC 2606 section 2."""

COMMAND_LIMIT_BYTES = 4096
"""RFC 5321 grants 512, extensions add about 1100 (AUTH and ORCPT 500 each); doubled and more."""
RECIPIENT_LIMIT_COUNT = 1000
"""RFC 5321 section 4.5.3.1.8 asks for 100 at least; Postfix takes 1000."""
MESSAGE_LIMIT_BYTES = 50 << 20
MESSAGE_LIMIT_COUNT = 100_000
RCPT_FACTOR = 100
"""RCPT commands of one message, as a multiple of the recipients allowed: bounds what refusals may fill."""

TOO_LARGE_STATUS = "5.3.4"
TOO_MANY_RECIPIENTS_STATUS = "5.5.3"
BAD_PARAMETER_STATUS = "5.5.4"
NO_RECIPIENT_STATUS = "5.5.1"

_BATCH_NAME = re.compile(rf"([0-9a-f]{{32}})\.([0-9]{{1,9}})\.{re.escape(BATCH_DOMAIN)}")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\U0010ffff]+))?")
_PASSED_OVER_WITH_MAIL = frozenset({"AUTH", "SIZE"})


@dataclass(frozen=True, slots=True)
class MessageStart:
    """A message begins; its recipients are those that were not refused."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class MessageData:
    """The next piece of the message, with CRLF line ends and without the extra dots."""

    data: bytes


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The message is whole.

    Args:
        size_bytes: sum of its pieces.
        is_8bit: it holds a byte over 127, whatever its envelope declared.
    """

    size_bytes: int
    is_8bit: bool


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A message is not accepted; pieces of it that came before are to be thrown away.

    Args:
        envelope: what of the envelope is valid; the sender is empty if it was the sender that is not.
        text: why, for a person.
        status: RFC 3463 status.
    """

    envelope: Envelope
    text: str
    status: str


@dataclass(frozen=True, slots=True)
class RecipientRefused:
    """One recipient of the message to come is not accepted; the message goes on without it.

    Args:
        sender: valid sender of the message, empty for the null sender or an invalid one.
        address: the recipient as it was written, made printable and cut to a bounded length.
        text: why, for a person.
        status: RFC 3463 status.
    """

    sender: str
    address: str
    text: str
    status: str


Event = MessageStart | MessageData | MessageEnd | MessageRefused | RecipientRefused


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a reader takes before it refuses.

    Args:
        command_bytes: one command with its line end; more is BadBatch.
        recipient_count: recipients of one message; each one more is refused.
        message_bytes: one message; a larger one is refused, the next is read as if nothing was.
        message_count: messages of one batch; more is BadBatch.
    """

    command_bytes: int = COMMAND_LIMIT_BYTES
    recipient_count: int = RECIPIENT_LIMIT_COUNT
    message_bytes: int = MESSAGE_LIMIT_BYTES
    message_count: int = MESSAGE_LIMIT_COUNT


@dataclass(slots=True)
class Transaction:
    """What was said since MAIL.

    Args:
        sender: valid, or empty.
        fault: why the message will be refused, or None.
        is_8bit: ``BODY=8BITMIME`` was given.
        is_smtputf8: ``SMTPUTF8`` was given.
        options: the other parameters of MAIL.
        recipients: the valid ones.
        recipient_options: their parameters, by address.
        refused: the others.
    """

    sender: str = ""
    fault: MessageError | None = None
    is_8bit: bool = False
    is_smtputf8: bool = False
    options: MailOptions = field(default_factory=MailOptions)
    recipients: list[str] = field(default_factory=list)
    recipient_options: dict[str, RecipientOptions] = field(default_factory=dict)
    refused: list[RecipientRefused] = field(default_factory=list)

    def envelope(self) -> Envelope:
        """What is valid of the envelope."""
        is_ascii = self.sender.isascii() and all(map(str.isascii, self.recipients))
        return Envelope(
            self.sender,
            tuple(self.recipients),
            is_8bit=self.is_8bit,
            is_smtputf8=self.is_smtputf8 or not is_ascii,
            options=self.options,
            recipient_options={
                recipient: options
                for recipient, options in self.recipient_options.items()
                if options != RecipientOptions()
            },
        )

    def add(self, recipient: str, options: RecipientOptions) -> None:
        """Add a valid recipient."""
        self.recipients.append(recipient)
        known = self.recipient_options.get(recipient)
        self.recipient_options[recipient] = options if known is None else known.joined(options)


class Dialogue:
    """The state of a batch between its lines.

    Args:
        limits: what is taken.

    Attributes:
        batch_id: id of a batch of ours, once its greeting was read; None for any other.
        expected_count: how many messages the greeting announced; None as above.
        message_count: messages whose end was read, the refused ones among them.
        transaction: what was said since MAIL, or None outside of that.
        has_ended: QUIT was read.
    """

    __slots__ = ("_limits", "batch_id", "expected_count", "has_ended", "message_count", "transaction")

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self.batch_id: BatchId | None = None
        self.expected_count: int | None = None
        self.message_count = 0
        self.transaction: Transaction | None = None
        self.has_ended = False

    def take(self, line: bytes) -> list[Event] | None:
        """Take one command, without its line end.

        Returns:
            After ``DATA`` the events that begin the message: content follows. Else None.

        Raises:
            BadBatch: an unknown command, or one out of order.
        """
        if b"\r" in line or b"\0" in line:
            raise BadBatch(f"a command holds a bare CR or a NUL: {shown(line)}, {self.place}")
        verb, _, argument = line.partition(b" ")
        command = self._COMMANDS.get(verb.upper())
        if command is None:
            raise BadBatch(f"{shown(line)} is not a command of a batch, {self.place}")
        return command(self, argument.strip(b" "))

    def end_message(self) -> None:
        """The content of the message was read."""
        self.message_count += 1
        self.transaction = None

    @property
    def place(self) -> str:
        """Where in the batch we are, for an error."""
        return f"after {self.message_count} messages"

    def fault_at_end(self) -> str | None:
        """Why the batch is not whole if it ends here, or None."""
        if self.transaction is not None:
            return f"the batch ends between MAIL and DATA, {self.place}"
        if self.expected_count is None:
            is_empty = self.message_count == 0 and not self.has_ended
            return "the batch holds no message and no QUIT" if is_empty else None
        if not self.has_ended:
            return f"the batch ends without QUIT, {self.place} of {self.expected_count}"
        if self.message_count != self.expected_count:
            return f"the batch announced {self.expected_count} messages and holds {self.message_count}"
        return None

    def _greet(self, argument: bytes) -> None:
        self.transaction = None
        name = argument.decode("utf-8", "replace").lower()
        if not name.endswith("." + BATCH_DOMAIN):
            return
        match = _BATCH_NAME.fullmatch(name)
        if match is None:
            raise BadBatch(f"the greeting {shown(name)} is not ID.COUNT.{BATCH_DOMAIN}")
        if self.batch_id is not None or self.message_count:
            raise BadBatch(f"a greeting with the id of a batch comes {self.place}: two batches are mixed")
        self.batch_id, self.expected_count = BatchId.parse(match[1]), int(match[2])

    def _mail(self, argument: bytes) -> None:
        if self.transaction is not None:
            raise BadBatch(f"MAIL comes before the DATA of the MAIL before it, {self.place}")
        if self.expected_count is not None and self.message_count >= self.expected_count:
            raise BadBatch(f"the batch announced {self.expected_count} messages and holds more")
        if self.message_count >= self._limits.message_count:
            raise BadBatch(f"the batch holds more than {self._limits.message_count} messages")
        transaction = self.transaction = Transaction()
        try:
            path = _argument_after(b"FROM:", argument)
            transaction.sender, parameters = parse_path(path, is_utf8_allowed=True)
            if parameters:
                _read_mail_parameters(transaction, parameters)
        except MessageError as error:
            transaction.fault = error

    def _rcpt(self, argument: bytes) -> None:
        transaction = self.transaction
        if transaction is None:
            raise BadBatch(f"RCPT comes without MAIL, {self.place}")
        limit = self._limits.recipient_count
        recipient = shown(argument[3:].strip(b" <>"))[1:-1]
        try:
            path = _argument_after(b"TO:", argument)
            recipient, parameters = parse_path(path, is_utf8_allowed=True, is_recipient=True)
            options = _read_rcpt_parameters(parameters)
            if len(transaction.recipients) >= limit:
                raise MessageError(f"more than {limit} recipients", status=TOO_MANY_RECIPIENTS_STATUS)
            transaction.add(recipient, options)
        except MessageError as error:
            if len(transaction.refused) >= RCPT_FACTOR * limit:
                raise BadBatch(f"more than {RCPT_FACTOR * limit} bad recipients, {self.place}") from None
            refusal = RecipientRefused(transaction.sender, recipient, str(error), error.status)
            transaction.refused.append(refusal)

    def _data(self, argument: bytes) -> list[Event]:
        transaction = self.transaction
        if transaction is None or argument:
            raise BadBatch(f"DATA comes without MAIL or with an argument, {self.place}")
        fault = transaction.fault
        if fault is None and not transaction.recipients:
            fault = MessageError("the message has no valid recipient", status=NO_RECIPIENT_STATUS)
        envelope = transaction.envelope()
        if fault is None:
            return [*transaction.refused, MessageStart(envelope)]
        return [*transaction.refused, MessageRefused(envelope, str(fault), fault.status)]

    def _reset(self, _argument: bytes) -> None:
        self.transaction = None

    def _ignore(self, _argument: bytes) -> None:
        """Commands that change nothing."""

    def _quit(self, _argument: bytes) -> None:
        if self.transaction is not None:
            raise BadBatch(f"QUIT comes between MAIL and DATA, {self.place}")
        self.has_ended = True

    _COMMANDS: ClassVar[dict[bytes, Callable[["Dialogue", bytes], list[Event] | None]]] = {
        b"HELO": _greet,
        b"EHLO": _greet,
        b"LHLO": _greet,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"DATA": _data,
        b"RSET": _reset,
        b"QUIT": _quit,
        b"NOOP": _ignore,
        b"VRFY": _ignore,
        b"EXPN": _ignore,
        b"HELP": _ignore,
        # Old UUCP batches carry these two.
        b"VERB": _ignore,
        b"TICK": _ignore,
    }


def _argument_after(keyword: bytes, argument: bytes) -> bytes:
    if argument[: len(keyword)].upper() != keyword:
        raise BadAddress(f"{shown(argument)} does not begin with {keyword.decode('ascii')}")
    return argument[len(keyword) :]


def _parameters(raw: bytes) -> Iterator[tuple[str, str]]:
    for word in raw.decode("utf-8").split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise MessageError(f"parameter {shown(word)} is not KEYWORD=value", status=BAD_PARAMETER_STATUS)
        yield match[1].upper(), match[2] or ""


def _read_mail_parameters(transaction: Transaction, raw: bytes) -> None:
    for keyword, value in _parameters(raw):
        if keyword == "SMTPUTF8" and not value:
            transaction.is_smtputf8 = True
        elif keyword == "BODY" and value.upper() in {"7BIT", "8BITMIME"}:
            transaction.is_8bit = value.upper() == "8BITMIME"
        elif (options := with_mail_option(transaction.options, keyword, value)) is not None:
            transaction.options = options
        elif keyword not in _PASSED_OVER_WITH_MAIL:
            _refuse_parameter("MAIL", keyword, value)


def _read_rcpt_parameters(raw: bytes) -> RecipientOptions:
    options = RecipientOptions()
    for keyword, value in _parameters(raw) if raw else ():
        more = with_recipient_option(options, keyword, value, is_utf8_allowed=True)
        if more is None:
            _refuse_parameter("RCPT", keyword, value)
        options = more
    return options


def _refuse_parameter(command: str, keyword: str, value: str) -> NoReturn:
    text = f"parameter {shown(f'{keyword}={value}' if value else keyword)} of {command} is not known"
    raise MessageError(text, status=BAD_PARAMETER_STATUS)
