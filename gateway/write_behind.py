"""Writing in a thread of its own: the next bytes are made while the disk takes those before.

    maker:   fills a buffer ──→ hands it over ──→ fills another ...
    writer:                      writes it ──→ gives it back

Contract: everything is written in its order, and when ``write_behind`` has returned or raised, the
thread has ended and nothing more is written. A fault of the writing comes to the caller as well as one
of the making; what was written until then has no meaning. Memory: BUFFER_COUNT buffers, whatever the
amount. A small amount is written without a thread, which would cost more than it saves.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

BUFFER_BYTES = 512 * 1024
BUFFER_COUNT = 4
SMALL_BYTES = 1024 * 1024

Write = Callable[[memoryview], None]


def write_behind(pieces: Iterable[bytes | memoryview], write: Write) -> None:
    """Write all pieces.

    Args:
        pieces: each valid until the next is asked for; made in the caller's thread.
        write: takes the next bytes, and does not keep them; called in another thread when there are many.

    Raises:
        Exception: what the making or the writing raised.
    """
    remaining = iter(pieces)
    total_bytes = 0
    for piece in remaining:
        write(memoryview(piece))
        total_bytes += len(piece)
        if total_bytes >= SMALL_BYTES:
            break
    else:
        return
    with _Writer(write) as writer:
        for piece in remaining:
            writer.put(memoryview(piece))


class _Writer:
    """The thread that writes, and the buffers on their way to it and back."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._failure: BaseException | None = None
        self._is_abandoned = False
        self._filled: queue.SimpleQueue[tuple[bytearray, int] | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(BUFFER_COUNT - 1):
            self._free.put(bytearray(BUFFER_BYTES))
        self._buffer = bytearray(BUFFER_BYTES)
        self._fill_bytes = 0
        self._thread = threading.Thread(target=self._run, name="write-behind", daemon=True)

    def put(self, data: memoryview) -> None:
        """Take the next bytes; they may be overwritten afterwards."""
        while data:
            part = data[: BUFFER_BYTES - self._fill_bytes]
            end_bytes = self._fill_bytes + len(part)
            memoryview(self._buffer)[self._fill_bytes : end_bytes] = part
            self._fill_bytes = end_bytes
            data = data[len(part) :]
            if self._fill_bytes == BUFFER_BYTES:
                self._hand_over()
                self._buffer = self._free.get()
                self._check()

    def _hand_over(self) -> None:
        self._filled.put((self._buffer, self._fill_bytes))
        self._fill_bytes = 0

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (filled := self._filled.get()) is not None:
            buffer, fill_bytes = filled
            if self._failure is None and not self._is_abandoned:
                try:
                    self._write(memoryview(buffer)[:fill_bytes])
                except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                    self._failure = error
            self._free.put(buffer)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_abandoned = error is not None
        if self._fill_bytes:
            self._hand_over()
        self._filled.put(None)
        self._thread.join()
        if error is None:
            self._check()
