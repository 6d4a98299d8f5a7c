"""Where neighbours were seen of late: the addresses that their announcements came from.

    never seen ──announced──→ seen ──announced again──→ seen, for longer
        ↑                      │
        └──KEPT_SECONDS without an announcement, or newer addresses need the room

Contract: whatever is announced, at most ADDRESS_LIMIT_COUNT addresses of a node are kept, the newest;
who calls asks first whether it knows the node, so that memory is bounded by the configuration.

Spec: NNCP 8 manual, MultiCast Discovery.
"""

from gateway.ids import NodeId

KEPT_SECONDS = 120.0
"""As long as Go NNCP believes an announcement."""

ADDRESS_LIMIT_COUNT = 8
"""A neighbour with more interfaces than that on our links announces enough of them again in time."""


class Sightings:
    """The addresses of all nodes that were seen."""

    def __init__(self) -> None:
        self._until: dict[NodeId, dict[str, float]] = {}

    def see(self, node: NodeId, address: str, now: float) -> bool:
        """Note that a node was announced.

        Args:
            node: whom the datagram names.
            address: where it can be called.
            now: seconds of any clock that only goes forward.

        Returns:
            Whether the address is a new one.

        Spec: NNCP 8 manual, MultiCast Discovery.
        """
        addresses = self._fresh(node, now)
        is_new = addresses.pop(address, None) is None
        addresses[address] = now + KEPT_SECONDS
        if len(addresses) > ADDRESS_LIMIT_COUNT:
            del addresses[next(iter(addresses))]
        self._until[node] = addresses
        return is_new

    def addresses(self, node: NodeId, now: float) -> tuple[str, ...]:
        """Where a node was seen, the newest announcement first.

        Spec: NNCP 8 manual, MultiCast Discovery.
        """
        addresses = self._fresh(node, now)
        if not addresses:
            self._until.pop(node, None)
        return tuple(reversed(addresses))

    def _fresh(self, node: NodeId, now: float) -> dict[str, float]:
        """Addresses and when each is forgotten, the oldest announcement first."""
        known = self._until.get(node, {})
        return {address: until for address, until in known.items() if until > now}
