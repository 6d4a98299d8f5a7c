"""Runs the dialogue of a connection, a coroutine, without a task: in the very call that brings its input.

States::

    NEW --begin--> RUNNING --return--> OVER
    RUNNING --input--> HUNGRY --feed, end--> RUNNING
    RUNNING --await--> WAITING --done--> RUNNING

A task that waits for input costs a future, a handle and another round of the event loop for each command,
which is more than most commands cost.

Contract: input that comes while the coroutine waits for something else is kept for it, and the end of input
comes after it. The coroutine waits for input with ``input``, and may wait for whatever a task may wait for.
But since it is none, ``asyncio.current_task`` does not know it, so that ``asyncio.timeout`` and
``asyncio.wait_for`` can not be used in it. It runs in one event loop, and is never entered twice at a time.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any

_INPUT = object()
"""What the coroutine gives to be woken by ``feed``."""


@types.coroutine
def _fed() -> Generator[object, bytes, bytes]:
    return (yield _INPUT)


class Dialogue:
    """One dialogue.

    Args:
        loop: the running event loop.
    """

    __slots__ = ("_arrived", "_coroutine", "_is_cancelled", "_is_ended", "_is_hungry", "_loop", "_waits_for")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived = bytearray()
        self._is_hungry = False
        self._is_ended = False
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._waits_for: asyncio.Future[Any] | None = None
        self._is_cancelled = False

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run it until it waits for something."""
        self._coroutine = coroutine
        self._advance()

    @property
    def waiting_bytes(self) -> int:
        """Input that has not been asked for yet."""
        return len(self._arrived)

    def feed(self, data: bytes) -> None:
        """Bring input, which is taken at once if the coroutine waits for it."""
        if self._is_hungry:
            self._is_hungry = False
            self._advance(data)
        else:
            self._arrived += data

    def end(self) -> None:
        """There will be no more input."""
        self._is_ended = True
        if self._is_hungry:
            self.feed(b"")

    async def input(self) -> bytes:
        """Wait for input, in the coroutine.

        Returns:
            What has come; empty: there will be no more.
        """
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            return data
        return b"" if self._is_ended else await _fed()

    def cancel(self) -> None:
        """Break off whatever it waits for, as ``asyncio.Task.cancel`` does."""
        if self._coroutine is None:
            return
        if self._is_hungry:
            self._is_hungry = False
            self._is_cancelled = True
            self._advance()
        elif self._waits_for is None or not self._waits_for.cancel():
            self._is_cancelled = True

    def _woken(self, _done: "asyncio.Future[Any]") -> None:
        # The coroutine itself takes the result, or the error, out of the future.
        self._waits_for = None
        self._advance()

    def _advance(self, data: bytes | None = None) -> None:
        coroutine = self._coroutine
        if coroutine is None:
            raise AssertionError("internal error: a dialogue goes on that is over")
        try:
            if self._is_cancelled:
                self._is_cancelled = False
                wanted = coroutine.throw(asyncio.CancelledError())
            else:
                wanted = coroutine.send(data)
        except (StopIteration, asyncio.CancelledError):
            self._coroutine = None
        except BaseException:
            self._coroutine = None
            raise
        else:
            self._wait_for(wanted)

    def _wait_for(self, wanted: Any) -> None:
        if wanted is _INPUT:
            self._is_hungry = True
        elif wanted is None:
            # A bare yield, as of ``asyncio.sleep(0)``: let others come first.
            self._loop.call_soon(self._advance)
        else:
            # What a future asks of whoever waits for it, as a task does.
            wanted._asyncio_future_blocking = False  # noqa: SLF001
            self._waits_for = wanted
            wanted.add_done_callback(self._woken)
