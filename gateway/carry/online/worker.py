"""One thread of a session: does jobs in their order, and tells the event loop what came of them.

Contract: the thread starts with the first job. A job that raises is a bug: it is logged, given to
``on_bug``, and the jobs behind it are dropped. ``close`` waits in the loop, never blocks it.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable

_LOG = logging.getLogger(__name__)

Job = Callable[[], None]


class Worker:
    """One thread.

    Args:
        name: of the thread.
        on_bug: called in the loop when a job raised.
    """

    def __init__(self, name: str, on_bug: Callable[[BaseException], None]) -> None:
        self._name = name
        self._on_bug = on_bug
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()

    @property
    def has_more(self) -> bool:
        """Whether further jobs wait; for the thread itself, which may then put off telling."""
        return not self._jobs.empty()

    def put(self, job: Job) -> None:
        """Do a job after all that were put before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def tell(self, callback: Callable[[], object]) -> None:
        """Call something in the loop; for jobs."""
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # The loop was closed: nobody is left to be told.
            _LOG.debug("%s: the event loop is gone", self._name)

    async def flush(self) -> None:
        """Wait until all jobs that were put are done, or the thread failed."""
        if self._thread is None:
            return
        done = asyncio.Event()
        self.put(lambda: self.tell(done.set))
        waits = [asyncio.ensure_future(event.wait()) for event in (done, self._ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        """Wait until all jobs are done, and end the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            await self._ended.wait()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                job()
        except BaseException as error:  # noqa: BLE001 - the session must end, not hang
            _LOG.exception("%s failed", self._name)
            bug = error
            self.tell(lambda: self._on_bug(bug))
        self.tell(self._ended.set)
