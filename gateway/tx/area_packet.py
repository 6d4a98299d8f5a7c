"""Areas: sending a message to all members of one, and passing a received one on to a subscriber.

Contract: a message is sealed once, for the area; what is passed on is that sealed message byte for
byte, in a packet of its own for each subscriber, so that its name stays the same on all ways. It is
in the spool only when the function returned.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.nodes import Area, Book, Node
from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.plain import PlainHeader
from gateway.spool.store import Spool
from gateway.tx.posting import post_to
from gateway.tx.sealing import Outside, Route, SealedPacket

AREA_PREFIX = "area:"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a packet is for.

    Args:
        node: the neighbour, or ourselves when it is for an area: our own toss passes it on.
        area: whose members may read it, or None.
    """

    node: Node
    area: Area | None = None


def find_target(book: Book, name: str) -> Target:
    """Look up a node, or an area by ``area:NAME``.

    Raises:
        UnknownNode: there is no such node or area.
        ConfigError: the area has no keys to seal with.
    """
    if not name.startswith(AREA_PREFIX):
        return Target(book.find(name))
    area = book.find_area(name.removeprefix(AREA_PREFIX))
    area.keys()
    return Target(book.self_node, area)


def send_echo(
    spool: Spool,
    own: PrivateKeys,
    route: Route,
    plain: PlainHeader,
    message: Iterable[bytes | memoryview],
    *,
    nice: int,
    rng: Random = os.urandom,
) -> SealedPacket:
    """Pass a message of an area on to a subscriber.

    Args:
        spool: gets the packet in the tx of the first hop.
        own: signs the packet; the message keeps its author's signature.
        route: the subscriber.
        plain: the plain header of the packet that brought the message.
        message: the sealed message, in pieces; an error it raises comes through and nothing is queued.
        nice: niceness of the packet.
        rng: cryptographic randomness.

    Raises:
        StoreError: the disk refused; no packet was made.
    """
    return post_to(spool, own, route, rng)(Outside(nice), plain, message)
