"""A server of ours in the event loop of a thread of its own, while a test talks to it."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, Self, TypeVar

from gateway.daemon.event_loop import new_event_loop

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
"""Of all that a test waits for there."""


class _Server(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class ServerThread(ABC):
    """Runs a server; a context manager, which fails when the loop met an exception that nobody took.

    Attributes:
        server: is started and stopped.
        loop: in which it runs.
        faults: what the loop was told of.
    """

    server: _Server

    def __init__(self) -> None:
        self.loop = new_event_loop()
        self.faults: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.faults.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever, name=type(self).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        self.call(self.server.start())
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.stop()
            self.call(self.loop.shutdown_default_executor())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(DEADLINE_SECONDS)
            self.loop.close()
            self.close_stores()
        assert self.faults == []

    @abstractmethod
    def close_stores(self) -> None:
        """Close what the server put things into."""

    def stop(self) -> None:
        """Stop serving; what it put things into stays open."""
        self.call(self.server.stop())

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_SECONDS)

    def ask(self, question: Callable[[], T]) -> T:
        """Ask something in the server's thread."""

        async def asked() -> T:
            return question()

        return self.call(asked())
