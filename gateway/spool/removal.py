"""Removing what lies in a spool, as the operator selects it: packets, parts, markers, temporaries, locks.

Contract: only regular files below the spool are removed, and no link is followed. A packet goes before the
copy of its header and before the marker that names it, so that a stop in between leaves what the next
run removes. A lock that somebody holds stays. Each directory is synced once, when its files are gone.

Spec: NNCP manual, nncp-rm.
"""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.durable import Disk, store_errors
from gateway.errors import StoreBusy, StoreError
from gateway.ids import NodeId
from gateway.spool.layout import (
    ACK_DIRECTORY,
    AREA_DIRECTORY,
    HEADER_DIRECTORY,
    NOCK_SUFFIX,
    PART_SUFFIX,
    SEEN_DIRECTORY,
    Box,
    Layout,
    parse_packet_name,
)

LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class Selection:
    """What to remove of a neighbour.

    Args:
        boxes: whose packets, or with ``is_hdr`` whose copies of headers.
        is_part: received packets that are not whole.
        is_nock: received packets that nobody has checked.
        is_seen: markers of tossed packets.
        is_hdr: copies of headers.
        is_area: markers of messages of areas.
        is_ack: outbound acknowledgements that toss has made.
        packets: names of packets to remove wherever they are, instead of all else but
            acknowledgements; None: all else.
    """

    boxes: frozenset[Box] = frozenset()
    is_part: bool = False
    is_nock: bool = False
    is_seen: bool = False
    is_hdr: bool = False
    is_area: bool = False
    is_ack: bool = False
    packets: frozenset[str] | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether something less than whole boxes is meant."""
        return self.is_part or self.is_nock or self.is_seen or self.is_hdr or self.is_ack


class Remover:
    """Removes files of one spool.

    Args:
        layout: where everything lies.
        disk: what removes.
        before_seconds: only files changed before this moment go; None: all.
        is_dry_run: only tell.
        tell: told of each file that is removed.
        tell_held: told of each lock that stays because somebody holds it.
    """

    def __init__(
        self,
        layout: Layout,
        disk: Disk,
        *,
        before_seconds: float | None,
        is_dry_run: bool,
        tell: Callable[[Path], None],
        tell_held: Callable[[Path, StoreBusy], None],
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._before_seconds = before_seconds
        self._is_dry_run = is_dry_run
        self._tell = tell
        self._tell_held = tell_held

    def remove_temporaries(self) -> None:
        """Remove what is, or was, being written.

        Raises:
            StoreError: the disk refused.
        """
        self._remove_all(self._layout.temporaries, _walk(self._layout.temporaries))

    def remove_locks(self) -> None:
        """Remove the files that are locked, except those somebody holds.

        Raises:
            StoreError: the disk refused.
        """
        for path in list(_walk(self._layout.root)):
            if not path.name.endswith(LOCK_SUFFIX):
                continue
            try:
                self._remove_lock(path)
            except StoreBusy as error:
                self._tell_held(path, error)

    def remove_of(self, node: NodeId, selection: Selection) -> None:
        """Remove what was selected of one neighbour.

        Raises:
            StoreError: the disk refused.
        """
        if selection.is_ack:
            self._remove_acks(node)
        if selection.packets is not None:
            self._remove_packets(node, selection.packets)
            return
        if selection.is_part or selection.is_nock:
            self._remove_incomplete(node, selection)
        if selection.is_seen:
            self._remove_directory(self._layout.box(node, Box.RX) / SEEN_DIRECTORY)
        for box in sorted(selection.boxes):
            if selection.is_hdr:
                self._remove_directory(self._layout.box(node, box) / HEADER_DIRECTORY)
            elif not selection.is_narrow:
                self._remove_box(node, box)
        if selection.is_area:
            for path in _entries(self._layout.node(node) / AREA_DIRECTORY, is_directory=True):
                self._remove_directory(path)

    def _remove_packets(self, node: NodeId, names: Collection[str]) -> None:
        for box in Box:
            directory = self._layout.box(node, box)
            self._remove_with_headers(directory, (path for path in _entries(directory) if path.name in names))
        seen = self._layout.box(node, Box.RX) / SEEN_DIRECTORY
        self._remove_all(seen, (path for path in _entries(seen) if path.name in names))

    def _remove_incomplete(self, node: NodeId, selection: Selection) -> None:
        flags = {PART_SUFFIX: selection.is_part, NOCK_SUFFIX: selection.is_nock}
        suffixes = tuple(suffix for suffix, is_selected in flags.items() if is_selected)
        directory = self._layout.box(node, Box.RX)
        self._remove_all(directory, (path for path in _entries(directory) if path.name.endswith(suffixes)))

    def _remove_box(self, node: NodeId, box: Box) -> None:
        directory = self._layout.box(node, box)
        paths = _entries(directory)
        if box is Box.TX:
            # What has another name there is a packet that somebody is just sealing.
            paths = (path for path in paths if parse_packet_name(path.name) is not None)
        self._remove_with_headers(directory, paths)

    def _remove_acks(self, node: NodeId) -> None:
        markers = self._layout.box(node, Box.TX) / ACK_DIRECTORY
        for marker in list(_entries(markers)):
            if not self._is_old(marker):
                continue
            packet = self._find_ack(node, marker.name)
            if packet is not None:
                self._remove_with_headers(packet.parent, iter((packet,)), is_age_checked=False)
            self._remove_all(markers, iter((marker,)))

    def _find_ack(self, node: NodeId, name: str) -> Path | None:
        """The packet that a marker names: beside it, or where its way begins, if Go NNCP made the marker."""
        if parse_packet_name(name) is None:
            return None
        nodes = [self._layout.node(node), *_entries(self._layout.root, is_directory=True)]
        packets = (place / Box.TX.value / name for place in nodes)
        return next(filter(_is_file, packets), None)

    def _remove_with_headers(
        self, directory: Path, paths: Iterator[Path], *, is_age_checked: bool = True
    ) -> None:
        removed = self._remove_all(directory, paths, is_age_checked=is_age_checked)
        for name in removed:
            if not self._is_dry_run:
                self._disk.remove(directory / HEADER_DIRECTORY / name, is_synced=False)

    def _remove_directory(self, directory: Path) -> None:
        self._remove_all(directory, _entries(directory))

    def _remove_all(
        self, directory: Path, paths: Iterator[Path], *, is_age_checked: bool = True
    ) -> list[str]:
        """Remove files, sync their directory once, and return their names."""
        # The names first: a directory that is changed while it is listed may skip some.
        old = [path for path in list(paths) if not is_age_checked or self._is_old(path)]
        for path in old:
            self._tell(path)
            if not self._is_dry_run:
                self._disk.remove(path, is_synced=False)
        if old and not self._is_dry_run:
            self._disk.sync_directory(directory)
        return [path.name for path in old]

    def _remove_lock(self, path: Path) -> None:
        with store_errors(path, "open"):
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreBusy(f"{path} is held by another process") from error
            self._tell(path)
            if not self._is_dry_run:
                self._disk.remove(path)
        finally:
            os.close(fd)

    def _is_old(self, path: Path) -> bool:
        if self._before_seconds is None:
            return True
        try:
            return path.lstat().st_mtime <= self._before_seconds
        except OSError:
            return False


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _entries(directory: Path, *, is_directory: bool = False) -> Iterator[Path]:
    """The files of a directory, or its directories; none if it is missing, or a link."""
    if directory.is_symlink():
        return
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                is_wanted = entry.is_dir if is_directory else entry.is_file
                if is_wanted(follow_symlinks=False):
                    yield Path(entry.path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot list {directory}: {error.strerror}") from error


def _walk(directory: Path) -> Iterator[Path]:
    """The files of a tree; its root may be a link."""
    if directory.is_symlink():
        directory = directory.resolve()
    yield from _entries(directory)
    for below in _entries(directory, is_directory=True):
        yield from _walk(below)
