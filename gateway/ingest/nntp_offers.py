"""Which articles are on their way in now: each is asked for from one client at a time.

States of a Message-ID::

    unknown --promise--> promised to one client --arrive--> arriving --settle--> (in the history, or unknown)
    promised --too long ago, or the client is gone--> unknown

Contract: memory is bounded for each client. What a client brings unasked is arriving all the same.

Spec: RFC 4644 section 2.4 (431); incoming.conf(5) of INN knows the same.
"""

from collections.abc import Callable

PROMISE_SECONDS = 10.0
"""How long a client that said it has an article is waited for, before another is asked; as innd does."""
PROMISES_LIMIT_COUNT = 5000
"""Of one client: the oldest are forgotten."""

Settled = Callable[[], None]


class Offers:
    """The table; in one event loop.

    Args:
        clock: seconds that only go on.
    """

    __slots__ = ("_arriving", "_clock", "_of", "_promised")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._promised: dict[str, tuple[object, float]] = {}
        self._of: dict[object, dict[str, None]] = {}
        self._arriving: dict[str, list[Settled]] = {}

    def promise(self, message_id: str, client: object) -> bool:
        """Ask a client for an article; False: another has it on its way."""
        now = self._clock()
        held = self._promised.get(message_id)
        if held is not None and held[0] is not client:
            if held[1] > now:
                return False
            self._of[held[0]].pop(message_id, None)
        mine = self._of.setdefault(client, {})
        mine[message_id] = None
        self._promised[message_id] = (client, now + PROMISE_SECONDS)
        if len(mine) > PROMISES_LIMIT_COUNT:
            oldest = next(iter(mine))
            del mine[oldest], self._promised[oldest]
        return True

    def withdraw(self, message_id: str, client: object) -> None:
        """Say that what was promised has come, or will not."""
        held = self._promised.get(message_id)
        if held is not None and held[0] is client:
            del self._promised[message_id]
            self._of[client].pop(message_id, None)

    def arrive(self, message_id: str) -> None:
        """Say that an article is here and on its way to the disk."""
        self._arriving.setdefault(message_id, [])

    def wait(self, message_id: str, settled: Settled) -> bool:
        """Be told when an article that is arriving is on disk, or is not; False: it is not arriving."""
        waiting = self._arriving.get(message_id)
        if waiting is None:
            return False
        waiting.append(settled)
        return True

    def settle(self, message_id: str) -> None:
        """Say that it is decided whether an article is taken."""
        for settled in self._arriving.pop(message_id, ()):
            settled()

    def forget(self, client: object) -> None:
        """Say that a client is gone."""
        for message_id in self._of.pop(client, ()):
            del self._promised[message_id]
