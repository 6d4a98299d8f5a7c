"""SMTP spoken by a local program through ``sendmail -bs``: a session as any other, of somebody we know."""

import asyncio

from gateway.ingest.services import Services
from gateway.ingest.smtp import SmtpSession


class LocalSmtpSession(SmtpSession):
    """The session of a program on this machine, which may hand mail in.

    Args:
        services: of the endpoint; they permit everybody.
        loop: the running event loop.
        origin: who speaks, for logs.
    """

    def __init__(self, services: Services, loop: asyncio.AbstractEventLoop, origin: str) -> None:
        super().__init__(services, loop)
        self._origin = origin

    @property
    def client_ip(self) -> str:
        """Who speaks, where others have an address."""
        return self._origin
