"""Which neighbour of a route gets a message, and in which lane it waits for it.

The first neighbour that is named gets it. The next one does if that one is out of service, or if the message
is too large for the link to it. If none can take it, it waits for the first. How the links are just now makes
no difference: most are down most of the time, and nobody could find mail that goes another way every hour.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.batch.policy import BatchSettings, Niceness
from gateway.ids import NodeId
from gateway.msgqueue.entry import Lane
from gateway.msgqueue.insertion import NO_LIMITS, SizeLimits
from gateway.routing.table import Route
from gateway.routing.urgency import Urgency

ROUTES_CACHED_COUNT = 4096


@dataclass(frozen=True, slots=True)
class Choice:
    """A neighbour that may get a message.

    Args:
        node: which.
        name: in the NNCP configuration.
        niceness: of mail for it.
        normal: of most mail on the route, or None: as ``niceness`` has it.
        max_bytes: the largest message that goes through without a person, or None: any.
        is_in_service: it takes new mail.
    """

    node: NodeId
    name: str
    niceness: Niceness = field(default_factory=Niceness)
    normal: int | None = None
    max_bytes: int | None = None
    is_in_service: bool = True

    @property
    def lane(self) -> Lane:
        """Of most mail."""
        return Lane(self.node, self.niceness.normal if self.normal is None else self.normal)

    def takes(self, size_bytes: int) -> bool:
        """Whether a message of a size may be given to it, as far as the configuration tells."""
        return self.is_in_service and (self.max_bytes is None or size_bytes <= self.max_bytes)


@dataclass(frozen=True, slots=True)
class Choices:
    """The neighbours of a route.

    Args:
        ordered: one at least, the first choice first.
    """

    ordered: tuple[Choice, ...]

    def of(self, size_bytes: int = 0) -> Choice:
        """The neighbour that gets a message of a size."""
        return next((choice for choice in self.ordered if choice.takes(size_bytes)), self.ordered[0])

    def lane(self, urgency: Urgency, size_bytes: int) -> Lane:
        """Where one message waits.

        Args:
            urgency: as its sender says.
            size_bytes: of it.
        """
        choice = self.of(size_bytes)
        return Lane(choice.node, choice.niceness.of(urgency, size_bytes, choice.normal))


FindChoices = Callable[[Route], Choices]
"""Raises ``UnknownNode``."""


def make_find_choices(
    find_node: Callable[[str], NodeId], settings: BatchSettings, limits: SizeLimits = NO_LIMITS
) -> FindChoices:
    """Make what finds the neighbours of a route.

    Args:
        find_node: a node by its name; raises ``UnknownNode``.
        settings: how mail travels.
        limits: what is too large.
    """

    def choice(name: str, route: Route) -> Choice:
        node = find_node(name)
        policy = settings.policy(node)
        max_bytes = limits.outgoing.get(node.text)
        return Choice(node, name, policy.niceness, route.nice, max_bytes, policy.is_in_service)

    @lru_cache(ROUTES_CACHED_COUNT)
    def find(route: Route) -> Choices:
        return Choices(tuple(choice(name, route) for name in route.nodes))

    return find
