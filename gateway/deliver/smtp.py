"""Delivery to a mail server by SMTP or LMTP: one transaction a message, an outcome for each recipient.

The connection is kept over the messages of a run. Where the server offers PIPELINING, all commands of a
message are sent together, and those of the next one behind the final dot of the last, so that a small
message costs two waits for the server. When a kept connection turns out to be gone before the server has
answered MAIL, a new one is tried once: servers close idle connections.

If the connection breaks after the final dot, the server may have the message or not; it is
deferred, and so may be delivered twice, as RFC 1047 describes. It is never lost.

LMTP differs in its greeting, and in that the server answers the final dot once for each recipient.

What the sender asked for (reports, priority, a deadline) is passed on as far as the server offers it.

Spec: RFC 5321 sections 3.3, 4.5.3.2 and 4.5.4.1; RFC 1047; RFC 2033; RFC 2920 section 3.1; RFC 3461
section 5.2.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.deliver.outcome import of_error, of_reply, one_line
from gateway.deliver.smtp_session import (
    PIPELINE_COUNT,
    Reply,
    SessionLost,
    SmtpSession,
    TcpPlace,
    UnixPlace,
)
from gateway.deliver.target import Body, Job, TargetDown, same_for_all
from gateway.errors import ConfigError
from gateway.message.address import is_domain
from gateway.message.envelope import Envelope
from gateway.message.esmtp import mail_words, recipient_words
from gateway.msgqueue.entry import Outcome, QueuedMessage, Success, Verdict

NON_ASCII_STATUS = "5.6.7"
TOO_LARGE_STATUS = "5.3.4"
CUT_STATUS = "4.4.2"
GO_ON = 354

_SIZE_LIMIT = re.compile(r"[1-9][0-9]{0,19}")
"""Without digits or with 0, SIZE names no limit: RFC 1870 section 4."""
_OTHER_COMMANDS_COUNT = 3
"""RSET, MAIL and DATA, besides the recipients."""


@dataclass(frozen=True, slots=True)
class SmtpTargetSettings:
    """Which server, and how patient to be with it.

    Args:
        place: where it listens.
        own_name: our host name, for the greeting.
        is_lmtp: whether it speaks LMTP.
        connect_seconds: for the connection.
        reply_seconds: for an answer to a command, and for the server to take more content.
        final_seconds: for the answer to the final dot; RFC 5321 asks for ten minutes, since giving up
            too early delivers twice.
        message_count: messages over one connection.
    """

    place: TcpPlace | UnixPlace
    own_name: str
    is_lmtp: bool = False
    connect_seconds: float = 30.0
    reply_seconds: float = 300.0
    final_seconds: float = 600.0
    message_count: int = 100


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a server said to the commands of one message, as far as it said anything.

    Args:
        mail: to MAIL.
        recipients: to each RCPT.
        data: to DATA, if it was sent and answered.
    """

    mail: Reply
    recipients: Sequence[Reply]
    data: Reply | None

    @property
    def is_waiting_for_content(self) -> bool:
        """Whether the server reads content next."""
        return self.data is not None and self.data.code == GO_ON


class SmtpTarget:
    """Delivers to one mail server over one connection at a time.

    Args:
        settings: which.

    Raises:
        ConfigError: our own name can't stand in a greeting.
    """

    def __init__(self, settings: SmtpTargetSettings) -> None:
        if not is_domain(settings.own_name):
            raise ConfigError(f"{settings.own_name!r} is not a host name to greet a mail server with")
        self._settings = settings
        self._session: SmtpSession | None = None
        self._sent_count = 0
        self._has_open_transaction = False
        self._ahead: Job | None = None
        """The message whose commands were sent behind the last one."""

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Try to deliver messages; see ``Target``."""
        following = next(jobs, None)
        while following is not None:
            job, following = following, next(jobs, None)
            yield self._deliver(job, following)

    def close(self) -> None:
        """Leave the server in good order."""
        session, is_clean = self._session, self._ahead is None
        self._forget()
        if session is not None:
            session.quit() if is_clean else session.abort()

    def _deliver(self, job: Job, following: Job | None) -> Sequence[Outcome]:
        try:
            return self._transaction(job, following)
        except SessionLost as error:
            self._drop()
            return same_for_all(job.message, _cut(error))
        except BaseException:
            # Without the final dot the server forgets what it got.
            self._drop()
            raise

    def _drop(self) -> None:
        session = self._session
        self._forget()
        if session is not None:
            session.abort()

    def _forget(self) -> None:
        self._session = self._ahead = None
        self._has_open_transaction = False

    def _connect(self) -> SmtpSession:
        settings = self._settings
        self._sent_count = 0
        try:
            session = SmtpSession(settings.place, settings.connect_seconds)
            self._session = session
            reply = session.greet(settings.own_name, settings.reply_seconds, is_lmtp=settings.is_lmtp)
        except SessionLost as error:
            self._drop()
            raise TargetDown(str(error), status=error.status) from None
        if reply.is_positive:
            return session
        self._drop()
        # A refusal of the connection says nothing about the mail: the server may be misconfigured.
        outcome = of_reply(session.name, reply.code, reply.lines)
        raise TargetDown(f"no mail is taken: {outcome.text}", status="4.3.2")

    def _transaction(self, job: Job, following: Job | None) -> Sequence[Outcome]:
        session = self._session
        if session is not None and (self._ahead is job or self._sent_count < self._settings.message_count):
            try:
                return self._send(session, job, following)
            except _NotBegun:
                self._drop()
        else:
            self.close()
        try:
            return self._send(self._connect(), job, following)
        except _NotBegun as error:
            self._drop()
            return same_for_all(job.message, error.outcome)

    def _send(self, session: SmtpSession, job: Job, following: Job | None) -> Sequence[Outcome]:
        message = job.message
        refusal = _refusal(session, message)
        if refusal is not None:
            return same_for_all(message, refusal)
        answers = self._offer(session, message, is_sent=self._ahead is job)
        self._ahead = None
        self._has_open_transaction = answers.mail.is_positive
        outcomes = _offered(session, message, answers)
        accepted_count = sum(outcome.verdict is Verdict.DELIVERED for outcome in outcomes)
        if answers.is_waiting_for_content and accepted_count:
            ends = self._send_content(session, job.body, following, accepted_count)
        else:
            if answers.is_waiting_for_content:
                self._end_without_content(session, answers)
            if session.is_closed:
                self._drop()
            ends = [_without_content(session, answers.data)] * accepted_count
        in_order = iter(ends)
        return [next(in_order) if outcome.verdict is Verdict.DELIVERED else outcome for outcome in outcomes]

    def _offer(self, session: SmtpSession, message: QueuedMessage, *, is_sent: bool) -> _Answers:
        """Send the commands of a message, if they were not sent ahead, and read what the server says."""
        if not is_sent:
            self._sent_count += 1
            self._reset(session)
        mail, *recipients = _commands(session, message)
        if _fits_one_write(session, message):
            if not is_sent:
                session.hold([mail, *recipients, "DATA"])
            reply, *replies = self._begin(session, len(recipients) + 2)
            return _Answers(reply, replies[: len(recipients)], next(iter(replies[len(recipients) :]), None))
        session.hold([mail])
        (reply,) = self._begin(session, 1)
        if not reply.is_positive:
            return _Answers(reply, [], None)
        replies = session.commands(recipients, self._settings.reply_seconds)
        if session.is_closed or not any(answer.is_positive for answer in replies):
            return _Answers(reply, replies, None)
        try:
            return _Answers(reply, replies, session.command("DATA", self._settings.reply_seconds))
        except SessionLost:
            # What was said of each recipient holds all the same.
            return _Answers(reply, replies, None)

    def _begin(self, session: SmtpSession, count: int) -> list[Reply]:
        """Send what is held and read the answers to MAIL and to what came with it, as far as there are any.

        Raises:
            _NotBegun: there is none to MAIL.
        """
        try:
            session.flush(self._settings.reply_seconds)
            replies = session.read_replies(count, self._settings.reply_seconds)
        except SessionLost as error:
            raise _NotBegun(of_error(error)) from None
        if replies[0].ends_session:
            raise _NotBegun(of_reply(session.name, replies[0].code, replies[0].lines))
        return replies

    def _reset(self, session: SmtpSession) -> None:
        """End a transaction that was left open: all of its recipients were refused."""
        if not self._has_open_transaction:
            return
        try:
            reply = session.command("RSET", self._settings.reply_seconds)
        except SessionLost as error:
            raise _NotBegun(of_error(error)) from None
        if not reply.is_positive:
            raise _NotBegun(of_reply(session.name, reply.code, reply.lines))

    def _send_content(
        self, session: SmtpSession, body: Body, following: Job | None, accepted_count: int
    ) -> list[Outcome]:
        """Send a message, and the commands of the next one; an outcome for each accepted recipient."""
        settings = self._settings
        count = accepted_count if settings.is_lmtp else 1
        ends: list[Outcome] = []
        warning = ""
        try:
            refusal = session.send_content(body(), settings.reply_seconds)
            if refusal is None:
                session.end_content()
                if following is not None and self._may_go_ahead(session, following.message):
                    session.hold([*_commands(session, following.message), "DATA"])
                    self._sent_count += 1
                    self._ahead = following
                warning = ", after the whole message was sent: it may be delivered twice"
                session.flush(settings.reply_seconds)
                ends += [
                    _final(session, reply) for reply in session.read_replies(count, settings.final_seconds)
                ]
            else:
                ends.append(of_reply(session.name, refusal.code, refusal.lines))
        except SessionLost as error:
            ends.append(_cut(error, warning))
        else:
            if len(ends) < count and session.lost is not None:
                ends.append(_cut(session.lost, warning))
        self._has_open_transaction = False
        if session.is_closed:
            self._drop()
        return ends + ends[-1:] * (accepted_count - len(ends))

    def _end_without_content(self, session: SmtpSession, answers: _Answers) -> None:
        """Leave a server that waits for content although it refused every recipient: RFC 2920, 3.1."""
        if self._settings.is_lmtp or not answers.mail.is_positive:
            # It has nobody to answer for, or counts otherwise than we do.
            self._drop()
            return
        self._has_open_transaction = False
        with contextlib.suppress(SessionLost):
            session.command(".", self._settings.final_seconds)

    def _may_go_ahead(self, session: SmtpSession, message: QueuedMessage) -> bool:
        """Whether the commands of a message may be sent before the last one is answered."""
        is_room = self._sent_count < self._settings.message_count
        return is_room and _fits_one_write(session, message) and _refusal(session, message) is None


class _NotBegun(Exception):
    """The connection ended before the server answered MAIL."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def _offered(session: SmtpSession, message: QueuedMessage, answers: _Answers) -> list[Outcome]:
    """What was said of each recipient before there was any content; *delivered* is one that was accepted."""
    if not answers.mail.is_positive:
        return same_for_all(message, of_reply(session.name, answers.mail.code, answers.mail.lines))
    outcomes = [_of_recipient(session, reply) for reply in answers.recipients]
    return outcomes + [_unsaid(session)] * (len(message.envelope.recipients) - len(outcomes))


def _without_content(session: SmtpSession, data: Reply | None) -> Outcome:
    """What an accepted recipient comes to when no content could be sent."""
    if data is None:
        return _unsaid(session)
    outcome = of_reply(session.name, data.code, data.lines)
    if outcome.verdict is Verdict.DELIVERED:
        return Outcome(Verdict.DEFERRED, "4.5.0", outcome.text)
    return outcome


def _unsaid(session: SmtpSession) -> Outcome:
    """What a recipient comes to when the connection ended before anything was said of it."""
    if session.lost is not None:
        return _cut(session.lost)
    return Outcome(Verdict.DEFERRED, CUT_STATUS, f"{session.name} closed the connection")


def _cut(error: SessionLost, warning: str = "") -> Outcome:
    """What a connection that broke off comes to."""
    return of_error(error)._replace(text=one_line(f"{error}{warning}"), is_cut=True)


def _final(session: SmtpSession, reply: Reply) -> Outcome:
    """What the answer to a message comes to."""
    outcome = of_reply(session.name, reply.code, reply.lines)
    return outcome._replace(success=Success.PASSED_ON) if "DSN" in session.extensions else outcome


def _fits_one_write(session: SmtpSession, message: QueuedMessage) -> bool:
    count = len(message.envelope.recipients) + _OTHER_COMMANDS_COUNT
    return "PIPELINING" in session.extensions and count <= PIPELINE_COUNT


def _commands(session: SmtpSession, message: QueuedMessage) -> list[str]:
    """MAIL and every RCPT."""
    envelope = message.envelope
    mail = f"MAIL FROM:<{envelope.sender}>{_parameters(session, message)}"
    return [mail, *(_rcpt(session, envelope, recipient) for recipient in envelope.recipients)]


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
