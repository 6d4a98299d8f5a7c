"""One message handed to a target, as the deliverer does it."""

from collections.abc import Callable, Iterator, Sequence

from gateway.deliver.target import Job, Target
from gateway.msgqueue.entry import Outcome, QueuedMessage


def deliver_one(
    target: Target, message: QueuedMessage, body: bytes | Callable[[], Iterator[bytes]]
) -> list[Outcome]:
    """What became of each recipient."""
    (outcomes,) = deliver_all(
        target, [Job(message, (lambda: iter([body])) if isinstance(body, bytes) else body)]
    )
    return outcomes


def deliver_all(target: Target, jobs: Sequence[Job]) -> list[list[Outcome]]:
    """What became of each recipient of each message."""
    return [list(outcomes) for outcomes in target.deliver(iter(jobs))]
