"""Sealing one packet and committing it to the spool: the last step of all that send.

Contract: the packet is in the tx of its first hop only when the post returned: written whole,
synced, renamed, its directory synced. When anything fails nothing is left of it.
"""

import os
from collections.abc import Callable, Iterable

from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.plain import PlainHeader
from gateway.spool.store import Spool
from gateway.tx.exec_packet import commit_packet
from gateway.tx.sealing import Outside, Route, SealedPacket, seal_payload

Post = Callable[[Outside, PlainHeader, Iterable[bytes | memoryview]], SealedPacket]
"""Sends a payload where it was made for: to a node, or to an area."""


def post_to(spool: Spool, own: PrivateKeys, route: Route, rng: Random = os.urandom) -> Post:
    """What sends to one node or area.

    Args:
        spool: gets the packets in the tx of the first hop.
        own: signs every layer.
        route: who gets them.
        rng: cryptographic randomness.

    Returns:
        A function that seals and commits one packet. An error that the payload raises comes through;
        TooLarge: the plain packet passes its maximal size; StoreError: the disk refused. In all
        these cases no packet was made.
    """

    def post(outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]) -> SealedPacket:
        with spool.new_temporary() as temporary:
            sealed = seal_payload(own, route, outside, plain, payload, temporary, rng)
            commit_packet(spool, sealed, temporary)
        return sealed

    return post
