"""Where connections come from: TCP both ways, and the descriptors of UCSPI. The only module with sockets.

Contract: what the kernel holds unsent is bounded, so that an urgent packet overtakes soon and a deadline
means something. Of several addresses of a host the first to answer is taken.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
import stat
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.carry.online.descriptors import Descriptors
from gateway.carry.online.wire import THIN_BYTES, Wire
from gateway.errors import ConfigError

_LOG = logging.getLogger(__name__)

BACKLOG_COUNT = 1024
UNSENT_BYTES = 128 << 10
"""Enough for a fast link, little for a slow one."""
THIN_PIECE_COUNT = 16
"""What the kernel may hold of a thin link, sent but not acknowledged included."""
STAGGER_SECONDS = 0.25
"""RFC 8305, section 5: the next address is tried when the one before does not answer within this."""
FULL_SECONDS = 1.0
"""Out of descriptors: take no connection for so long."""
ACCEPT_COUNT = 64
"""Connections taken at a time, then others have their turn."""

PIPE = "PIPE"
"""The address of a peer that nobody told."""

UCSPI_SERVER_FDS = (0, 1)
UCSPI_CLIENT_FDS = (6, 7)

Place = Any
"""An address as the socket module takes it; its shape depends on the family."""

_ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]*)):([A-Za-z0-9-]+)")
_ANY_IPV6, _ANY_IPV4 = "::", "0.0.0.0"  # noqa: S104 - a listener says so on purpose
_MAPPED = "::ffff:"
"""How a socket for both kinds shows IPv4."""
_LAST_STANDARD_FD = 2


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where to connect to, or to listen on.

    Args:
        host: name or number; "": every address of this machine.
        port: number or name of a service.
    """

    host: str
    port: str


def parse_tcp_address(text: str) -> TcpAddress:
    """Read ``HOST:PORT``, ``[IPv6%ZONE]:PORT`` or ``:PORT``.

    Raises:
        ConfigError: it is nothing of these.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ConfigError(f"address {text!r}: allowed: HOST:PORT, [IPv6]:PORT or |COMMAND")
    return TcpAddress(match[1] or match[2], match[3])


# TCP


class _Socket:
    """A wire's channel."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def limit(self, chunk_bytes: int) -> None:
        """Bound what the kernel holds; a socket that is not TCP has no such limits."""
        unsent_bytes = UNSENT_BYTES
        with contextlib.suppress(OSError):
            if chunk_bytes < THIN_BYTES:
                unsent_bytes = chunk_bytes
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, THIN_PIECE_COUNT * chunk_bytes)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent_bytes)

    def end_writing(self) -> None:
        """Half close."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close."""
        self._socket.close()


def wire_of(sock: socket.socket, peer: str) -> Wire:
    """Make a wire of a connected socket, which it closes.

    Args:
        sock: the socket.
        peer: who is at the other end.
    """
    with contextlib.suppress(OSError):
        # What is written is whole messages.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel = _Socket(sock)
    channel.limit(THIN_BYTES)
    return Wire(sock.fileno(), sock.fileno(), channel, peer)


async def connect_tcp(address: TcpAddress) -> Wire:
    """Connect; cancelled, it leaves nothing open.

    Raises:
        OSError: no address of the host answers, or it is not known.
    """
    loop = asyncio.get_running_loop()
    host = address.host or "localhost"
    found = await loop.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    sock = await _connect_first(found)
    return wire_of(sock, format_place(sock.getpeername()))


async def _connect_first(found: Sequence[tuple[int, int, int, str, Place]]) -> socket.socket:
    """Try addresses, each some time after the one before, and take the first that answers.

    Raises:
        OSError: none does.
    """
    left = deque(found)
    tasks: set[asyncio.Task[socket.socket]] = set()
    error: BaseException = OSError("no address was found")
    try:
        while left or tasks:
            if left:
                family, kind, protocol, _, place = left.popleft()
                tasks.add(asyncio.ensure_future(_connect(family, kind, protocol, place)))
            done, tasks = await asyncio.wait(
                tasks, timeout=STAGGER_SECONDS if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            connected = [task.result() for task in done if task.exception() is None]
            for spare in connected[1:]:
                spare.close()
            if connected:
                return connected[0]
            error = next((task.exception() or error for task in done), error)
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close_result)
    raise error


async def _connect(family: int, kind: int, protocol: int, place: Place) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_result(task: "asyncio.Task[socket.socket]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def listen_tcp(address: TcpAddress) -> list[socket.socket]:
    """Open the sockets that connections to an address come in by.

    Raises:
        ConfigError: that is not possible.
    """
    is_any = address.host in {"", _ANY_IPV6}
    sockets: list[socket.socket] = []
    try:
        if is_any and socket.has_dualstack_ipv6():
            place = _find_places(_ANY_IPV6, address.port)[0][1]
            return [_listen(socket.AF_INET6, place, is_dual=True)]
        for family, place in _find_places(_ANY_IPV4 if is_any else address.host, address.port):
            sockets.append(_listen(family, place))
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ConfigError(f"cannot listen on {address.host}:{address.port}: {reason_of(error)}") from error
    return sockets


def _find_places(host: str, port: str) -> list[tuple[int, Place]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, place) for family, _, _, _, place in found]


def _listen(family: int, place: Place, *, is_dual: bool = False) -> socket.socket:
    sock = socket.create_server(place, family=family, backlog=BACKLOG_COUNT, dualstack_ipv6=is_dual)
    sock.setblocking(False)
    return sock


class Door:
    """The listening sockets of one listener; belongs to the event loop it was made in.

    Args:
        sockets: that listen.
        on_wire: called with each connection.
    """

    def __init__(self, sockets: Sequence[socket.socket], on_wire: Callable[[Wire], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._on_wire = on_wire
        self._is_open = False
        self._pause: asyncio.TimerHandle | None = None

    @property
    def places(self) -> list[tuple[str, int]]:
        """The addresses and ports in fact."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    def open(self) -> None:
        """Take connections from now on."""
        if not self._is_open:
            self._is_open = True
            for sock in self._sockets:
                self._loop.add_reader(sock.fileno(), self._accept, sock)

    def shut(self) -> None:
        """Let who connects wait."""
        if self._is_open:
            self._is_open = False
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
        if self._pause is not None:
            self._pause.cancel()

    def close(self) -> None:
        """Take no connections any more."""
        self.shut()
        for sock in self._sockets:
            sock.close()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPT_COUNT):
            if not self._is_open:
                return
            try:
                sock, place = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _LOG.warning("cannot take a connection: %s", reason_of(error))
                self.shut()
                self._pause = self._loop.call_later(FULL_SECONDS, self.open)
                return
            self._on_wire(wire_of(sock, format_place(place)))


def format_place(place: Place) -> str:
    """Write the address of a socket as a person would."""
    if not isinstance(place, tuple):
        # A socket of another kind.
        return PIPE
    host, port = str(place[0]).removeprefix(_MAPPED), place[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason_of(error: BaseException) -> str:
    """Why something failed, in the system's words."""
    if not isinstance(error, OSError):
        return str(error)
    # asyncio puts "Connect call failed" and the address in the place of the reason.
    number = error.errno or 0
    return (os.strerror(number) if number > 0 else error.strerror) or str(error)


# Descriptors


def wire_of_descriptors(fds: tuple[int, int], peer: str) -> Wire:
    """Take over two descriptors that were inherited; they lead to nothing afterwards.

    Args:
        fds: to read from, and to write to.
        peer: who is at the other end.

    Raises:
        ConfigError: they are not open, or no connections.
    """
    try:
        kinds = [os.fstat(fd) for fd in fds]
        if not all(_is_connection(kind.st_mode) for kind in kinds):
            raise ConfigError(f"descriptors {fds[0]} and {fds[1]} are no connection")
        reading, writing = (os.dup(fd) for fd in fds)
    except OSError as error:
        raise ConfigError(f"descriptors {fds[0]} and {fds[1]}: {reason_of(error)}") from error
    point_to_nothing(fds)
    if stat.S_ISSOCK(kinds[0].st_mode) and os.path.samestat(*kinds):
        os.close(writing)
        return wire_of(socket.socket(fileno=reading), peer)
    return Wire(reading, writing, Descriptors(reading, writing), peer)


def _is_connection(mode: int) -> bool:
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def point_to_nothing(fds: Sequence[int]) -> None:
    """Make descriptors lead to nothing, so that nobody writes to a connection through them."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        os.dup2(nothing, fd, inheritable=fd <= _LAST_STANDARD_FD)
    os.close(nothing)


def ucspi_peer(environ: Mapping[str, str]) -> str:
    """Who is at the other end, as the program that started us tells."""
    if environ.get("PROTO") != "TCP":
        return PIPE
    host = environ.get("TCPREMOTEHOST") or environ.get("TCPREMOTEIP", "")
    return f"{host}:{environ.get('TCPREMOTEPORT', '')}"
