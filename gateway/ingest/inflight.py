"""How many bytes of message content all connections may hold in memory together.

Contract: what is reserved never passes the limit. Nobody waits for room: who gets none is told
to come back, so that two half-read messages can never wait for each other.
"""


class InFlight:
    """The room, shared by all connections of an endpoint (one event loop, no locks).

    Args:
        limit_bytes: how much may be reserved at a time.
    """

    __slots__ = ("limit_bytes", "used_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    def reservation(self) -> "Reservation":
        """An empty share; whoever takes it releases it in the end."""
        return Reservation(self)


class Reservation:
    """The share of one connection. Make one with ``InFlight.reservation``."""

    __slots__ = ("_inflight", "held_bytes")

    def __init__(self, inflight: InFlight) -> None:
        self._inflight = inflight
        self.held_bytes = 0

    def hold(self, size_bytes: int) -> bool:
        """Make the share at least ``size_bytes`` large; if there is no room, leave it as it is."""
        more_bytes = size_bytes - self.held_bytes
        if more_bytes <= 0:
            return True
        if self._inflight.used_bytes + more_bytes > self._inflight.limit_bytes:
            return False
        self._inflight.used_bytes += more_bytes
        self.held_bytes = size_bytes
        return True

    def release(self) -> None:
        """Give all of it back. Idempotent."""
        self._inflight.used_bytes -= self.held_bytes
        self.held_bytes = 0
