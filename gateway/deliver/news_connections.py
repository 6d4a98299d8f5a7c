"""Several connections to one news server: for a long way, or a server that does one thing at a time in each.

Contract: as ``NewsTarget``. A server that lets fewer connections in than there are is given everything by
those that it lets in; it counts as down only if it lets none in.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.deliver.news_target import Delivery, NewsTarget, ReadBody
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict

SHARE_COUNT = 10
"""Articles for which another connection is worth its beginning."""
TRY_ALL_SECONDS = 600.0
"""How long those that were not let in are left alone."""


class SeveralConnections:
    """Brings shares of the articles by several connections at once.

    Args:
        connections: each a target of its own, to the same server.
        clock: counts seconds.
    """

    def __init__(
        self, connections: Sequence[NewsTarget], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connections = tuple(connections)
        self._clock = clock
        self._let_in: tuple[NewsTarget, ...] = self._connections
        self._try_all_at = 0.0

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        """See ``NewsTarget``."""
        if self._clock() >= self._try_all_at:
            self._let_in = self._connections
        used = self._let_in[: max(1, -(-len(articles) // SHARE_COUNT))]
        shares = [range(number, len(articles), len(used)) for number in range(len(used))]

        reading = threading.Lock()

        def read_in_turn(seq: int) -> Iterator[bytes]:
            with reading:
                return read_body(seq)

        def bring(target: NewsTarget, share: range) -> Delivery:
            return target.deliver([articles[at] for at in share], read_in_turn)

        # All come to their end before a fault of one is raised.
        with ThreadPoolExecutor(len(used), thread_name_prefix="news-connection") as threads:
            deliveries = list(threads.map(bring, used, shares))
        outcomes: dict[int, Outcome] = {}
        for share, delivery in zip(shares, deliveries, strict=True):
            outcomes |= zip(share, delivery.outcomes, strict=True)
        is_down = [delivery.is_down for delivery in deliveries]
        if any(is_down) and not all(is_down):
            self._let_in = tuple(target for target, down in zip(used, is_down, strict=True) if not down)
            self._try_all_at = self._clock() + TRY_ALL_SECONDS
            left = [at for share, down in zip(shares, is_down, strict=True) if down for at in share]
            return self._bring_again(
                [at for at in left if _is_deferred(outcomes[at])], outcomes, articles, read_body
            )
        return Delivery(_in_order(outcomes), is_down=all(is_down))

    def close(self) -> None:
        """See ``NewsTarget``."""
        for connection in self._connections:
            connection.close()

    def _bring_again(
        self,
        left: Sequence[int],
        outcomes: dict[int, Outcome],
        articles: Sequence[QueuedMessage],
        read_body: ReadBody,
    ) -> Delivery:
        """Bring by the connections that are let in what the others could not."""
        is_down = False
        if left:
            delivery = self.deliver([articles[at] for at in left], read_body)
            outcomes |= zip(left, delivery.outcomes, strict=True)
            is_down = delivery.is_down
        return Delivery(_in_order(outcomes), is_down=is_down)


def _is_deferred(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.DEFERRED


def _in_order(outcomes: dict[int, Outcome]) -> list[Outcome]:
    return [outcomes[at] for at in sorted(outcomes)]
