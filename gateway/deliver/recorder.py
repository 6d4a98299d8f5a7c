"""What became of messages, on disk first, then in the mail log and in figures."""

from collections.abc import Sequence

from gateway.deliver.crew import Done
from gateway.deliver.outcome import one_line
from gateway.deliver.result import DeliverResult
from gateway.deliver.retry import RetrySchedule
from gateway.maillog import log_mail
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.inbox import WORN_OUT_STATUS, WORN_OUT_TEXT, Inbox

WORN_OUT = Outcome(Verdict.REFUSED, WORN_OUT_STATUS, WORN_OUT_TEXT)


class Recorder:
    """Records the outcomes of one run.

    Args:
        inbox: where.
        retry: when to try again and when to give up.
    """

    def __init__(self, inbox: Inbox, retry: RetrySchedule) -> None:
        self.result = DeliverResult()
        self._inbox = inbox
        self._retry = retry

    def record(self, done: Sequence[Done], begin: Sequence[QueuedMessage] = ()) -> tuple[QueuedMessage, ...]:
        """Record what is done and what is begun in one commit, and only then tell of it.

        Returns:
            Those to be begun that may be tried, with the recipients that still wait.

        Raises:
            StoreError: nothing is recorded.
        """
        if not done and not begin:
            return ()
        settled = [(one, self._settle(one)) for one in done if one.bug is None]
        begun = self._inbox.record(
            [
                (seq, outcome, wait_seconds)
                for one, ends in settled
                for seq, (outcome, wait_seconds) in zip(one.message.delivery_seqs, ends, strict=True)
            ],
            begin=begin,
        )
        for one, ends in settled:
            for recipient, tried, end in zip(
                one.message.envelope.recipients, one.outcomes, ends, strict=True
            ):
                self._tell(one.message, recipient, tried, *end)
        for one in done:
            if one.bug is not None:
                self._record_bug(one.message, one.bug)
        for message in begun.worn_out:
            for recipient in message.envelope.recipients:
                self._tell(message, recipient, None, WORN_OUT, 0.0)
        return begun.messages

    def _settle(self, done: Done) -> list[tuple[Outcome, float]]:
        message = done.message
        return [
            self._retry.settle(outcome, message.attempts + 1, message.age_seconds)
            for outcome in done.outcomes
        ]

    def _tell(
        self,
        message: QueuedMessage,
        recipient: str,
        tried: Outcome | None,
        outcome: Outcome,
        wait_seconds: float,
    ) -> None:
        is_given_up = tried is None or outcome.verdict is not tried.verdict
        _log("dead" if is_given_up else str(outcome.verdict), message, recipient, outcome, wait_seconds)
        self.result.count(outcome.verdict)

    def _record_bug(self, message: QueuedMessage, bug: str) -> None:
        wait_seconds = self._retry.wait_seconds(message.attempts + 1)
        self._inbox.record_crash(message.delivery_seqs, bug, wait_seconds, is_begun=True)
        outcome = Outcome(Verdict.DEFERRED, "4.3.0", one_line(f"internal error: {bug}"))
        for recipient in message.envelope.recipients:
            _log("deferred", message, recipient, outcome, wait_seconds)
            self.result.crash_count += 1


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
