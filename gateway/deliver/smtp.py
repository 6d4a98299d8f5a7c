"""Delivery to a mail server by SMTP: one transaction a message, an outcome for each recipient.

The connection is kept over the messages of a run. When a kept connection turns out to be gone
before the server has answered MAIL, a new one is tried once: servers close idle connections.

If the connection breaks after the final dot, the server may have the message or not; it is
deferred, and so may be delivered twice, as RFC 1047 describes. It is never lost.

What the sender asked for (reports, priority, a deadline) is passed on as far as the server offers it.

Spec: RFC 5321 sections 3.3, 4.5.3.2 and 4.5.4.1; RFC 1047; RFC 3461 section 5.2.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.deliver.outcome import of_error, of_reply, one_line
from gateway.deliver.smtp_session import Reply, SessionLost, SmtpSession
from gateway.deliver.target import Body, TargetDown, same_for_all
from gateway.errors import ConfigError
from gateway.message.address import is_domain
from gateway.message.envelope import Envelope
from gateway.message.esmtp import mail_words, recipient_words
from gateway.msgqueue.entry import Outcome, QueuedMessage, Success, Verdict

NON_ASCII_STATUS = "5.6.7"
TOO_LARGE_STATUS = "5.3.4"

_SIZE_LIMIT = re.compile(r"[1-9][0-9]{0,19}")
"""Without digits or with 0, SIZE names no limit: RFC 1870 section 4."""


@dataclass(frozen=True, slots=True)
class SmtpTargetSettings:
    """Which server, and how patient to be with it.

    Args:
        host: name or address.
        port: TCP port.
        own_name: our host name, for EHLO.
        connect_seconds: for the connection.
        reply_seconds: for an answer to a command, and for the server to take more content.
        final_seconds: for the answer to the final dot; RFC 5321 asks for ten minutes, since giving up
            too early delivers twice.
        message_count: messages over one connection.
    """

    host: str
    port: int
    own_name: str
    connect_seconds: float = 30.0
    reply_seconds: float = 300.0
    final_seconds: float = 600.0
    message_count: int = 100


class SmtpTarget:
    """Delivers to one mail server.

    Args:
        settings: which.

    Raises:
        ConfigError: our own name can't stand in an EHLO.
    """

    def __init__(self, settings: SmtpTargetSettings) -> None:
        if not is_domain(settings.own_name):
            raise ConfigError(f"{settings.own_name!r} is not a host name to greet a mail server with")
        self._settings = settings
        self._session: SmtpSession | None = None
        self._sent_count = 0

    def deliver(self, message: QueuedMessage, body: Body) -> Sequence[Outcome]:
        """Try to deliver one message; see ``Target``."""
        try:
            return self._transaction(message, body)
        except SessionLost as error:
            self._drop()
            return same_for_all(message, of_error(error))
        except BaseException:
            # Without the final dot the server forgets what it got.
            self._drop()
            raise

    def close(self) -> None:
        """Leave the server in good order."""
        session, self._session = self._session, None
        if session is not None:
            session.quit()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.abort()

    def _connect(self) -> SmtpSession:
        settings = self._settings
        self._sent_count = 0
        try:
            session = SmtpSession(settings.host, settings.port, settings.connect_seconds)
            self._session = session
            reply = session.greet(settings.own_name, settings.reply_seconds)
        except SessionLost as error:
            self._drop()
            raise TargetDown(str(error), status=error.status) from None
        if reply.is_positive:
            return session
        self._drop()
        # A refusal of the connection says nothing about the mail: the server may be misconfigured.
        outcome = of_reply(session.name, reply.code, reply.lines)
        raise TargetDown(f"no mail is taken: {outcome.text}", status="4.3.2")

    def _transaction(self, message: QueuedMessage, body: Body) -> Sequence[Outcome]:
        session = self._session
        if session is not None and self._sent_count < self._settings.message_count:
            try:
                return self._send(session, message, body)
            except _NotBegun:
                self._drop()
        else:
            self.close()
        try:
            return self._send(self._connect(), message, body)
        except _NotBegun as error:
            self._drop()
            return same_for_all(message, error.outcome)

    def _send(self, session: SmtpSession, message: QueuedMessage, body: Body) -> Sequence[Outcome]:
        refusal = _refusal(session, message)
        if refusal is not None:
            return same_for_all(message, refusal)
        self._sent_count += 1
        first, answers = self._offer(session, message)
        if not first.is_positive:
            self._reset(session)
            return same_for_all(message, of_reply(session.name, first.code, first.lines))
        outcomes = [_of_recipient(session, reply) for reply in answers]
        missing = len(message.envelope.recipients) - len(outcomes)
        outcomes += [Outcome(Verdict.DEFERRED, "4.4.2", f"{session.name} closed the connection")] * missing
        if missing or not any(outcome.verdict is Verdict.DELIVERED for outcome in outcomes):
            self._reset(session)
            return [_unless_refused(outcome) for outcome in outcomes] if missing else outcomes
        try:
            final = self._send_content(session, body)
        except SessionLost as error:
            self._drop()
            final = of_error(error)
        if "DSN" in session.extensions:
            final = replace(final, success=Success.PASSED_ON)
        return [final if outcome.verdict is Verdict.DELIVERED else outcome for outcome in outcomes]

    def _offer(self, session: SmtpSession, message: QueuedMessage) -> tuple[Reply, list[Reply]]:
        """Send MAIL and every RCPT; returns the reply to MAIL, and those to RCPT as far as they came."""
        seconds = self._settings.reply_seconds
        envelope = message.envelope
        mail = f"MAIL FROM:<{envelope.sender}>{_parameters(session, message)}"
        commands = [mail, *(_rcpt(session, envelope, recipient) for recipient in envelope.recipients)]
        if "PIPELINING" not in session.extensions:
            first = self._begin(session, [mail], seconds)[0]
            return first, session.commands(commands[1:], seconds) if first.is_positive else []
        replies = self._begin(session, commands, seconds)
        return replies[0], replies[1:]

    @staticmethod
    def _begin(session: SmtpSession, commands: Sequence[str], seconds: float) -> list[Reply]:
        try:
            replies = session.commands(commands, seconds)
        except SessionLost as error:
            raise _NotBegun(of_error(error)) from None
        if replies[0].ends_session:
            raise _NotBegun(of_reply(session.name, replies[0].code, replies[0].lines))
        return replies

    def _send_content(self, session: SmtpSession, body: Body) -> Outcome:
        settings = self._settings
        reply = session.command("DATA", settings.reply_seconds)
        if reply.code != 354:  # noqa: PLR2004 - RFC 5321 section 4.3.2
            self._reset(session)
            outcome = of_reply(session.name, reply.code, reply.lines)
            if outcome.verdict is Verdict.DELIVERED:
                return Outcome(Verdict.DEFERRED, "4.5.0", outcome.text)
            return outcome
        session.send_content(body(), settings.reply_seconds)
        try:
            reply = session.end_content(settings.final_seconds)
        except SessionLost as error:
            text = f"{error}, after the whole message was sent: it may be delivered twice"
            self._drop()
            return Outcome(Verdict.DEFERRED, error.status, one_line(text))
        if reply.ends_session:
            self._drop()
        return of_reply(session.name, reply.code, reply.lines)

    def _reset(self, session: SmtpSession) -> None:
        """Make the connection fit for the next message, or give it up."""
        try:
            if session.command("RSET", self._settings.reply_seconds).is_positive:
                return
        except SessionLost:
            pass
        self._drop()


class _NotBegun(Exception):
    """The connection ended before the server answered MAIL."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def _refusal(session: SmtpSession, message: QueuedMessage) -> Outcome | None:
    """Why a message can't be given to this server at all, by what it offers."""
    if message.envelope.is_smtputf8 and "SMTPUTF8" not in session.extensions:
        text = (
            f"{session.name} does not offer SMTPUTF8, which the addresses or the header of this message need"
        )
        return Outcome(Verdict.REFUSED, NON_ASCII_STATUS, text)
    limit = session.extensions.get("SIZE", "")
    if _SIZE_LIMIT.fullmatch(limit) and int(limit) < message.size_bytes:
        text = f"{session.name} takes messages up to {limit} bytes, this one has {message.size_bytes}"
        return Outcome(Verdict.REFUSED, TOO_LARGE_STATUS, text)
    return None


def _parameters(session: SmtpSession, message: QueuedMessage) -> str:
    envelope = message.envelope
    parameters = f" SIZE={message.size_bytes}" if "SIZE" in session.extensions else ""
    if envelope.is_8bit and "8BITMIME" in session.extensions:
        parameters += " BODY=8BITMIME"
    parameters += " SMTPUTF8" * envelope.is_smtputf8
    return parameters + mail_words(envelope.options, session.extensions)


def _rcpt(session: SmtpSession, envelope: Envelope, recipient: str) -> str:
    return f"RCPT TO:<{recipient}>{recipient_words(envelope.options_of(recipient), session.extensions)}"


def _of_recipient(session: SmtpSession, reply: Reply) -> Outcome:
    outcome = of_reply(session.name, reply.code, reply.lines)
    if reply.code == 552:  # noqa: PLR2004 - too many recipients: RFC 5321 section 4.5.3.1.10
        return Outcome(Verdict.DEFERRED, "4.5.3", outcome.text)
    return outcome


def _unless_refused(outcome: Outcome) -> Outcome:
    """What an answer to RCPT is worth when no content could be sent."""
    if outcome.verdict is not Verdict.DELIVERED:
        return outcome
    return Outcome(Verdict.DEFERRED, "4.4.2", "the connection ended before the message was sent")
