"""A peer with real sockets and true keys that says whatever it likes, made of the engine's own pieces."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Self

from gateway.link.envelope import EnvelopeReader, seal_envelope, wrap
from gateway.link.frames import Frame, Freq, decode_frames
from gateway.link.noise import Ciphers, Initiator, NoisePair, Responder
from gateway.nodes import Book, Node
from tests.support.online import HOST

SECONDS = 60
READ_BYTES = 64 * 1024

Say = Callable[["HostilePeer"], None]


class HostilePeer:
    """One connection with somebody honest.

    Args:
        connection: is closed in the end.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.ciphers: Ciphers | None = None
        self._reader = EnvelopeReader()
        self._bodies: list[memoryview] = []

    @classmethod
    def connected_to(cls, port: int) -> Self:
        """Connect to a daemon, and say nothing yet."""
        return cls(socket.create_connection((HOST, port), SECONDS))

    def call(self, own: Book, target: Node, payload: bytes = b"") -> None:
        """Complete a handshake as a neighbour that calls."""
        assert target.keys.noisepub is not None
        side = Initiator(noise_keys(own), target.keys.noisepub, os.urandom(32))
        self.send(wrap(side.write_first(payload)))
        side.read_second(self._next_body())
        self.ciphers = side.ciphers()

    def answer(self, own: Book, payload: bytes = b"") -> None:
        """Complete a handshake as the neighbour that was called."""
        side = Responder(noise_keys(own), os.urandom(32))
        side.read_first(self._next_body())
        self.send(wrap(side.write_second(payload)))
        self.ciphers = side.ciphers()

    def send(self, data: bytes | bytearray) -> None:
        """Send bytes as they are; that the other side closed already is no fault."""
        self.connection.sendall(data)

    def say(self, *frames: bytes) -> None:
        """Send a message of frames, well sealed."""
        assert self.ciphers is not None
        self.send(seal_envelope(list(frames), self.ciphers.sending))

    def heard(self) -> Iterator[Frame]:
        """What the other side says, as it comes, until it closes."""
        assert self.ciphers is not None
        try:
            while True:
                yield from decode_frames(self.ciphers.receiving.open(self._next_body()))
        except ConnectionError:
            return

    def wait_freq(self) -> Freq:
        """Wait until the other side asks for a packet."""
        for frame in self.heard():
            if isinstance(frame, Freq):
                return frame
        raise AssertionError("closed without a request")

    def wait_end(self) -> float:
        """Read until the other side closes; returns after how many seconds."""
        start = time.monotonic()
        try:
            while self.connection.recv(READ_BYTES):
                pass
        except ConnectionError:
            pass
        return time.monotonic() - start

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _next_body(self) -> memoryview:
        while not self._bodies:
            data = self.connection.recv(READ_BYTES)
            if not data:
                raise ConnectionError("closed by the other side")
            self._bodies += self._reader.feed(data)
        return self._bodies.pop(0)


def noise_keys(book: Book) -> NoisePair:
    """A node's keys for the handshake."""
    own = book.private_keys()
    return NoisePair(own.noiseprv, own.noisepub)
