"""Sealing packets and committing them to the spool: the last step of all that send.

Contract: a packet is in the tx of its first hop only when the post returned: written whole,
synced, renamed, its directory synced. When anything fails nothing is left of it. Of a group of packets
all are in tx, in their order, or none::

    adding ──→ sealed, synced, in tmp/ ──→ all are ──→ renamed into tx/, one after the other

What fails in between takes back the whole group. A stop leaves temporaries, which ``nncp-rm -tmp``
removes; only in the moment of the renames it can leave the first packets of the group without the last.
"""

import contextlib
import os
import secrets
from array import array
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gateway.durable import store_errors
from gateway.errors import StoreError
from gateway.ids import ID_BYTES, PacketId
from gateway.packet.keys import PrivateKeys, Random
from gateway.packet.plain import PlainHeader
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from gateway.tx.exec_packet import commit_packet
from gateway.tx.sealing import AreaMessage, Outside, Route, SealedPacket, seal_payload

GROUP_RANDOM_BYTES = 8


class Group(Protocol):
    """Packets that are queued together; a context manager."""

    def add(self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]) -> None:
        """Seal the next packet, without queueing it."""

    def queue_next(self) -> SealedPacket:
        """Queue the first that is not queued; after the last was added."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Post(Protocol):
    """Sends payloads where it was made for: to a node, or to an area."""

    def __call__(
        self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]
    ) -> SealedPacket:
        """Seal and queue one packet.

        Args:
            outside: niceness and size.
            plain: what the payload is.
            payload: pieces of any size; an error it raises comes through.

        Raises:
            TooLarge: the plain packet passes its maximal size.
            StoreError: the disk refused. In all these cases no packet was made.
        """

    def group(self) -> Group:
        """Begin packets that are queued together."""


def post_to(spool: Spool, own: PrivateKeys, route: Route, rng: Random = os.urandom) -> Post:
    """What sends to one node or area.

    Args:
        spool: gets the packets in the tx of the first hop.
        own: signs every layer.
        route: who gets them.
        rng: cryptographic randomness.
    """
    return _SpoolPost(spool, own, route, rng)


class _SpoolPost:
    """See ``Post``."""

    def __init__(self, spool: Spool, own: PrivateKeys, route: Route, rng: Random) -> None:
        self.spool = spool
        self.route = route
        self._own = own
        self._rng = rng

    def __call__(
        self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]
    ) -> SealedPacket:
        with self.spool.new_temporary() as temporary:
            sealed = seal_payload(self._own, self.route, outside, plain, payload, temporary, self._rng)
            commit_packet(self.spool, sealed, temporary)
        return sealed

    def stage(
        self, name: str, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]
    ) -> SealedPacket:
        """Seal a packet and leave it, synced, under a temporary's name."""
        with self.spool.new_temporary(name) as temporary:
            sealed = seal_payload(self._own, self.route, outside, plain, payload, temporary, self._rng)
            temporary.keep()
        return sealed

    def group(self) -> Group:
        return _SpoolGroup(self)


class _SpoolGroup:
    """See ``Group``; holds 40 bytes for each packet, and what it is to an area."""

    def __init__(self, post: _SpoolPost) -> None:
        self._post = post
        self._name = secrets.token_hex(GROUP_RANDOM_BYTES)
        self._packets = bytearray()
        self._plain_bytes = array("Q")
        self._messages: list[AreaMessage] = []
        self._queued_count = 0

    def add(self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]) -> None:
        sealed = self._post.stage(self._temporary_name(len(self._plain_bytes)), outside, plain, payload)
        self._packets += sealed.packet.raw
        self._plain_bytes.append(sealed.plain_total_bytes)
        if sealed.message is not None:
            self._messages.append(sealed.message)

    def queue_next(self) -> SealedPacket:
        sealed = self._sealed(self._queued_count)
        commit_packet(self._post.spool, sealed, sealed.temporary)
        self._queued_count += 1
        return sealed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        count = len(self._plain_bytes)
        if self._queued_count < count:
            # Of the one whose commit failed nobody knows how far it came.
            for number in range(self._queued_count + 1):
                self._take_back(number)
            for number in range(self._queued_count, count):
                with contextlib.suppress(StoreError):
                    self._post.spool.disk.remove(self._temporary(number), is_synced=False)

    def _take_back(self, number: int) -> None:
        spool, hop = self._post.spool, self._post.route.first_hop
        with contextlib.suppress(StoreError):
            spool.discard(hop.id, Box.TX, self._packet(number))

    def _sealed(self, number: int) -> SealedPacket:
        path = self._temporary(number)
        with store_errors(path, "read"), path.open("rb") as opened:
            header = opened.read(ENCRYPTED_HEADER_BYTES)
            size_bytes = os.fstat(opened.fileno()).st_size
        return SealedPacket(
            temporary=path,
            packet=self._packet(number),
            first_hop=self._post.route.first_hop,
            header=header,
            size_bytes=size_bytes,
            plain_total_bytes=self._plain_bytes[number],
            message=self._messages[number] if self._messages else None,
        )

    def _packet(self, number: int) -> PacketId:
        return PacketId(bytes(self._packets[number * ID_BYTES : (number + 1) * ID_BYTES]))

    def _temporary_name(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _temporary(self, number: int) -> Path:
        return self._post.spool.temporary_path(self._temporary_name(number))
