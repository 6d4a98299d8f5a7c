"""The SMTP commands: what a client may say, and what it is answered.

States of a session, by command (any other order is 503)::

    CONNECTED --HELO, EHLO--> READY --MAIL--> SENDER --RCPT--> RECIPIENTS --DATA--> CONTENT --> READY
    RSET, HELO, EHLO lead from anywhere to READY; QUIT leads from anywhere to the end

Contract: ``250`` after the content means that the message is in the queue, on disk, synced. A
recipient is accepted only from a client that may relay, and only if the routing table has a place
for it. Whatever is refused leaves a line in the mail log.

Spec: RFC 5321; RFC 2034 (enhanced status codes), RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152
(8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 (DSN), RFC 6710 (MT-PRIORITY), RFC 2852 (DELIVERBY).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import ClassVar

from gateway.errors import BadAddress, GatewayError, StoreError
from gateway.ingest.connection import GONE, STOPPING, TIMED_OUT, HungUp
from gateway.ingest.content import ContentReader
from gateway.ingest.intake import Recipient, Submission
from gateway.ingest.parameters import MailParameters, parse_mail_parameters, parse_rcpt_parameters
from gateway.ingest.reply import Reply, refusal, reply_to
from gateway.ingest.services import Services
from gateway.ingest.small_commands import SmallCommands
from gateway.ingest.transaction import Transaction
from gateway.maillog import log_mail
from gateway.message.address import NON_ASCII_STATUS, parse_path, shown
from gateway.routing.table import LocalRoute, Refusal, Route

POSTMASTER = "postmaster"
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "MT-PRIORITY", "DELIVERBY")
GREETING_LIMIT_CHARS = 255

_LOG = logging.getLogger(__name__)

_NEEDS_EHLO = Reply(555, "5.5.4", "parameters need EHLO")
OUT_OF_STEP = Reply(554, "5.5.0", "data sent before our answer, closing")


class SmtpSession(SmallCommands):
    """One client's session.

    Args:
        services: of the endpoint.
        loop: the running event loop.
    """

    COMMANDS = SmallCommands.COMMANDS | {b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA"}
    GREETINGS: ClassVar[str] = "EHLO or HELO"
    IS_AUTH_KNOWN: ClassVar[bool] = False
    """Clients log in, and may say who a message was submitted by."""
    NO_RECIPIENTS: ClassVar[Reply] = Reply(554, "5.5.1", "no valid recipients")

    def __init__(self, services: Services, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(services.settings, loop)
        self._services = services
        self._share = services.inflight.reservation()
        self._transaction = Transaction()
        self._is_permitted = False

    def _met(self, transport: asyncio.Transport) -> None:  # noqa: ARG002 - for LMTP
        self._services.sessions.add(self)
        self._is_permitted = self._services.permits(self.client_ip)

    def _greeting(self) -> Reply | None:
        if self._services.is_stopping:
            return STOPPING
        if len(self._services.sessions) > self._settings.max_connections:
            return Reply(421, "4.3.2", "too many connections, try again later")
        return None

    def _finished(self) -> None:
        self._share.release()

    def _gone(self) -> None:
        self._services.sessions.discard(self)

    def _set_post_data_state(self) -> None:
        self._share.release()
        self.envelope = self._transaction = Transaction()

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name for a command
        """Greet, without extensions."""
        if self._greet(hostname, is_extended=False):
            self.reply(f"250 {self.hostname}")

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - as above
        """Greet and say what we can."""
        if self._greet(hostname, is_extended=True):
            lines = [self.hostname, f"SIZE {self._settings.max_message_bytes}", *self._extensions()]
            self.reply("\r\n".join(f"250-{line}" for line in lines) + "\r\n250 ENHANCEDSTATUSCODES")

    def _extensions(self) -> Sequence[str]:
        """What is offered beside SIZE and ENHANCEDSTATUSCODES."""
        return EXTENSIONS

    def _greet(self, hostname: str, *, is_extended: bool) -> bool:
        session = self.session
        if session is None:
            raise AssertionError("internal error: a command without a connection")
        if self.is_input_waiting():
            self.leave(OUT_OF_STEP)
            return False
        if not 0 < len(hostname) <= GREETING_LIMIT_CHARS or not hostname.isprintable():
            self.fault(Reply(501, "5.5.4", f"allowed: {self.GREETINGS} and your host name"))
            return False
        if session.host_name is not None:
            self._count_idle()
        self._set_post_data_state()
        session.host_name = hostname
        session.extended_smtp = is_extended
        return True

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - as above
        """Begin a message with its sender."""
        path = _after("FROM:", arg)
        if self.session is None or self.session.host_name is None:
            self.fault(Reply(503, "5.5.1", f"send {self.GREETINGS} first"))
        elif self._transaction.mail_from is not None:
            self.fault(Reply(503, "5.5.1", "nested MAIL: send RSET first"))
        elif path is None:
            self.fault(Reply(501, "5.5.4", "allowed: MAIL FROM:<address> and parameters"))
        else:
            self._begin(path)

    def _begin(self, path: bytes) -> None:
        try:
            sender, raw_parameters = parse_path(path, is_utf8_allowed=True)
        except BadAddress as error:
            self._refuse(reply_to(error), sender=None)
            self.count_error()
            return
        parameters = parse_mail_parameters(raw_parameters, is_auth_known=self.IS_AUTH_KNOWN)
        if raw_parameters and not self._is_extended():
            parameters = _NEEDS_EHLO
        if isinstance(parameters, Reply):
            self.fault(parameters)
            return
        refused = self._sender_fault(sender, parameters) or self._room_fault(parameters.size_bytes)
        if refused is not None:
            self._refuse(refused, sender=sender)
            return
        self._transaction.mail_from = sender
        self._transaction.parameters = parameters
        self.reply(_SENDER_OK)

    def _sender_fault(self, sender: str, parameters: MailParameters) -> Reply | None:
        if not sender.isascii() and not parameters.is_smtputf8:
            return Reply(553, NON_ASCII_STATUS, f"sender {shown(sender)} needs SMTPUTF8")
        if parameters.size_bytes > self._settings.max_message_bytes:
            return Reply(552, "5.3.4", f"message is larger than {self._settings.max_message_bytes} bytes")
        return None

    def _room_fault(self, size_bytes: int) -> Reply | None:
        if not self._is_permitted:
            # Its recipients will be refused; it must not be able to use up the room of others.
            return None
        try:
            self._services.queue.check_room(size_bytes)
        except StoreError as error:
            _LOG.warning("message from %s refused: %s", self.client_ip, error)
            return reply_to(error)
        if not self._share.hold(size_bytes):
            return Reply(452, "4.3.1", "too many messages at a time, try again later")
        return None

    def _is_extended(self) -> bool:
        return self.session is not None and self.session.extended_smtp

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - as above
        """Add a recipient."""
        path = _after("TO:", arg)
        if self._transaction.mail_from is None:
            self.fault(Reply(503, "5.5.1", "send MAIL first"))
        elif path is None:
            self.fault(Reply(501, "5.5.4", "allowed: RCPT TO:<address>"))
        else:
            self._add(path)

    def _add(self, path: bytes) -> None:
        transaction = self._transaction
        is_utf8_allowed = transaction.parameters.is_smtputf8
        try:
            address, raw_parameters = parse_path(path, is_utf8_allowed=is_utf8_allowed, is_recipient=True)
        except BadAddress as error:
            self._refuse(reply_to(error), sender=transaction.mail_from)
            self.count_error()
            return
        options = parse_rcpt_parameters(raw_parameters, is_utf8_allowed=is_utf8_allowed)
        if raw_parameters and not self._is_extended():
            options = _NEEDS_EHLO
        if isinstance(options, Reply):
            self.fault(options)
            return
        if address.lower() == POSTMASTER:
            address = f"{address}@{self.hostname}"
        if not transaction.join(address, options):
            recipient = self._recipient(address)
            if isinstance(recipient, Reply):
                self._refuse(recipient, sender=transaction.mail_from, to=address)
                return
            transaction.add(recipient, options)
        self.reply(_RECIPIENT_OK)

    def _recipient(self, address: str) -> Recipient | Reply:
        if not self._is_permitted:
            self.count_error()
            return Reply(550, "5.7.1", "relay not permitted for your address")
        if self._transaction.recipients_count >= self._settings.max_recipients:
            return Reply(452, "4.5.3", "too many recipients: send the rest in another message")
        match self._services.table.route(address):
            case Refusal(status, text):
                return refusal(status, text)
            case LocalRoute():
                return Recipient(address)
            case Route() as route:
                try:
                    return Recipient(address, self._services.find_choices(route))
                except GatewayError as error:
                    _LOG.error("route for %s: %s", shown(address), error)
                    return Reply(451, "4.3.5", "the route for this recipient does not work, try again later")

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - as above
        """Take the content, put the message in the queue, answer."""
        transaction = self._transaction
        if arg:
            self.fault(Reply(501, "5.5.4", "allowed: DATA alone"))
        elif transaction.mail_from is None:
            self.fault(Reply(503, "5.5.1", "send MAIL first"))
        elif not transaction.recipients_count:
            self.fault(self.NO_RECIPIENTS)
        elif self.is_input_waiting():
            self.leave(OUT_OF_STEP)
        else:
            self.reply("354 End data with <CR><LF>.<CR><LF>")
            self._is_taking = True
            try:
                await self._take(transaction)
            finally:
                self._is_taking = False
                self._set_post_data_state()

    async def _take(self, transaction: Transaction) -> None:
        reader = ContentReader(self._settings.max_message_bytes, self._share)
        try:
            await self._read_content(reader)
        except GONE:
            self._log_refused(
                transaction, Reply(451, "4.4.2", "connection lost before the end of the message")
            )
            raise
        answer = reader.fault or await self._put(transaction, reader.content)
        if answer.is_refusal:
            self._log_refused(transaction, answer)
        else:
            self._forgive()
        self._answer_content(answer)

    def _answer_content(self, answer: Reply) -> None:
        """Say what became of a message that was read to its end."""
        self.reply(answer)

    async def _read_content(self, reader: ContentReader) -> None:
        end = self.loop.time() + self._settings.data_seconds
        while True:
            self._reset_timeout()
            if reader.feed(await self.read_chunk()):
                self.unread(reader.rest)
                return
            if self.loop.time() > end:
                self._cut(TIMED_OUT)
                raise HungUp("the message took too long")

    async def _put(self, transaction: Transaction, content: bytearray) -> Reply:
        self._is_committing = True
        try:
            queue_id = await self._services.intake.accept(self._submission(transaction, content), content)
        except GatewayError as error:
            _LOG.warning("message from %s refused: %s", self.client_ip, error)
            return reply_to(error)
        finally:
            self._is_committing = False
        return Reply(250, "2.0.0", f"Ok: queued as {queue_id}")

    def _submission(self, transaction: Transaction, content: bytearray) -> Submission:
        """The envelope of a message that was read to its end."""
        session = self.session
        if session is None:
            raise AssertionError("internal error: a message without a connection")
        return transaction.submission(
            client_ip=self.client_ip,
            helo=session.host_name or "",
            protocol=self._protocol(is_smtputf8=transaction.parameters.is_smtputf8),
            is_8bit_found=not content.isascii(),
        )

    def _protocol(self, *, is_smtputf8: bool) -> str:
        """How the message came, for its Received field."""
        if is_smtputf8:
            return "UTF8SMTP"
        return "ESMTP" if self._is_extended() else "SMTP"

    def _refuse(self, answer: Reply, *, sender: str | None, to: str | None = None) -> None:
        self.reply(answer)
        self._log(answer, sender, to)

    def _log_refused(self, transaction: Transaction, answer: Reply) -> None:
        for recipient in transaction.recipients:
            self._log(answer, transaction.mail_from, recipient.address)

    def _log(self, answer: Reply, sender: str | None, to: str | None) -> None:
        log_mail(
            "refused", from_=sender, to=to, client=self.client_ip, status=answer.status, text=answer.text
        )


def _after(keyword: str, arg: str | None) -> bytes | None:
    if arg is None or arg[: len(keyword)].upper() != keyword:
        return None
    return arg[len(keyword) :].encode("utf-8", "surrogateescape")


_SENDER_OK = "250 2.1.0 Ok"
_RECIPIENT_OK = "250 2.1.5 Ok"
