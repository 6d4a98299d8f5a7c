"""Submission: SMTP for the users of this gateway, who prove who they are.

States of a session, beside those of SMTP::

    CLEAR --STARTTLS--> CLEAR again, in TLS --EHLO, AUTH--> USER --MAIL, RCPT, DATA--> ...

Contract: nothing is taken from anybody before AUTH has succeeded. A password is asked for in TLS alone, or,
where that is allowed, from this very machine. Who fails is made to wait, then sent away, then not listened
to for a while, and each failure leaves a line in the mail log. A user with a list of senders sends as none
else. What a message lacks to be one (Date, Message-ID) is added.

Spec: RFC 6409; RFC 4954 (AUTH); RFC 3207 (STARTTLS); RFC 8314 (implicit TLS); RFC 3848 (names of protocols).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from gateway.ingest.door import Door
from gateway.ingest.intake import Submission
from gateway.ingest.parameters import MailParameters
from gateway.ingest.reply import Reply
from gateway.ingest.sasl import (
    MECHANISMS,
    BadResponse,
    Credentials,
    Exchange,
    decode_response,
    encode_challenge,
)
from gateway.ingest.services import Services
from gateway.ingest.smtp import OUT_OF_STEP, SmtpSession
from gateway.ingest.transaction import Transaction
from gateway.maillog import log_mail
from gateway.message.address import shown
from gateway.routing.access import AccessList
from gateway.routing.table import LocalRoute

LOOPBACK = AccessList()


class SubmissionSession(SmtpSession):
    """One client's session.

    Args:
        services: of the endpoint.
        loop: the running event loop.
        door: who is let in.
    """

    COMMANDS = SmtpSession.COMMANDS | {b"STARTTLS", b"AUTH"}
    IS_AUTH_KNOWN = True

    def __init__(self, services: Services, loop: asyncio.AbstractEventLoop, door: Door) -> None:
        super().__init__(services, loop)
        self._door = door
        self._user = ""
        self._failures_count = 0

    def _met(self, transport: asyncio.Transport) -> None:
        super()._met(transport)
        # Nobody is, by their address.
        self._is_permitted = False

    @property
    def _is_auth_offered(self) -> bool:
        if self.is_secured:
            return True
        return self._door.is_cleartext_local and LOOPBACK.permits(self.client_ip)

    def _extensions(self) -> Sequence[str]:
        offered = [*super()._extensions()]
        if self._door.certificates is not None and not self.is_secured:
            offered.append("STARTTLS")
        if self._is_auth_offered:
            offered.append(f"AUTH {' '.join(MECHANISMS)}")
        return offered

    def _greeting(self) -> Reply | None:
        if self._door.guard.is_barred(self.client_ip):
            return _BARRED
        return super()._greeting()

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name for a command
        """Secure the connection."""
        if arg:
            self.fault(Reply(501, "5.5.4", "allowed: STARTTLS alone"))
        elif self.is_secured:
            self.fault(Reply(503, "5.5.1", "the connection is in TLS already"))
        elif self._door.certificates is None:
            self.fault(Reply(502, "5.5.1", "STARTTLS is not offered here"))
        elif self.is_input_waiting():
            self.leave(OUT_OF_STEP)
        else:
            self.reply(Reply(220, "2.0.0", "ready to start TLS"))
            self._door.certificates.refresh()
            await self.start_tls(self._door.certificates.context)
            # What was said in clear may have been said by anybody.
            self._user, self._is_permitted = "", False
            self._set_post_data_state()
            if self.session is not None:
                self.session.host_name = None
                self.session.extended_smtp = False

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - as above
        """Find out who speaks."""
        mechanism, _, initial = arg.partition(" ")
        refused = self._auth_fault(mechanism)
        if refused is not None:
            self.fault(refused)
            return
        if self.is_input_waiting():
            self.leave(OUT_OF_STEP)
            return
        try:
            credentials = await self._hear(MECHANISMS[mechanism.upper()](), initial.strip())
        except BadResponse as error:
            self.fault(Reply(501, error.status, str(error)))
            return
        if credentials is None:
            self.fault(Reply(501, "5.7.0", "cancelled"))
        else:
            await self._judge(credentials)

    def _auth_fault(self, mechanism: str) -> Reply | None:
        """Why AUTH can't begin, or None."""
        if not self._is_auth_offered:
            return Reply(538, "5.7.11", "a password is asked for in TLS only: send STARTTLS first")
        if not self._is_extended() or self._user or self._transaction.mail_from is not None:
            return Reply(503, "5.5.1", "allowed: AUTH once, after EHLO, before MAIL")
        if mechanism.upper() not in MECHANISMS:
            return Reply(504, "5.5.4", f"allowed: AUTH {' or '.join(MECHANISMS)}")
        return None

    async def _hear(self, exchange: Exchange, initial: str) -> Credentials | None:
        """Let the client say who it is; None: it will not."""
        line: str | None = None if not initial else "" if initial == "=" else initial
        challenge = exchange.first_challenge
        while True:
            if line is None:
                self.reply(f"334 {encode_challenge(challenge)}")
                line = (await self._read_line()).removesuffix(b"\r\n").decode("ascii", "replace")
            if line == "*":
                return None
            found = exchange.take(decode_response(line))
            if isinstance(found, Credentials):
                return found
            challenge, line = found, None

    async def _judge(self, credentials: Credentials) -> None:
        door = self._door
        if door.guard.is_barred(self.client_ip):
            self.leave(_BARRED)
            return
        is_right = await door.check(credentials.name, credentials.password)
        if is_right is None:
            self.reply(_LATER)
            return
        if is_right:
            self._welcome(credentials.name)
        else:
            await self._send_off(credentials.name)

    def _welcome(self, user: str) -> None:
        self._user = user
        self._is_permitted = True
        self._forgive()
        self.reply(Reply(235, "2.7.0", "welcome"))

    async def _send_off(self, user: str) -> None:
        door = self._door
        total = door.guard.failed(self.client_ip)
        write = partial(log_mail, status=_WRONG.status, text=_WRONG.text)
        write("auth-failed", user=user, client=self.client_ip, failures=total)
        await asyncio.sleep(door.failure_seconds * 2**self._failures_count)
        self._failures_count += 1
        if self._failures_count >= door.max_failures or door.guard.is_barred(self.client_ip):
            self.reply(_WRONG)
            self.leave(_BARRED)
        else:
            self.fault(_WRONG)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - as above
        """Begin a message, if it is known whose."""
        if self._user:
            await super().smtp_MAIL(arg)
        elif self._is_auth_offered:
            self.fault(Reply(530, "5.7.0", "authentication required"))
        else:
            self.fault(Reply(530, "5.7.0", "send STARTTLS first, then AUTH"))

    def _sender_fault(self, sender: str, parameters: MailParameters) -> Reply | None:
        allowed = self._door.senders.get(self._user)
        if allowed is not None and sender and not isinstance(allowed.route(sender), LocalRoute):
            return Reply(553, "5.7.1", f"{self._user} may not send as {shown(sender)}")
        return super()._sender_fault(sender, parameters)

    def _submission(self, transaction: Transaction, content: bytearray) -> Submission:
        return replace(super()._submission(transaction, content), user=self._user, is_completed=True)

    def _protocol(self, *, is_smtputf8: bool) -> str:
        name = "UTF8SMTP" if is_smtputf8 else "ESMTP"
        return f"{name}{'S' * self.is_secured}A"


_BARRED = Reply(421, "4.7.0", "too many passwords that were wrong, try again later")
_LATER = Reply(454, "4.7.0", "nobody can log in now, try again later")
_WRONG = Reply(535, "5.7.8", "name or password is wrong")


def speak_submission(door: Door) -> Callable[[Services, asyncio.AbstractEventLoop], SubmissionSession]:
    """What makes the sessions of an endpoint with this door."""

    def speak(services: Services, loop: asyncio.AbstractEventLoop) -> SubmissionSession:
        return SubmissionSession(services, loop, door)

    return speak
