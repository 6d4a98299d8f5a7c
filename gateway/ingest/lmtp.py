"""LMTP: the dialogue of SMTP with an answer for each recipient, for the mail server of this machine.

What differs from SMTP:

- LHLO greets; HELO and EHLO are not known.
- After the content there is one answer for each RCPT that was answered with yes, in their order, whatever
  happened: also for a recipient that was named twice, and also when the disk refused, the content was, or
  a fault of ours came between.
- DATA without a recipient is 503.

Whoever may open the unix socket may hand mail in; over TCP the networks decide.

Spec: RFC 2033; RFC 3848 (names of protocols).
"""

import asyncio
import logging
import socket
from typing import ClassVar

from gateway.ingest.local_user import find_user, peer_uid
from gateway.ingest.reply import Reply
from gateway.ingest.services import Services
from gateway.ingest.smtp import SmtpSession
from gateway.ingest.transaction import Transaction

_LOG = logging.getLogger(__name__)

_FAULT = Reply(451, "4.3.0", "internal error, try again later")


class LmtpSession(SmtpSession):
    """One client's session.

    Args:
        services: of the endpoint.
        loop: the running event loop.
    """

    COMMANDS = SmtpSession.COMMANDS - {b"HELO", b"EHLO"} | {b"LHLO"}
    SPOKEN: ClassVar[str] = "LMTP"
    GREETINGS: ClassVar[str] = "LHLO"
    NO_RECIPIENTS: ClassVar[Reply] = Reply(503, "5.5.1", "no valid recipients")

    def __init__(self, services: Services, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(services, loop)
        self._local_uid: int | None = None
        self._origin = ""

    @property
    def client_ip(self) -> str:
        """Address of the client, or its user on this machine."""
        return self._origin or super().client_ip

    def _met(self, transport: asyncio.Transport) -> None:
        super()._met(transport)
        link = transport.get_extra_info("socket")
        if link is not None and link.family == socket.AF_UNIX:
            self._local_uid = peer_uid(link)
            self._is_permitted = True

    async def smtp_LHLO(self, hostname: str) -> None:  # noqa: N802 - as aiosmtpd names commands
        """Greet and say what we can."""
        await self.smtp_EHLO(hostname)

    async def _serve(self) -> None:
        if self._local_uid is not None:
            users = self._services.users
            user = users.get(self._local_uid)
            if user is None:
                # In a thread, since it may ask a directory service, and once: for messages that come in a
                # connection each, as Exim's do, it would be an eighth of the work on them.
                user = users[self._local_uid] = await self.loop.run_in_executor(
                    None, find_user, self._local_uid
                )
            self._origin = user.origin
        await super()._serve()

    async def _put(self, transaction: Transaction, content: bytearray) -> Reply:
        try:
            return await super()._put(transaction, content)
        except Exception:  # noqa: BLE001 - a bug: the client keeps its message, told for each recipient
            _LOG.exception("%s: internal error", self.client_ip)
            return _FAULT

    def _answer_content(self, answer: Reply) -> None:
        for _ in range(self._transaction.accepted_count):
            self.reply(answer)

    def _protocol(self, *, is_smtputf8: bool) -> str:
        return "UTF8LMTP" if is_smtputf8 else "LMTP"
