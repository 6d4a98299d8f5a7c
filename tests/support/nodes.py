"""Two or more nodes that know each other, with their spools, for tests."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import zstandard

from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.nodes import Book, Node
from gateway.packet.keys import PrivateKeys, generate_keys
from gateway.packet.plain import PlainHeader
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from tests.support.packets import open_packet


def make_books(*names: str, via: Mapping[str, tuple[str, ...]] | None = None) -> dict[str, Book]:
    """One book for each name; each knows all the others, and reaches them by ``via``."""
    keys = {name: generate_keys(os.urandom) for name in names}
    return {name: _book(name, keys, via or {}) for name in names}


def _book(own: str, keys: Mapping[str, PrivateKeys], via: Mapping[str, tuple[str, ...]]) -> Book:
    nodes = {}
    for name, its_keys in keys.items():
        label = "self" if name == own else name
        hops = tuple(keys[hop].id for hop in via.get(name, ()) if own not in {name, hop})
        nodes[label] = Node(label, its_keys.public, via=hops)
    return Book(keys[own], nodes)


def payloads_for(spool: Spool, first_hop: NodeId, reader: Book) -> Iterator[tuple[PlainHeader, bytes]]:
    """Open every exec packet that waits for ``reader`` in the tx of ``first_hop``."""
    own = reader.private_keys()
    for job in spool.jobs(first_hop, Box.TX):
        opened = open_packet(job.path.read_bytes(), own.id, own.exchprv, reader.find_keys)
        yield opened.plain, zstandard.ZstdDecompressor().decompressobj().decompress(opened.payload)


def make_spool(root: Path, disk: Disk | None = None) -> Spool:
    """An empty spool."""
    root.mkdir(parents=True, exist_ok=True)
    return Spool(root, disk or Disk(is_syncing=False))
