"""The threads that deliver, one for each target: each takes message after message, and hands back answers.

A message is where exactly one of these says::

    waiting ──taken by a worker──→ in work ──answered, or the worker's fault──→ done ──collected──→
       ↑                             │
       └──not begun: the target is down, or broke off before it───┘

Small messages go before large ones, and while small ones may come, one worker at least is kept free of
large ones. A worker whose target is down ends; when the last one has, the crew is down, and what waits stays.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.deliver.outcome import of_error, one_line
from gateway.deliver.target import Job, Target, TargetDown, same_for_all
from gateway.errors import GatewayError
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.insertion import LARGE_BYTES

JOBS_PER_WORKER = 4
"""Messages that wait for each other before another connection is worth its opening."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one message.

    Args:
        message: which.
        outcomes: one for each recipient; none after a bug.
        bug: a fault of ours in one line, or None.
    """

    message: QueuedMessage
    outcomes: Sequence[Outcome] = ()
    bug: str | None = None


class Crew:
    """Workers on the same messages.

    Args:
        targets: one for each worker; all lead to the same place.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = list(targets)
        self._state = threading.Condition()
        self._small: deque[Job] = deque()
        self._large: deque[Job] = deque()
        self._done: list[Done] = []
        self._in_work_count = 0
        self._large_count = 0
        self._idle_count = 0
        self._is_ending = False
        self._threads: list[threading.Thread] = []
        self._working_count = 0
        self.down: Outcome | None = None
        """Why no mail is taken at all, once that is known."""

    @property
    def open_count(self) -> int:
        """Messages that were given and not collected."""
        with self._state:
            return len(self._small) + len(self._large) + self._in_work_count + len(self._done)

    def give(self, jobs: Sequence[Job]) -> None:
        """Let messages be delivered."""
        with self._state:
            for job in jobs:
                self._queue_of(job).append(job)
            self._hire()
            self._state.notify_all()

    def collect(self, count: int, seconds: float) -> list[Done]:
        """Wait for an answer, and a little longer for more; none: nothing is in work any more.

        Args:
            count: of answers that are waited for.
            seconds: longest wait for them, once there is one.
        """
        with self._state:
            self._state.wait_for(lambda: self._done or self._is_over())
            self._state.wait_for(lambda: len(self._done) >= count or self._is_over(), seconds)
            done, self._done = self._done, []
            return done

    def withdraw(self) -> list[Job]:
        """Take back what nobody has begun."""
        with self._state:
            left = [*self._small, *self._large]
            self._small.clear()
            self._large.clear()
            return left

    def end(self) -> list[Done]:
        """Let the workers finish what they have begun, and end; returns answers that were not collected."""
        with self._state:
            self._is_ending = True
            self._state.notify_all()
        for thread in self._threads:
            thread.join()
        with self._state:
            done, self._done = self._done, []
            return done

    def _is_over(self) -> bool:
        """Whether there will be no further answer to what was given."""
        is_stuck = self.down is not None or not (self._small or self._large)
        return is_stuck and not self._in_work_count

    def _hire(self) -> None:
        waiting_count = len(self._small) + len(self._large)
        wanted_count = self._working_count - self._idle_count - (-waiting_count // JOBS_PER_WORKER)
        while self._targets and self.down is None and self._working_count < wanted_count:
            self._working_count += 1
            # It has not begun, but what waits is for it.
            self._idle_count += 1
            name = f"deliver-{len(self._threads)}"
            thread = threading.Thread(target=self._work, args=(self._targets.pop(0),), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self, target: Target) -> None:
        try:
            while self._await_job():
                self._run(target)
                self._rest()
        except TargetDown as error:
            self._leave(of_error(error))
        except Exception as error:  # noqa: BLE001 - whoever waits for an answer must not wait for ever
            _LOG.exception("a fault outside of any message")
            self._leave(Outcome(Verdict.DEFERRED, "4.3.0", one_line(f"internal error: {error}")))
        finally:
            target.close()

    def _await_job(self) -> bool:
        """Wait for something to do; False: there will be nothing."""
        with self._state:
            self._state.wait_for(lambda: self._is_ending or self._next_queue() is not None)
            if self._is_ending:
                return False
            self._idle_count -= 1
            return True

    def _rest(self) -> None:
        with self._state:
            self._idle_count += 1

    def _run(self, target: Target) -> None:
        """Let a target deliver until there is nothing for the moment, or a message breaks it."""
        taken: deque[Job] = deque()
        try:
            for outcomes in target.deliver(self._take(taken)):
                job = taken.popleft()
                if len(outcomes) != len(job.message.delivery_seqs):
                    taken.appendleft(job)
                    raise AssertionError("internal error: a target must answer for each recipient")
                self._finish(Done(job.message, outcomes))
            if taken:
                raise AssertionError("internal error: a target must answer for each message")
        except TargetDown:
            self._put_back(taken)
            raise
        except GatewayError as error:
            job = taken.popleft()
            self._finish(Done(job.message, same_for_all(job.message, of_error(error))))
            self._put_back(taken)
        except Exception as error:
            if not taken:
                raise
            job = taken.popleft()
            _LOG.exception("message %s: a fault in the delivery", job.message.id)
            target.close()
            self._finish(Done(job.message, bug=one_line(f"{type(error).__name__}: {error}")))
            self._put_back(taken)

    def _take(self, taken: "deque[Job]") -> Iterator[Job]:
        while True:
            with self._state:
                queue = None if self._is_ending else self._next_queue()
                if queue is None:
                    return
                job = queue.popleft()
                self._in_work_count += 1
                self._large_count += _is_large(job.message)
                taken.append(job)
            yield job

    def _next_queue(self) -> "deque[Job] | None":
        if self._small:
            return self._small
        is_one_free = self._large_count < max(1, self._working_count + len(self._targets) - 1)
        return self._large if self._large and is_one_free else None

    def _finish(self, done: Done) -> None:
        with self._state:
            self._in_work_count -= 1
            self._large_count -= _is_large(done.message)
            self._done.append(done)
            self._state.notify_all()

    def _put_back(self, taken: "deque[Job]") -> None:
        with self._state:
            while taken:
                job = taken.pop()
                self._in_work_count -= 1
                self._large_count -= _is_large(job.message)
                self._queue_of(job).appendleft(job)
            self._state.notify_all()

    def _leave(self, why: Outcome) -> None:
        """End a worker whose target takes no mail; the others may still have theirs."""
        with self._state:
            self._working_count -= 1
            if not self._working_count:
                self.down = why
            self._state.notify_all()

    def _queue_of(self, job: Job) -> "deque[Job]":
        return self._large if _is_large(job.message) else self._small


def _is_large(message: QueuedMessage) -> bool:
    return message.size_bytes > LARGE_BYTES
