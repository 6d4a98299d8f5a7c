"""Who is let in by a password: the same for all connections of an endpoint.

Contract: two passwords or so are checked at a time, in threads, and so many wait for it that memory and
time are bounded; nobody waits longer than that.
"""

import asyncio
import logging
from concurrent.futures import Executor
from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.ingest.certificates import Certificates
from gateway.ingest.guard import Guard
from gateway.ingest.passwords import Passwords
from gateway.ingest.submission_settings import Senders

WAITING_LIMIT_COUNT = 100
"""Passwords that wait to be checked, of all connections; each takes some tenths of a second."""

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Door:
    """Who is let in, the same for all sessions of an endpoint.

    Args:
        passwords: of the users.
        executor: checks them.
        guard: keeps those away who guess.
        certificates: for TLS, or None: there is none.
        senders: whom users may send as.
        is_cleartext_local: a password may come in clear from this machine.
        max_failures: passwords that are wrong until the connection is closed.
        failure_seconds: how long the first wrong one is made to wait; each further one twice as long.
        waiting_count: passwords that are being checked or wait for it.
    """

    passwords: Passwords
    executor: Executor
    guard: Guard
    certificates: Certificates | None = None
    senders: Senders = field(default_factory=dict)
    is_cleartext_local: bool = False
    max_failures: int = 3
    failure_seconds: float = 2.0
    waiting_count: int = 0

    async def check(self, name: str, password: str) -> bool | None:
        """Whether somebody is who they say; None: nobody can be checked now."""
        if self.waiting_count >= WAITING_LIMIT_COUNT:
            return None
        self.waiting_count += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.executor, self.passwords.check, name, password)
        except GatewayError as error:
            _LOG.error("nobody can log in: %s", error)
            return None
        finally:
            self.waiting_count -= 1
