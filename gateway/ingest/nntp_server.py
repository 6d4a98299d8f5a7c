"""The endpoint for news: listens, serves news servers and readers, and ends in good order.

Contract: after ``start`` every listening address accepts connections; after ``stop`` none does, no
connection lives, and every article that was answered with yes is in the queue. Runs in one event loop, all
methods are called there.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from gateway.errors import ConfigError
from gateway.ingest.certificates import Certificates
from gateway.ingest.door import Door
from gateway.ingest.guard import Guard
from gateway.ingest.inflight import InFlight
from gateway.ingest.listeners import Listeners
from gateway.ingest.nntp_access import Admittance
from gateway.ingest.nntp_connection import NntpConnection
from gateway.ingest.nntp_intake import ArticleIntake
from gateway.ingest.nntp_offers import Offers
from gateway.ingest.nntp_posting import Posting
from gateway.ingest.nntp_reading import ReadingRoom
from gateway.ingest.nntp_services import NntpServices
from gateway.ingest.nntp_settings import NntpSettings
from gateway.ingest.passwords import Passwords
from gateway.reader.store import ReaderStore

WORKERS_COUNT = 4
PASSWORD_THREADS_COUNT = 1


class NntpServer:
    """The endpoint.

    Args:
        settings: where it listens, whom it serves, its limits.
        posting: takes what is posted; its desk takes what peers bring.
        store: what is kept for reading, or None.

    Raises:
        ConfigError: the certificate can't be used.
    """

    def __init__(self, settings: NntpSettings, posting: Posting, store: ReaderStore | None) -> None:
        self._settings = settings
        certificates = None if settings.certificate is None else Certificates(settings.certificate)
        self._listeners = Listeners(settings.places, certificates)
        self._executor = ThreadPoolExecutor(WORKERS_COUNT, thread_name_prefix="nntp")
        self._passwords = ThreadPoolExecutor(PASSWORD_THREADS_COUNT, thread_name_prefix="nntp-password")
        self._posting = posting
        self._store = store
        self._door = Door(
            passwords=Passwords(settings.passwords),
            executor=self._passwords,
            guard=Guard(settings.bar_failures, settings.bar_seconds),
            certificates=certificates,
            is_cleartext_local=settings.is_cleartext_local,
            max_failures=settings.max_failures,
            failure_seconds=settings.failure_seconds,
        )
        self._services: NntpServices | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        """The port of each address of ``listen``, then of ``listen_tls``; of use where 0 was asked for."""
        return self._listeners.ports

    @property
    def connections_count(self) -> int:
        """Connections that live now."""
        return 0 if self._services is None else len(self._services.connections)

    @property
    def inflight_bytes(self) -> int:
        """What all connections hold in memory."""
        return 0 if self._services is None else self._services.inflight.used_bytes

    async def start(self) -> None:
        """Listen on every address.

        Raises:
            ConfigError: an address can not be listened on; then none is.
        """
        services = self._make_services()
        self._services = services
        try:
            await self._listeners.open(
                lambda: NntpConnection(services), lambda: NntpConnection(services, is_tls=True)
            )
        except ConfigError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take no more, let articles that came whole get to the disk, end all connections. Idempotent."""
        services = self._services
        if services is not None:
            services.is_stopping = True
            await self._listeners.close()
            await self._end_connections(services)
        await asyncio.to_thread(self._executor.shutdown)
        await asyncio.to_thread(self._passwords.shutdown, cancel_futures=True)

    async def _end_connections(self, services: NntpServices) -> None:
        connections = list(services.connections)
        for connection in connections:
            connection.shut_down()
        if connections:
            waits = [asyncio.ensure_future(connection.wait_ended()) for connection in connections]
            await asyncio.wait(waits, timeout=self._settings.stop_seconds)
            for connection in list(services.connections):
                connection.abort()
            await asyncio.wait(waits)

    def _make_services(self) -> NntpServices:
        desk, settings = self._posting.desk, self._settings
        reading = None if self._store is None else ReadingRoom(self._store, self._executor)
        return NntpServices(
            settings=settings,
            desk=desk,
            intake=ArticleIntake(desk, self._executor),
            offers=Offers(asyncio.get_running_loop().time),
            posting=self._posting,
            reading=reading,
            door=self._door,
            admittance=Admittance(settings, is_reader_there=reading is not None),
            executor=self._executor,
            inflight=InFlight(settings.max_inflight_bytes),
        )
