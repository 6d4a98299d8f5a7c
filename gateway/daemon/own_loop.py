"""A stage of the daemon that is one long run, in an event loop of its own.

Contract: ``run`` lasts until ``ask_end``; a fault ends it, and the supervisor starts it again.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from gateway.errors import GatewayError

Begun = TypeVar("Begun")


class OwnLoop(Generic[Begun]):
    """Runs a coroutine in a thread of the supervisor.

    Args:
        serve: what is run until it is cancelled; once it serves, it calls its argument, to say how.
        nothing: the value if it ends before.
        run: what runs a coroutine in a new event loop.
    """

    def __init__(
        self,
        serve: Callable[[Callable[[Begun], None]], Awaitable[None]],
        nothing: Begun,
        run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
    ) -> None:
        self._work = serve
        self._run = run
        self._nothing = nothing
        self._begun: Future[Begun] = Future()
        self._lock = threading.Lock()
        self._is_ending = False
        self._end: Callable[[], object] | None = None

    def run(self) -> None:
        """Run until told to end.

        Raises:
            GatewayError: something went wrong for all of it.
        """
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._run(self._serve())
        except GatewayError as error:
            if not self._begun.done():
                self._begun.set_exception(error)
            raise
        finally:
            self._tell(self._nothing)

    def wait_begun(self) -> Begun:
        """Wait until it serves, or will not.

        Raises:
            GatewayError: the first try failed.
        """
        return self._begun.result()

    def ask_end(self) -> None:
        """End the run that is under way, and any later one at once; callable from any thread."""
        with self._lock:
            self._is_ending = True
            if self._end is not None:
                self._end()

    async def _serve(self) -> None:
        if not self._begin():
            return
        try:
            await self._work(self._tell)
        finally:
            with self._lock:
                self._end = None

    def _begin(self) -> bool:
        """Let ``ask_end`` reach this run; returns whether it is wanted at all."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise AssertionError("internal error: no task runs")
        with self._lock:
            self._end = lambda: loop.call_soon_threadsafe(task.cancel)
            return not self._is_ending

    def _tell(self, begun: Begun) -> None:
        if not self._begun.done():
            self._begun.set_result(begun)
