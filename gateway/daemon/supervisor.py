"""One thread for each stage; a stage that fails is started again, and the others go on.

The states of a stage, and what moves it on::

    waiting ──woken, or its time has come──→ running ──done──→ waiting
       ↑                                        │
       │                            GatewayError (logged) or a bug (logged with its traceback;
       │                            the stage is built anew)
       └──────────back-off is over───────── backing off

    any ──stop──→ ended, after the run that is under way

Contract: while a stage backs off, wakes do not shorten the wait, so that a fault can't spin. A
run is never interrupted; ``stop`` waits for it, and tells a run that lasts for ever to end.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError, StoreBusy

_LOG = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 300.0
BUSY_WAIT_SECONDS = 1.0
"""Somebody else runs this stage by hand: look again soon, it is no fault."""
SHORTEST_PAUSE_SECONDS = 0.2
"""Between two runs: what woke a stage a hundred times meanwhile is done in one. After a rest none."""
EAGER_PAUSE_SECONDS = 0.02
"""Of an eager stage: with no pause a run that takes no time would be made for each of a thousand articles."""
TELL_AFTER_SECONDS = 1.0
"""A stop that takes longer says what it waits for."""

Run = Callable[[], float | None]
"""One run; returns seconds until the next is wanted at the latest, or None: when woken."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a thread runs.

    Args:
        name: of the thread and in logs.
        build: makes the run, at the start and again after a bug.
        rescan_seconds: run at least this often, woken or not.
        pause_seconds: between two runs at least, however often it is woken.
        is_eager: rests no longer than its last run took either, ``EAGER_PAUSE_SECONDS`` at least.
        ask_end: tells a run to end that would not by itself, from another thread; None: every run ends.
    """

    name: str
    build: Callable[[], Run]
    rescan_seconds: float
    ask_end: Callable[[], None] | None = None
    pause_seconds: float = SHORTEST_PAUSE_SECONDS
    is_eager: bool = False

    def rest_seconds(self, run_seconds: float) -> float:
        """How long it rests behind a run that took so long."""
        if self.is_eager:
            return min(self.pause_seconds, max(run_seconds, EAGER_PAUSE_SECONDS))
        return self.pause_seconds


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a stage that failed waits; it doubles with each failure in a row."""

    first_seconds: float = FIRST_BACKOFF_SECONDS
    longest_seconds: float = LONGEST_BACKOFF_SECONDS

    def wait_seconds(self, failure_count: int) -> float:
        """The wait after that many failures in a row (1 or more)."""
        return min(self.first_seconds * 2.0 ** min(failure_count - 1, 32), self.longest_seconds)


class Worker:
    """The thread of one stage.

    Args:
        stage: what it runs.
        backoff: how long it waits after a failure.
    """

    def __init__(self, stage: Stage, backoff: Backoff | None = None) -> None:
        self.name = stage.name
        self._stage = stage
        self._backoff = backoff or Backoff()
        self._run: Run | None = None
        self._failure_count = 0
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=stage.name, daemon=True)

    def start(self) -> None:
        """Start the thread; the first run comes at once."""
        self._thread.start()

    def wake(self) -> None:
        """Ask for a run soon; callable from any thread, never blocks."""
        self._woken.set()

    def ask_stop(self) -> None:
        """Ask the thread to end after the run that is under way."""
        self._stopping.set()
        self._woken.set()
        if self._stage.ask_end is not None:
            self._stage.ask_end()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the thread's end; returns whether it has ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            begun_at = time.monotonic()
            wait_seconds, is_wakeable = self._run_once()
            if is_wakeable:
                ended_at = time.monotonic()
                self._woken.wait(wait_seconds)
                rest_seconds = self._stage.rest_seconds(ended_at - begun_at)
                self._stopping.wait(max(0.0, ended_at + rest_seconds - time.monotonic()))
            else:
                self._stopping.wait(wait_seconds)

    def _run_once(self) -> tuple[float, bool]:
        """Run the stage; returns how long to wait and whether a wake may shorten that."""
        try:
            if self._run is None:
                self._run = self._stage.build()
            wanted_seconds = self._run()
        except StoreBusy as error:
            _LOG.debug("%s: %s", self.name, error)
            return BUSY_WAIT_SECONDS, False
        except GatewayError as error:
            wait_seconds = self._fail()
            _LOG.error("%s: %s; next try in %g s", self.name, error, wait_seconds)
        except Exception:  # noqa: BLE001 - a bug of one stage must not end the others
            self._run = None
            wait_seconds = self._fail()
            _LOG.exception("%s: a fault of this program; started again in %g s", self.name, wait_seconds)
        else:
            self._failure_count = 0
            rescan_seconds = self._stage.rescan_seconds
            return rescan_seconds if wanted_seconds is None else min(wanted_seconds, rescan_seconds), True
        return wait_seconds, False

    def _fail(self) -> float:
        self._failure_count += 1
        return self._backoff.wait_seconds(self._failure_count)


class Supervisor:
    """All workers together.

    Args:
        stages: what to run, a thread each; several may have one name, and are woken together.
        backoff: how long a stage that failed waits.
    """

    def __init__(self, stages: Sequence[Stage], backoff: Backoff | None = None) -> None:
        self._workers = [Worker(stage, backoff) for stage in stages]

    def start(self) -> None:
        """Start every worker."""
        for worker in self._workers:
            worker.start()

    def wake(self, *names: str) -> None:
        """Wake the workers with these names, or all if none is given; unknown names are ignored."""
        for worker in self._workers:
            if not names or worker.name in names:
                worker.wake()

    def stop(self) -> None:
        """Let every run that is under way finish, then end the threads."""
        for worker in self._workers:
            worker.ask_stop()
        for worker in self._workers:
            if not worker.join(TELL_AFTER_SECONDS):
                _LOG.info("waiting for %s to finish", worker.name)
                worker.join()
