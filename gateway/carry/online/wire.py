"""A connection as two descriptors, one to read and one to write: a socket twice, or two pipes.

asyncio's own transports differ between sockets and pipes, copy what a full socket does not take, and hide
what the kernel still holds. This is one kind for all; it reads into one buffer and copies nothing.

    open ──close()──→ emptying: what was written goes out ──→ half closed: what still comes is dropped
      └──abort(), or the peer closed or vanished──→ closed ←── the peer closed, or the time is up ──┘

Contract: nothing blocks. The taker is told once that nothing will arrive any more. ``unsent_bytes`` counts
what the kernel holds as well.
"""

import array
import asyncio
import contextlib
import fcntl
import itertools
import os
import stat
import termios
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

READ_BYTES = 256 << 10
THIN_BYTES = 8 << 10
"""A link whose packets go in smaller pieces is thin."""
PIECE_COUNT = 64
"""Handed to the kernel at a time."""

_buffer = memoryview(bytearray(READ_BYTES))
"""Shared by all: what was read is dealt with before the next connection is read."""


class Taker(Protocol):
    """Who deals with a connection; called in the event loop."""

    def received(self, data: memoryview) -> None:
        """Bytes arrived; they are gone after this call."""

    def writable(self) -> None:
        """What was written went out."""

    def ended(self, error: OSError | None) -> None:
        """Nothing will arrive any more: the connection broke, or (None) the peer closed it."""


class Channel(Protocol):
    """What the descriptors belong to."""

    def limit(self, chunk_bytes: int) -> None:
        """Bound what the kernel holds, for packets that go in pieces of this size."""

    def end_writing(self) -> None:
        """Tell the peer that nothing more will come."""

    def close(self) -> None:
        """Close the descriptors."""


class Wire:
    """One connection.

    Args:
        reading: a descriptor.
        writing: another, or the same.
        channel: what they belong to.
        peer: who is at the other end, for people.
    """

    def __init__(self, reading: int, writing: int, channel: Channel, peer: str) -> None:
        self.peer = peer
        self._loop = asyncio.get_running_loop()
        self._reading = reading
        self._writing = writing
        self._channel = channel
        self._taker: Taker | None = None
        self._pieces: deque[memoryview] = deque()
        self._buffered_bytes = 0
        self.written_bytes = 0
        """All that was ever given to ``write``."""
        self._is_reading = False
        self._is_writing = False
        """Whether the loop tells when the kernel takes more."""
        self._is_discarding = False
        self._is_open = True
        self._is_half_closed = False
        self._changed = asyncio.Event()
        """Something was sent, or the end has come."""
        self._has_ended = False
        self._error: OSError | None = None
        for fd in (reading, writing):
            os.set_blocking(fd, False)

    @property
    def is_busy(self) -> bool:
        """Whether what was written has not all gone to the kernel: nothing more should be written."""
        return bool(self._pieces)

    @property
    def has_ended(self) -> bool:
        """Whether the peer closed, or the connection broke."""
        return self._has_ended

    @property
    def has_input(self) -> bool:
        """Whether something waits to be read."""
        return self._is_open and _count(self._reading, termios.FIONREAD) > 0

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not reached the peer, as far as the kernel tells."""
        if not self._is_open or self._is_half_closed:
            return self._buffered_bytes
        is_pipe = stat.S_ISFIFO(os.fstat(self._writing).st_mode)
        return self._buffered_bytes + _count(self._writing, termios.FIONREAD if is_pipe else termios.TIOCOUTQ)

    def start(self, taker: Taker) -> None:
        """Hand what arrives to a taker from now on."""
        self._taker = taker
        if self._has_ended:
            # What was written before met nobody.
            self._loop.call_soon(taker.ended, self._error)
        self.resume()

    def pause(self) -> None:
        """Read nothing for now."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._reading)

    def resume(self) -> None:
        """Read again."""
        if self._is_open and not self._is_reading and not self._has_ended:
            self._is_reading = True
            self._loop.add_reader(self._reading, self._read)

    def write(self, pieces: Iterable[bytes | bytearray]) -> None:
        """Send; what the kernel does not take at once is kept, so look at ``is_busy`` first."""
        if not self._is_open:
            return
        was_busy = self.is_busy
        for piece in pieces:
            self._pieces.append(memoryview(piece))
            self._buffered_bytes += len(piece)
            self.written_bytes += len(piece)
        if not was_busy:
            self._send()
            self._tell_writable()

    def limit(self, chunk_bytes: int) -> None:
        """Bound what the kernel holds, for packets that go in pieces of this size."""
        if self._is_open:
            self._channel.limit(chunk_bytes)

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        if self._is_open:
            self.pause()
            self._pieces.clear()
            self._tell_writable()
            self._is_open = False
            self._channel.close()
            self._changed.set()

    async def close(self, seconds: float) -> bool:
        """Send what was written, have the peer close too, then close.

        Args:
            seconds: the longest time this may take.

        Returns:
            Whether all was sent.
        """
        self._is_discarding = True
        try:
            async with asyncio.timeout(seconds):
                await self._until(lambda: not self.is_busy)
                if self._is_open:
                    self._is_half_closed = True
                    self._channel.end_writing()
                    self.resume()
                    await self._until(lambda: self._has_ended)
        except TimeoutError:
            pass
        finally:
            is_sent = not self.is_busy
            self.abort()
        return is_sent

    async def _until(self, is_true: Callable[[], bool]) -> None:
        while self._is_open and not is_true():
            self._changed.clear()
            await self._changed.wait()

    def _read(self) -> None:
        try:
            size_bytes = os.readv(self._reading, [_buffer])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if not size_bytes:
            self._end(None)
        elif self._taker is not None and not self._is_discarding:
            self._taker.received(_buffer[:size_bytes])

    def _send_more(self) -> None:
        self._send()
        self._tell_writable()
        if self.is_busy:
            return
        self._changed.set()
        if self._taker is not None and not self._is_discarding:
            self._taker.writable()

    def _tell_writable(self) -> None:
        if self.is_busy and not self._is_writing:
            self._loop.add_writer(self._writing, self._send_more)
        elif self._is_writing and not self.is_busy:
            self._loop.remove_writer(self._writing)
        self._is_writing = self.is_busy

    def _send(self) -> None:
        while self._pieces:
            try:
                sent_bytes = os.writev(self._writing, list(itertools.islice(self._pieces, PIECE_COUNT)))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # What the peer sent before it closed may still wait to be read: that tells the end.
                self._pieces.clear()
                self._buffered_bytes = 0
                self._loop.call_soon(self._end, error)
                return
            self._buffered_bytes -= sent_bytes
            while sent_bytes:
                piece = self._pieces[0]
                if sent_bytes < len(piece):
                    self._pieces[0] = piece[sent_bytes:]
                    break
                sent_bytes -= len(piece)
                self._pieces.popleft()

    def _end(self, error: OSError | None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._error = error
        self.pause()
        self._changed.set()
        if self._taker is not None and not self._is_discarding:
            self._taker.ended(error)


def _count(fd: int, request: int) -> int:
    """Ask the kernel how many bytes wait in a descriptor; 0 where it can't say."""
    answer = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, request, answer)
    return answer[0]
