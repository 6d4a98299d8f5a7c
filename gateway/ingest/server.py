"""An endpoint for mail: listens, makes a session for each client, and ends in good order.

The same for SMTP, LMTP and submission; what is spoken is the session's affair.

Contract: after ``start`` every listening address accepts connections; after ``stop`` none does,
no session lives, and no message is half in the queue. Runs in one event loop, all methods are
called there.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.batch.choices import FindChoices
from gateway.errors import ConfigError
from gateway.ingest.certificates import Certificates
from gateway.ingest.inflight import InFlight
from gateway.ingest.intake import Intake
from gateway.ingest.listeners import Listeners, Places
from gateway.ingest.services import Services
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.smtp import SmtpSession
from gateway.msgqueue.store import Queue
from gateway.routing.table import Table

AIOSMTPD_LOG_NAME = "mail.log"
BODY_THREADS_COUNT = 4
CLIENTS_CACHED_COUNT = 1024


Speak = Callable[[Services, asyncio.AbstractEventLoop], SmtpSession]
"""Makes the session of a client that has just connected."""


class SmtpServer:
    """One endpoint.

    Args:
        settings: where it listens, whom it serves, its limits.
        queue: takes the messages; stays open until after ``stop``.
        table: routes recipients.
        find_choices: the neighbours of a route of the table.
        speak: what is spoken.
        certificates: for connections that begin with TLS.
        wall: the time for Received fields, seconds since 1970.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        queue: Queue,
        table: Table,
        find_choices: FindChoices,
        *,
        speak: Speak = SmtpSession,
        certificates: Certificates | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._speak = speak
        places = Places(settings.section, settings.listen, settings.listen_tls, settings.unix)
        self._listeners = Listeners(places, certificates)
        self._executor = ThreadPoolExecutor(BODY_THREADS_COUNT, thread_name_prefix="smtp-body")
        self._services = Services(
            settings=settings,
            queue=queue,
            table=table,
            find_choices=find_choices,
            permits=functools.lru_cache(CLIENTS_CACHED_COUNT)(settings.relay_from.permits),
            inflight=InFlight(settings.max_inflight_bytes),
            intake=Intake(queue, settings.hostname, settings.max_hops, self._executor, wall),
        )

    @property
    def ports(self) -> tuple[int, ...]:
        """The port of each address of ``listen``, then of ``listen_tls``; of use where 0 was asked for."""
        return self._listeners.ports

    @property
    def inflight_bytes(self) -> int:
        """Content that all connections hold in memory, with what they announced."""
        return self._services.inflight.used_bytes

    @property
    def connections_count(self) -> int:
        """Sessions that live now."""
        return len(self._services.sessions)

    async def start(self) -> None:
        """Listen on every address.

        Raises:
            ConfigError: an address can not be listened on; then none is.
        """
        # aiosmtpd writes a line for each connection there, beside the mail log.
        logging.getLogger(AIOSMTPD_LOG_NAME).setLevel(logging.WARNING)
        try:
            await self._listeners.open(self._make_session)
        except ConfigError:
            await self.stop()
            raise

    def _make_session(self) -> SmtpSession:
        return self._speak(self._services, asyncio.get_running_loop())

    async def stop(self) -> None:
        """Take no more connections, let messages that are being taken in finish, end the rest.

        Idempotent.
        """
        self._services.is_stopping = True
        await self._listeners.close()
        sessions = list(self._services.sessions)
        for session in sessions:
            session.shut_down()
        if sessions:
            waits = [asyncio.ensure_future(session.wait_ended()) for session in sessions]
            await asyncio.wait(waits, timeout=self._settings.stop_seconds)
            for session in list(self._services.sessions):
                session.abort()
            await asyncio.wait(waits)
        await asyncio.to_thread(self._executor.shutdown)
