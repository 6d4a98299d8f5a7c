"""A TCP proxy in the test's own process: it cuts, delays and slows what it passes on, by counted bytes.

Each direction of a connection is a thread of its own, so that one that waits never stops the other:
the proxy couples the two ends no more than a wire does.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tests.support.ports import free_port

HOST = "127.0.0.1"
READ_BYTES = 64 * 1024
CONNECT_SECONDS = 60
_ABORT = struct.pack("ii", 1, 0)

Hook = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """How a connection ends.

    Args:
        after_bytes: passed on in both directions together; the next one is not.
        is_reset: by RST, and what is under way is lost; else by FIN.
        then: called at that very byte, before the connection is cut.
    """

    after_bytes: int
    is_reset: bool = False
    then: Hook | None = None


class Proxy:
    """Accepts connections on a port of its own and passes them on.

    Args:
        target: the port it passes them on to.
        delay_seconds: what has been read goes on so much later.
        bytes_per_second: in each direction; 0: unlimited.
        window_bytes: so much a sender may have under way; 0: what the kernel thinks good, which is much.
    """

    def __init__(
        self, target: int, *, delay_seconds: float = 0, bytes_per_second: int = 0, window_bytes: int = 0
    ) -> None:
        self.port = free_port()
        self.target = target
        self.passed_bytes = 0
        self.connection_count = 0
        self._delay_seconds = delay_seconds
        self._bytes_per_second = bytes_per_second
        self._window_bytes = window_bytes
        self._cut: Cut | None = None
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._pairs: list[_Pair] = []
        self._listener = socket.create_server((HOST, self.port), backlog=128)
        self._narrow(self._listener)
        self._start(self._accept)

    @property
    def address(self) -> str:
        """Where to connect to."""
        return f"{HOST}:{self.port}"

    def cut_next(self, cut: Cut | None) -> None:
        """Cut once, counting from now on; None: let everything pass.

        A cut that was ordered before and has not come is forgotten.
        """
        with self._lock:
            self._cut = cut
            self.passed_bytes = 0

    @property
    def is_cut_pending(self) -> bool:
        """Whether the cut that was ordered is still to come."""
        with self._lock:
            return self._cut is not None

    def close(self) -> None:
        """Close everything, and wait for the threads. Idempotent."""
        # A thread that waits in accept() is not woken by close().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in list(self._pairs):
            pair.cut()
        for thread in list(self._threads):
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connection_count += 1
            far = socket.socket()
            self._narrow(far)
            try:
                far.settimeout(CONNECT_SECONDS)
                far.connect((HOST, self.target))
            except OSError:
                near.close()
                far.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(near, far)
            self._pairs.append(pair)
            self._start(self._pump, pair, near, far)
            self._start(self._pump, pair, far, near)

    def _pump(self, pair: "_Pair", source: socket.socket, target: socket.socket) -> None:
        is_whole = True
        with contextlib.suppress(OSError):
            while is_whole and (data := source.recv(READ_BYTES)):
                self._hold(len(data))
                is_whole = self._pass_on(pair, data, target)
        pair.leave(target)

    def _narrow(self, end: socket.socket) -> None:
        """Must come before the handshake, which tells the peer of the window."""
        if self._window_bytes:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window_bytes)

    def _hold(self, size_bytes: int) -> None:
        seconds = self._delay_seconds
        if self._bytes_per_second:
            seconds += size_bytes / self._bytes_per_second
        if seconds:
            time.sleep(seconds)

    def _pass_on(self, pair: "_Pair", data: bytes, target: socket.socket) -> bool:
        """Pass on what the cut allows; returns False when that was the end."""
        cut: Cut | None = None
        with self._lock:
            allowed = 0 if pair.is_ending else len(data)
            if self._cut is not None and not pair.is_ending:
                allowed = min(allowed, self._cut.after_bytes - self.passed_bytes)
                if allowed < len(data):
                    cut, self._cut = self._cut, None
                    pair.prepare(is_reset=cut.is_reset)
            self.passed_bytes += allowed
        if allowed:
            target.sendall(data[:allowed])
        if cut is not None:
            if cut.then is not None:
                cut.then()
            pair.cut()
        # The other direction may have come to the end: nobody is to see anything of it before the cut.
        return not pair.is_ending or not pair.is_cut.wait()


class _Pair:
    """The two sockets of a connection; the last direction to end closes both."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.is_ending = False
        self.is_cut = threading.Event()
        self._ends = (near, far)
        self._lock = threading.Lock()
        self._running_count = 2
        self._is_reset = False

    def prepare(self, *, is_reset: bool) -> None:
        """Pass on nothing any more; the other direction may see it before it is cut."""
        with self._lock:
            self.is_ending, self._is_reset = True, is_reset

    def cut(self) -> None:
        """End both, and wake whoever reads from them."""
        is_reset = self._is_reset
        for end in self._ends:
            with contextlib.suppress(OSError):
                if is_reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                # Of these two only the second tells the peer; the RST comes when both directions ended.
                end.shutdown(socket.SHUT_RD if is_reset else socket.SHUT_RDWR)
        self.is_cut.set()

    def leave(self, target: socket.socket) -> None:
        """End one direction: what was passed on arrives, and then the end itself."""
        with self._lock:
            if not self._is_reset:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
            self._running_count -= 1
            if self._running_count:
                return
        for end in self._ends:
            end.close()
