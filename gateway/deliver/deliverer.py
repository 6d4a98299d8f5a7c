"""The deliverer: takes what is due from the inbox, hands it to the target, records what became of it.

Contract: an outcome is recorded, and on disk, before the next message is tried. A crash between the
two makes the target see that message again: a Maildir notices, a mail server may deliver it twice,
which RFC 1047 describes.

One process at a time delivers. A fault of ours in one message stays with that message: it is
logged with its traceback, counted, and set aside when it happens again and again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.deliver.outcome import of_error, one_line
from gateway.deliver.retry import RetrySchedule
from gateway.deliver.target import Target, TargetDown, same_for_all
from gateway.errors import GatewayError
from gateway.maillog import log_mail
from gateway.message.envelope import LateAction
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.reports import EXPIRED_STATUS, TOO_LATE_TEXT
from gateway.msgqueue.store import Queue

LOCK = "deliver"
NOT_KEPT = Outcome(Verdict.REFUSED, "5.6.0", "the message was refused when it came: its content is not here")
"""What was taken in has a trace field at least; only the record of a refused message has no bytes."""
TOO_LATE = Outcome(Verdict.REFUSED, EXPIRED_STATUS, TOO_LATE_TEXT)
"""Its sender would rather have it back (RFC 2852 section 4)."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    """How the deliverer works.

    Args:
        retry: when to try again and when to give up.
        page_count: messages read from the inbox at once.
    """

    retry: RetrySchedule = field(default_factory=RetrySchedule)
    page_count: int = 100


@dataclass(slots=True)
class DeliverResult:
    """What one run did, by recipients.

    Args:
        delivered_count: taken by the target.
        deferred_count: to be tried again.
        dead_count: refused or given up; dead letters now.
        crash_count: not decided, because of a fault of ours.
        is_target_down: the target took no mail at all.
    """

    delivered_count: int = 0
    deferred_count: int = 0
    dead_count: int = 0
    crash_count: int = 0
    is_target_down: bool = False


class Deliverer:
    """Delivers what the inbox holds.

    Args:
        queue: the open queue.
        target: where to.
        settings: how.
    """

    def __init__(self, queue: Queue, target: Target, settings: DeliverSettings | None = None) -> None:
        self._queue = queue
        self._inbox = Inbox(queue)
        self._target = target
        self._settings = settings or DeliverSettings()

    def run_once(self, *, is_early: bool = False) -> DeliverResult:
        """Try every delivery that is due, once.

        Args:
            is_early: also those whose next try is still to come.

        Raises:
            StoreBusy: another process delivers.
            StoreError: the queue refused; what was recorded stays.
        """
        result = DeliverResult()
        down: Outcome | None = None
        last_seq = 0
        try:
            with self._queue.lock(LOCK):
                while page := self._inbox.due(
                    self._settings.page_count, is_early=is_early, after_seq=last_seq
                ):
                    for message in page:
                        down = self._deliver(message, down, result)
                    last_seq = page[-1].seq
        finally:
            self._target.close()
        return result

    def _deliver(self, message: QueuedMessage, down: Outcome | None, result: DeliverResult) -> Outcome | None:
        """Try one message; returns what holds for all messages once the target is down."""
        if down is not None:
            self._record(message, same_for_all(message, down), result)
            return down
        refusal = _refusal(message)
        if refusal is not None:
            self._record(message, same_for_all(message, refusal), result)
            return None
        try:
            outcomes = self._target.deliver(message, partial(self._queue.read_body, message.seq))
            if len(outcomes) != len(message.delivery_seqs):
                raise AssertionError("internal error: a target must answer for each recipient")
        except TargetDown as error:
            down = of_error(error)
            result.is_target_down = True
            outcomes = same_for_all(message, down)
        except GatewayError as error:
            outcomes = same_for_all(message, of_error(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours stays with its message
            _LOG.exception("message %s: a fault in the delivery", message.id)
            self._target.close()
            self._record_crash(message, error, result)
            return None
        self._record(message, outcomes, result)
        return down

    def _record(self, message: QueuedMessage, outcomes: Sequence[Outcome], result: DeliverResult) -> None:
        attempts = message.attempts + 1
        settled = [
            self._settings.retry.settle(outcome, attempts, message.age_seconds) for outcome in outcomes
        ]
        self._inbox.record(
            [
                (seq, outcome, wait)
                for seq, (outcome, wait) in zip(message.delivery_seqs, settled, strict=True)
            ]
        )
        for recipient, tried, (outcome, wait_seconds) in zip(
            message.envelope.recipients, outcomes, settled, strict=True
        ):
            event = "dead" if outcome.verdict is not tried.verdict else str(outcome.verdict)
            _log(event, message, recipient, outcome, wait_seconds)
            if outcome.verdict is Verdict.DELIVERED:
                result.delivered_count += 1
            elif outcome.verdict is Verdict.DEFERRED:
                result.deferred_count += 1
            else:
                result.dead_count += 1

    def _record_crash(self, message: QueuedMessage, error: Exception, result: DeliverResult) -> None:
        text = one_line(f"{type(error).__name__}: {error}")
        wait_seconds = self._settings.retry.wait_seconds(message.attempts + 1)
        self._inbox.record_crash(message.delivery_seqs, text, wait_seconds)
        outcome = Outcome(Verdict.DEFERRED, "4.3.0", f"internal error: {text}")
        for recipient in message.envelope.recipients:
            _log("deferred", message, recipient, outcome, wait_seconds)
            result.crash_count += 1


def _refusal(message: QueuedMessage) -> Outcome | None:
    """Why a message is not even tried, or None."""
    if message.size_bytes == 0:
        return NOT_KEPT
    by = message.envelope.options.deliver_by
    return TOO_LATE if by is not None and by.action is LateAction.RETURN and by.seconds <= 0 else None


def _log(event: str, message: QueuedMessage, recipient: str, outcome: Outcome, wait_seconds: float) -> None:
    log_mail(
        event,
        id=message.id,
        message_id=message.message_id,
        from_=message.envelope.sender,
        to=recipient,
        node=message.origin,
        status=outcome.status,
        text=outcome.text,
        next_try_seconds=round(wait_seconds) if outcome.verdict is Verdict.DEFERRED else None,
    )
