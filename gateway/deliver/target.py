"""What the deliverer wants of a place that mail is delivered to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import GatewayError
from gateway.msgqueue.entry import Outcome, QueuedMessage

Body = Callable[[], Iterator[bytes]]
"""Begins to read a message, with CRLF line ends, in chunks of any size; may be called again."""


class TargetDown(GatewayError):
    """The target as a whole takes no mail now: other messages need not be tried."""

    status = "4.4.1"


@dataclass(frozen=True, slots=True)
class Job:
    """One message to deliver.

    Args:
        message: with the recipients that are meant.
        body: what is delivered.
    """

    message: QueuedMessage
    body: Body


class Target(Protocol):
    """One way to the place that mail is delivered to, such as a connection; used by one thread at a time.

    Contract: each job that is taken is answered, in the order of taking, for each of its recipients alone. A
    target may take the next job before it has answered the last. When it raises, the first job without an
    answer is to blame and no recipient of it has the message (as far as anybody can know); the jobs behind
    it were not begun, and the target is fit for the next call.
    """

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Try to deliver messages, as long as there are any.

        Args:
            jobs: ends when there is nothing more to do for the moment.

        Yields:
            For each job one outcome for each of its message's recipients, in their order.

        Raises:
            TargetDown: the target as a whole takes no mail now.
            GatewayError: the message could not be read.
        """
        ...

    def close(self) -> None:
        """Let go of connections; ``deliver`` may be called again."""
        ...


def same_for_all(message: QueuedMessage, outcome: Outcome) -> list[Outcome]:
    """One outcome for every recipient of a message."""
    return [outcome] * len(message.envelope.recipients)
