"""Where an endpoint listens: ports, ports that begin with TLS, and a unix socket.

Contract: after ``open`` every address accepts connections, or, after an error, none does; after ``close``
none does. In one event loop.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import ConfigError
from gateway.ingest.certificates import Certificates
from gateway.ingest.connection import TLS_HANDSHAKE_SECONDS, TLS_SHUTDOWN_SECONDS
from gateway.ingest.listening import stop_listening
from gateway.ingest.settings import Address
from gateway.ingest.unix_socket import UnixSocket, bind_unix, remove_unix

BACKLOG_COUNT = 1024
"""asyncio's 100 makes clients that come at once wait for a SYN to be sent again."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where to listen.

    Args:
        section: the table of the configuration it is set by, for errors.
        listen: addresses and ports; port 0 takes any free one.
        listen_tls: the same, where a connection begins with TLS.
        unix: a unix socket, or None.
    """

    section: str
    listen: tuple[Address, ...] = ()
    listen_tls: tuple[Address, ...] = ()
    unix: UnixSocket | None = None


class Listeners:
    """All the listeners of an endpoint.

    Args:
        places: where they are.
        certificates: for connections that begin with TLS.
    """

    def __init__(self, places: Places, certificates: Certificates | None = None) -> None:
        self._places = places
        self._certificates = certificates
        self._listeners: list[asyncio.Server] = []
        self._unix: socket.socket | None = None
        self.ports: tuple[int, ...] = ()
        """The port of each address of ``listen``, then of ``listen_tls``; of use where 0 was asked for."""

    async def open(
        self,
        make: Callable[[], asyncio.BaseProtocol],
        make_secured: Callable[[], asyncio.BaseProtocol] | None = None,
    ) -> None:
        """Listen on every address.

        Args:
            make: makes what serves a client.
            make_secured: the same, for one whose connection begins with TLS; None: as the others.

        Raises:
            ConfigError: an address can not be listened on; then none is.
        """
        loop, places = asyncio.get_running_loop(), self._places
        for host, port in places.listen:
            listening = loop.create_server(make, host, port, backlog=BACKLOG_COUNT)
            await self._listen("listen", f"{host}:{port}", listening)
        for host, port in places.listen_tls:
            secured = self._begin_tls(make_secured or make, host, port)
            await self._listen("listen_tls", f"{host}:{port}", secured)
        self.ports = tuple(listener.sockets[0].getsockname()[1] for listener in self._listeners)
        if places.unix is not None:
            await self._listen_unix(places.unix, make)

    async def close(self) -> None:
        """Take no more connections. Idempotent."""
        await stop_listening(self._listeners)
        if self._unix is not None and self._places.unix is not None:
            self._unix.close()
            remove_unix(self._places.unix)
            self._unix = None

    def _begin_tls(
        self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> Awaitable[asyncio.Server]:
        certificates = self._certificates
        if certificates is None:
            raise AssertionError("internal error: TLS without a certificate")

        def refresh_and_make() -> asyncio.BaseProtocol:
            # Asked for each connection, just before its handshake, so that changed files count.
            certificates.refresh()
            return make()

        return asyncio.get_running_loop().create_server(
            refresh_and_make,
            host,
            port,
            backlog=BACKLOG_COUNT,
            ssl=certificates.context,
            ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
        )

    async def _listen(self, key: str, where: str, listening: Awaitable[asyncio.Server]) -> None:
        try:
            self._listeners.append(await listening)
        except OSError as error:
            await self.close()
            text = f"{self._places.section}.{key}: can not listen on {where}"
            raise ConfigError(f"{text}: {error}") from error

    async def _listen_unix(self, place: UnixSocket, make: Callable[[], asyncio.BaseProtocol]) -> None:
        try:
            self._unix = bind_unix(place, f"{self._places.section}.socket")
        except ConfigError:
            await self.close()
            raise
        loop = asyncio.get_running_loop()
        listening = loop.create_unix_server(make, sock=self._unix, backlog=BACKLOG_COUNT)
        await self._listen("socket", str(place.path), listening)
