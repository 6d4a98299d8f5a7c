"""Putting a received file into a neighbour's incoming directory.

    nncpfilePACKET (written) ──→ synced ──→ NAME, or NAME.0, NAME.1 ... ──→ directory synced

Contract: a file has its name only when it is whole and synced; a name that is taken is never
replaced; directories made on the way are synced in their parents. The temporary lies in the final
directory and is named after the packet: what a stop left behind is removed by the next toss of it.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from gateway.durable import Disk, NewFile
from gateway.errors import StoreError
from gateway.ids import PacketId
from gateway.toss.inside import HERE, Traversal, relative_name, resolve_inside
from gateway.write_behind import write_behind

TEMPORARY_PREFIX = "nncpfile"
NAME_LIMIT_COUNT = 1_000_000


class Incoming:
    """One incoming directory.

    Args:
        root: the directory; is made when the first file comes.
        disk: what changes files.
    """

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk

    def place(self, path: bytes) -> Path:
        """Where a file is to lie, if its name is free.

        Args:
            path: the destination that the packet names.

        Raises:
            PacketError: it is absolute, or can't be a path.
            Traversal: it is not below the directory.
        """
        name = relative_name(path, "destination")
        if name == HERE:
            raise Traversal(f"incoming path traversal: {os.fsdecode(path)!r} is the directory itself")
        directory, _, base = name.rpartition(b"/")
        return resolve_inside(self._root, directory or HERE, "incoming") / os.fsdecode(base)

    def put(self, place: Path, packet: PacketId, content: Iterable[bytes | memoryview]) -> Path:
        """Write a file and give it its name.

        Args:
            place: where, as ``place`` said.
            packet: the packet that brought it.
            content: in pieces; an error it raises comes through, and no file is made.

        Returns:
            Its path, which differs from ``place`` if that was taken.

        Raises:
            StoreError: the disk refused.
        """
        self._disk.make_directories(place.parent)
        temporary = place.with_name(TEMPORARY_PREFIX + packet.text)
        if os.path.lexists(temporary):
            self._disk.remove(temporary, is_synced=False)
        with self._disk.create(temporary) as new:
            write_behind(content, new.write)
            return commit_new(self._disk, new, place)


def commit_new(disk: Disk, new: NewFile, place: Path) -> Path:
    """Sync a file and give it a name, or the name with the first free number behind it.

    Args:
        disk: what changes files.
        new: the whole file, in the directory of ``place``.
        place: the name.

    Returns:
        Its path.

    Raises:
        StoreError: the disk refused; the file is gone.
    """
    new.keep()
    try:
        if disk.rename_new(new.path, place):
            return place
        for number in range(NAME_LIMIT_COUNT):
            numbered = place.with_name(f"{place.name}.{number}")
            if not os.path.lexists(numbered) and disk.rename_new(new.path, numbered):
                return numbered
        raise StoreError(f"{place}: this name is taken, with each number behind it")
    except StoreError:
        new.discard()
        raise
