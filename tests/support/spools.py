"""Spools for tests, and packets that have a true header and no more."""

import os
from pathlib import Path

from gateway.durable import Disk
from gateway.ids import NodeId, PacketId
from gateway.packet.sealed import EncryptedHeader, encode_header
from gateway.spool.layout import Box
from gateway.spool.store import Spool

NODE = NodeId(bytes(range(32)))
OTHER = NodeId(bytes(range(32, 64)))


def make_header(nice: int = 96) -> EncryptedHeader:
    """A header that decodes; its signature is nonsense."""
    return EncryptedHeader(nice, OTHER, NODE, os.urandom(32), os.urandom(64))


def make_packet(nice: int = 96, body: bytes = b"body") -> bytes:
    """A file that a lister takes for a packet."""
    return encode_header(make_header(nice)) + body


def new_packet_id() -> PacketId:
    """A random name."""
    return PacketId(os.urandom(32))


def open_spool(home: Path, disk: Disk | None = None, *, nohdr: bool = False) -> Spool:
    """The spool ``home/spool``."""
    return Spool(home / "spool", disk or Disk(), nohdr=nohdr)


def commit(spool: Spool, data: bytes, box: Box = Box.TX, packet: PacketId | None = None) -> Path:
    """Queue a packet for NODE in the way a stage does."""
    temporary = spool.new_temporary()
    with temporary:
        temporary.write(data)
        return spool.commit(temporary, NODE, box, packet or new_packet_id(), data[:172], "bob")
