"""From the queue's writer thread to the event loop: what was committed together is told together.

``asyncio.wrap_future`` wakes the loop once for each message, by a write to a socket from the thread that
commits, with the lock of the interpreter handed to and fro. Here the loop is woken once for all.
"""

import asyncio
import contextlib
from collections import deque
from concurrent.futures import CancelledError, Future


class Landing:
    """Waits for futures of another thread, in one event loop."""

    def __init__(self) -> None:
        self._landed: deque[tuple[asyncio.Future[None], Future[None]]] = deque()
        self._is_told = False

    async def wait(self, committed: "Future[None]") -> None:
        """Wait for a future; as ``await asyncio.wrap_future(committed)``.

        Raises:
            GatewayError: its error.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        committed.add_done_callback(lambda done: self._land(loop, waiter, done))
        try:
            await waiter
        except asyncio.CancelledError:
            committed.cancel()
            raise

    def _land(
        self, loop: asyncio.AbstractEventLoop, waiter: "asyncio.Future[None]", committed: "Future[None]"
    ) -> None:
        """In the other thread: leave the result for the loop, and wake it unless it is being woken."""
        self._landed.append((waiter, committed))
        if not self._is_told:
            self._is_told = True
            # A loop that is closed has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        # First, so that whatever lands from here on wakes the loop again.
        self._is_told = False
        while self._landed:
            waiter, committed = self._landed.popleft()
            if waiter.done():
                continue
            try:
                error = committed.exception()
            except CancelledError:
                waiter.cancel()
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
