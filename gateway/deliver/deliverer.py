"""The deliverer: takes what is due from the inbox, hands it to the targets, records what became of it.

Contract: a message is known on disk as begun before it is tried, and its outcome is recorded in one commit
with others, while the targets go on. So after a crash nobody knows what became of those that were begun, at
most ``2 * page_count`` messages: a Maildir finds what it has, a mail server may get them twice, which RFC
1047 describes. They are tried one by one, behind all others, with a commit each, so that a message which ends
this program, or makes a server hang up, holds up no other and is found.

One process at a time delivers; in it is a deliverer for each place, for the recipients that are there. A
fault of ours in one message stays with that message: it is logged with its traceback, counted, and set
aside when it happens again and again.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from gateway.deliver.crew import Crew, Done
from gateway.deliver.outcome import of_error
from gateway.deliver.recorder import Recorder
from gateway.deliver.result import DeliverResult
from gateway.deliver.retry import RetrySchedule
from gateway.deliver.target import Body, Job, Target, same_for_all
from gateway.errors import GatewayError
from gateway.message.envelope import LateAction
from gateway.msgqueue.due import Takes
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.reports import EXPIRED_STATUS, TOO_LATE_TEXT
from gateway.msgqueue.store import Queue

LOCK = "deliver"
UNTRIED_PAGE_COUNT = 500
"""Messages recorded in one commit while the target is down."""
GROUP_SECONDS = 0.1
"""How long an outcome waits for others to be recorded with."""
NOT_KEPT = Outcome(Verdict.REFUSED, "5.6.0", "the message was refused when it came: its content is not here")
"""What was taken in has a trace field at least; only the record of a refused message has no bytes."""
TOO_LATE = Outcome(Verdict.REFUSED, EXPIRED_STATUS, TOO_LATE_TEXT)
"""Its sender would rather have it back (RFC 2852 section 4)."""


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    """How the deliverer works.

    Args:
        retry: when to try again and when to give up.
        page_count: messages begun in one commit; twice as many may be without a recorded outcome.
    """

    retry: RetrySchedule = field(default_factory=RetrySchedule)
    page_count: int = 32


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several deliverers of a process works on.

    Args:
        takes: whether a recipient is meant; it must not raise.
        lock: held while one of them works, so that no other process does.
    """

    takes: Takes
    lock: AbstractContextManager[None]


Robot = Callable[[QueuedMessage, Body], Outcome]
"""Takes a message for one mailbox itself; it may raise a ``GatewayError``."""


class Deliverer:
    """Delivers what the inbox holds.

    Args:
        queue: the open queue.
        targets: where to; all lead to the same place and work at the same time.
        settings: how.
        is_stopping: asked between two messages.
        robots: what takes mail for some mailboxes itself, by mailbox in lower case.
        share: what of the inbox it works on, beside other deliverers of this process; None: all of it.
    """

    def __init__(
        self,
        queue: Queue,
        targets: Sequence[Target],
        settings: DeliverSettings | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
        robots: Mapping[str, Robot] | None = None,
        share: Share | None = None,
    ) -> None:
        self._robots = robots or {}
        self._inbox = Inbox(queue, None if share is None else share.takes)
        self._lock = queue.lock(LOCK) if share is None else share.lock
        self._targets = targets
        self._settings = settings or DeliverSettings()
        self._is_stopping = is_stopping

    def run_once(self, *, is_early: bool = False) -> DeliverResult:
        """Try every delivery that is due, once.

        Args:
            is_early: also those whose next try is still to come.

        Raises:
            StoreBusy: another process delivers.
            StoreError: the queue refused; what was recorded stays.
        """
        if not is_early and self._inbox.is_quiet():
            return DeliverResult()
        with self._lock:
            run = _Run(
                self._inbox,
                Crew(self._targets),
                self._settings,
                self._is_stopping,
                self._robots,
                is_early=is_early,
            )
            with contextlib.closing(run):
                run.in_turns()
                run.one_by_one()
        return run.recorder.result

    def next_try_seconds(self) -> float | None:
        """Seconds until the next delivery is due (0 or less: now), or None if nothing waits."""
        return self._inbox.next_try_seconds()


class _Run:
    """One run: who works, and what is not recorded yet."""

    def __init__(
        self,
        inbox: Inbox,
        crew: Crew,
        settings: DeliverSettings,
        is_stopping: Callable[[], bool],
        robots: Mapping[str, Robot],
        *,
        is_early: bool,
    ) -> None:
        self._robots = robots
        self._inbox = inbox
        self._queue = inbox.queue
        self.recorder = Recorder(self._inbox, settings.retry)
        self._crew = crew
        self._page_count = settings.page_count
        self._is_stopping = is_stopping
        self._is_early = is_early
        self._is_alone = False
        self._last_seq = 0
        self._tried: set[int] = set()
        """Messages whose try in this run had no end; an early run would take them again."""

    def in_turns(self) -> None:
        """Deliver what is due, several messages at the same time."""
        done: list[Done] = []
        while True:
            page = self._page()
            if not page and not done and not self._crew.open_count:
                return
            self._go_on(done, page)
            # The next page is begun while the targets work on this one.
            is_enough = not page or self._crew.open_count > self._page_count
            done = self._collect() if is_enough else []

    def one_by_one(self) -> None:
        """Deliver what was begun once and has no known end, with nothing beside it."""
        self._is_alone = True
        while not self._is_stopping() and (
            message := self._inbox.begun(is_early=self._is_early, without=self._tried)
        ):
            self._tried.add(message.seq)
            self._go_on([], [message])
            self.recorder.record(self._collect())

    def close(self) -> None:
        """Let what is in work come to its end, and give back what is not: in good order there is neither."""
        left = self._crew.withdraw()
        done = self._crew.end()
        with contextlib.suppress(GatewayError):
            self.recorder.record(done)
            self._inbox.release([job.message for job in left])

    def _page(self) -> list[QueuedMessage]:
        if self._is_stopping():
            self._inbox.release([job.message for job in self._crew.withdraw()])
            return []
        if self._crew.down is None:
            # A slow server answers for few at a time; no more than these are begun.
            count = min(self._page_count, 2 * self._page_count - self._crew.open_count)
        else:
            # What is not tried needs no more than its record.
            count = UNTRIED_PAGE_COUNT
        if count <= 0:
            return []
        page = self._inbox.in_turns(count, is_early=self._is_early, after_seq=self._last_seq)
        if page:
            self._last_seq = page[-1].seq
        return page

    def _go_on(self, done: Sequence[Done], page: Sequence[QueuedMessage]) -> None:
        """Record what became of the last messages and begin the next."""
        settled, jobs = list(done), {}
        for whole in page:
            message = whole
            for one in self._by_robots(whole):
                settled.append(one)
                message = message.only(set(message.delivery_seqs) - set(one.message.delivery_seqs))
            if not message.delivery_seqs:
                continue
            found = self._job(message)
            if isinstance(found, Done):
                settled.append(found)
            else:
                jobs[message.seq] = found
        begun = self.recorder.record(settled, [job.message for job in jobs.values()])
        # Without the recipients that a person held meanwhile.
        self._crew.give([replace(jobs[message.seq], message=message) for message in begun])

    def _by_robots(self, message: QueuedMessage) -> Iterator[Done]:
        """Let robots take what is for them."""
        if not self._robots:
            return
        for recipient, seq in zip(message.envelope.recipients, message.delivery_seqs, strict=True):
            robot = self._robots.get(recipient.lower())
            if robot is not None:
                mine = message.only({seq})
                yield Done(mine, [self._answer_of(robot, mine)])

    def _answer_of(self, robot: Robot, message: QueuedMessage) -> Outcome:
        refusal = _refusal(message)
        if refusal is not None:
            return refusal
        try:
            return robot(message, self._queue.body_of(message.seq))
        except GatewayError as error:
            return of_error(error)

    def _job(self, message: QueuedMessage) -> Job | Done:
        """What is to be done with a message, or what became of it without a try."""
        refusal = _refusal(message) or self._why_down()
        if refusal is not None:
            return Done(message, same_for_all(message, refusal))
        try:
            return Job(message, self._queue.body_of(message.seq))
        except GatewayError as error:
            return Done(message, same_for_all(message, of_error(error)))

    def _collect(self) -> list[Done]:
        done = self._crew.collect(self._page_count, GROUP_SECONDS)
        self._tried.update(one.message.seq for one in done if _is_failed(one))
        down = self._why_down()
        if down is not None:
            self.recorder.result.is_target_down = True
            done += [Done(job.message, same_for_all(job.message, down)) for job in self._crew.withdraw()]
        return done

    def _why_down(self) -> Outcome | None:
        """What holds for every message once the target takes none; it was not tried."""
        down = self._crew.down
        return None if down is None else down._replace(is_cut=self._is_alone)


def _is_failed(done: Done) -> bool:
    return done.bug is not None or any(outcome.is_cut for outcome in done.outcomes)


def _refusal(message: QueuedMessage) -> Outcome | None:
    """Why a message is not even tried, or None."""
    if message.size_bytes == 0:
        return NOT_KEPT
    by = message.envelope.options.deliver_by
    return TOO_LATE if by is not None and by.action is LateAction.RETURN and by.seconds <= 0 else None
