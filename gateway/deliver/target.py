"""What the deliverer wants of a place that mail is delivered to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from gateway.errors import GatewayError
from gateway.msgqueue.entry import Outcome, QueuedMessage

Body = Callable[[], Iterator[bytes]]
"""Begins to read a message, with CRLF line ends, in chunks of any size; may be called again."""


class TargetDown(GatewayError):
    """The target as a whole takes no mail now: other messages need not be tried."""

    status = "4.4.1"


class Target(Protocol):
    """A place that mail is delivered to.

    Contract: ``deliver`` answers for each recipient alone. When it raises, no recipient has the
    message (as far as anybody can know), and the target is fit for the next one.
    """

    def deliver(self, message: QueuedMessage, body: Body) -> Sequence[Outcome]:
        """Try to deliver one message.

        Args:
            message: with the recipients that are meant.
            body: what is delivered.

        Returns:
            One outcome for each of ``message.envelope.recipients``, in their order.

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
