"""What can never be delivered as it came, kept for a person to look at.

``ID.batch`` is the payload, ``ID.txt`` says who sent it, when, in which packet and what is wrong with it.
The id comes from the sender, the handle and the content, so the same payload that comes again and
again is kept once. All of it together is bounded: when it is full, packets stay where they are.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import Disk, store_errors
from gateway.errors import GatewayError, StoreFull
from gateway.ids import NodeId, PacketId
from gateway.message.header import rfc5322_date
from gateway.msgqueue.payload import Payload

DIRECTORY_NAME = "quarantine"
DIRECTORY_MODE = 0o750
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Source:
    """Where a payload came from.

    Args:
        sender: the node that made the packet.
        sender_name: its name here.
        packet: the packet, if our own tosser opened it; it was authenticated to its last byte then.
        handle: the handle it was for.
        args: the arguments behind the handle.
        author: of a message of an area, if the signature was checked.
    """

    sender: NodeId
    sender_name: str
    packet: PacketId | None
    handle: str
    args: tuple[bytes, ...] = ()
    author: NodeId | None = None

    @property
    def answerable(self) -> NodeId:
        """The node, or else the area, whose rights count."""
        return self.author or self.sender


class Quarantine:
    """The directory of what was set aside.

    Args:
        directory: made when it is needed.
        staging: where files are written first; must exist, on the same file system.
        disk: how files are written.
        limit_bytes: of all payloads together.
    """

    def __init__(self, directory: Path, staging: Path, disk: Disk, limit_bytes: int) -> None:
        self.directory = directory
        self._staging = staging
        self._disk = disk
        self._limit_bytes = limit_bytes

    def keep(self, payload: Payload, source: Source, why: GatewayError, wall_seconds: float) -> str:
        """Set a payload aside, durably; one that is there already stays as it is.

        Returns:
            Its id.

        Raises:
            StoreFull: the quarantine is full.
            StoreError: the disk refused.
        """
        name = id_of(payload.digest, source)
        batch, record = self.directory / f"{name}.batch", self.directory / f"{name}.txt"
        self._disk.make_directories(self.directory, DIRECTORY_MODE)
        with store_errors(self.directory, "look into"):
            is_kept, is_recorded = batch.exists(), record.exists()
            if not is_kept:
                used_bytes = sum(path.stat().st_size for path in self.directory.glob("*.batch"))
                if used_bytes + payload.size_bytes > self._limit_bytes:
                    raise StoreFull(
                        f"{self.directory} holds {used_bytes} bytes, {self._limit_bytes} are allowed: look at"
                        " what is there and remove it"
                    )
        if not is_kept:
            payload.move(batch)
        if not is_recorded:
            text = _record(payload, source, why, wall_seconds).encode("utf-8")
            with Payload(self._disk, self._staging) as written:
                written.fill([text], len(text), _has_room)
                written.move(record)
        return name


def _has_room(_size_bytes: int) -> None:
    """A record is small: it may touch the reserve."""


def id_of(digest: bytes, source: Source) -> str:
    """The id of a payload.

    Args:
        digest: of its content, as ``Payload`` has it.
        source: where it came from.
    """
    key = b"\0".join((source.handle.encode("utf-8"), *source.args))
    return hashlib.blake2b(source.sender.raw + digest + key, digest_size=ID_BYTES).hexdigest()


def _record(payload: Payload, source: Source, why: GatewayError, wall_seconds: float) -> str:
    arguments = " ".join(ascii(arg.decode("utf-8", "backslashreplace")) for arg in source.args)
    fields = {
        "Date": rfc5322_date(wall_seconds),
        "Node": source.sender_name,
        "Node-Id": source.sender.text,
        "Author-Id": "" if source.author is None else source.author.text,
        "Packet": "" if source.packet is None else source.packet.text,
        "Handle": source.handle,
        "Arguments": arguments,
        "Size": str(payload.size_bytes),
        "Status": why.status,
        "Why": str(why),
    }
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in fields.items() if value)
