"""What the deliverer of news wants of a place that articles go to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.msgqueue.entry import Outcome, QueuedMessage

ReadBody = Callable[[int], Iterator[bytes]]
"""Reads an article by its place in the queue, with CRLF line ends, in chunks of any size."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of an attempt to deliver some articles.

    Args:
        outcomes: one for each of them, in their order.
        is_down: the target takes nothing now: others need not be tried.
    """

    outcomes: Sequence[Outcome]
    is_down: bool = False


class NewsTarget(Protocol):
    """A place that articles go to: a news server, a program, a store of our own.

    Contract: what is not known to have arrived is deferred. An article may be brought twice, after a
    crash or a lost connection; the target knows it by its Message-ID, and that counts as delivered.
    """

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        """Try to deliver some articles, in any order.

        Raises:
            GatewayError: it could not even begin.
        """
        ...

    def close(self) -> None:
        """Let go of connections; ``deliver`` may be called again."""
        ...
