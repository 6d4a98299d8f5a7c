"""The only module that creates, syncs, renames and removes files (SQLite's own files aside).

Contract: when a call returns, its effect survives a power cut, unless the ``Disk`` was told
not to sync. A file becomes visible under its final name only after its content is synced, and
the rename counts only after the directory is synced. Each call first announces itself to
``hook``: a test stops the program there, or raises the ``OSError`` of a full disk.

Every ``OSError`` leaves as a ``StoreError`` that names the path.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.errors import StoreError, StoreFull

FILE_MODE = 0o666
"""As Go NNCP creates files: the umask decides, so that a spool can be shared by a group."""

DIRECTORY_MODE = 0o777

WRITEBACK_BYTES = 8 * 1024 * 1024
"""After so much of a new file the disk begins to write it."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a file system without hard links (FAT, some network ones) answers."""

Hook = Callable[[str, Path], None]
Parallel = Callable[[Callable[[Path], StoreError | None], Iterable[Path]], Iterable[StoreError | None]]


def _ignore(_step: str, _path: Path) -> None:
    """Stand in when nobody watches."""


@contextlib.contextmanager
def store_errors(path: Path, what: str) -> Iterator[None]:
    """Turn an ``OSError`` into a ``StoreError`` that says what was tried on which path.

    Raises:
        StoreFull: no space, quota reached, or the file system's size limit for one file.
        StoreError: any other refusal.
    """
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in _FULL else StoreError
        raise kind(f"cannot {what} {path}: {error.strerror or error}") from error


class _OpenFile:
    """A file that is open for writing at its end.

    Args:
        disk: where the steps are announced and whether to sync.
        path: its name.
        flags: for opening it, besides those that every file here has.
        mode: permission bits before the umask.
    """

    def __init__(self, disk: "Disk", path: Path, flags: int, mode: int = FILE_MODE) -> None:
        self.path = path
        self.size_bytes = 0
        self._begun_bytes = 0
        self._disk = disk
        self._fd: int | None = os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)

    def fileno(self) -> int:
        """The open descriptor, for flock or for reading back."""
        if self._fd is None:
            raise AssertionError("internal error: the file is closed")
        return self._fd

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append all of ``data``, or raise StoreError."""
        view = memoryview(data)
        with store_errors(self.path, "write"):
            self._disk.hook("write", self.path)
            while view:
                written_bytes = os.pwrite(self.fileno(), view, self.size_bytes)
                self.size_bytes += written_bytes
                view = view[written_bytes:]
        if self.size_bytes - self._begun_bytes >= WRITEBACK_BYTES:
            self._begin_writeback()

    def close(self) -> None:
        """Close the descriptor; does not decide whether the file stays."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def _begin_writeback(self) -> None:
        """Let the disk begin with what was written, so that a sync at the end finds little to do."""
        begun_bytes, self._begun_bytes = self._begun_bytes, self.size_bytes
        if self._disk.is_syncing:
            with contextlib.suppress(OSError):
                # Starts the writing, and drops from memory only what is on the disk already.
                os.posix_fadvise(
                    self.fileno(), begun_bytes, self.size_bytes - begun_bytes, os.POSIX_FADV_DONTNEED
                )


class NewFile(_OpenFile):
    """A file being written; it has no meaning until it was committed under its final name.

    Leaving the ``with`` block without ``commit`` removes it.

    Args:
        disk: where the steps are announced and whether to sync.
        path: the temporary name; must not exist.
        mode: permission bits before the umask.
    """

    def __init__(self, disk: "Disk", path: Path, mode: int = FILE_MODE) -> None:
        with store_errors(path, "create"):
            disk.hook("create", path)
            super().__init__(disk, path, os.O_EXCL, mode)
        self._is_kept = False

    def sync(self) -> None:
        """Force the content to the disk."""
        with store_errors(self.path, "sync"):
            self._disk.hook("sync", self.path)
            if self._disk.is_syncing:
                os.fsync(self.fileno())

    def keep(self) -> None:
        """Leave the synced file under its temporary name, for ``Disk.rename`` later."""
        self.sync()
        self._is_kept = True
        self.close()

    def commit(self, final: Path) -> None:
        """Sync, then rename to ``final`` (replacing what is there) and sync the directory."""
        self.keep()
        try:
            self._disk.rename(self.path, final)
        except StoreError:
            self.discard()
            raise

    def discard(self) -> None:
        """Close and remove, as if it had never been."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_kept:
            self.close()
        else:
            self.discard()


class PartFile(_OpenFile):
    """A file that grows, and keeps what it has when its writer stops; nothing of it is synced unasked.

    Args:
        disk: where the steps are announced.
        path: its name; made if it is missing.
        offset_bytes: what stays of it: the rest is cut off, and the next bytes go there.
    """

    def __init__(self, disk: "Disk", path: Path, offset_bytes: int) -> None:
        with store_errors(path, "open"):
            disk.hook("open", path)
            super().__init__(disk, path, os.O_NOFOLLOW | os.O_NONBLOCK)
        self.size_bytes = self._begun_bytes = offset_bytes
        try:
            self._cut_off()
        except StoreError:
            self.close()
            raise

    def _cut_off(self) -> None:
        with store_errors(self.path, "resume"):
            size_bytes = os.fstat(self.fileno()).st_size
            if size_bytes < self.size_bytes:
                raise StoreError(f"{self.path} has {size_bytes} bytes, and had {self.size_bytes}")
            if size_bytes > self.size_bytes:
                self._disk.hook("truncate", self.path)
                os.ftruncate(self.fileno(), self.size_bytes)


class Disk:
    """What changes files durably.

    Args:
        is_syncing: False skips every fsync (NNCPNOSYNC): fast, and unsafe at a power cut.
        hook: called with the name of a step and its path before each step.
    """

    def __init__(self, *, is_syncing: bool = True, hook: Hook = _ignore) -> None:
        self.is_syncing = is_syncing
        self.hook = hook

    def create(self, path: Path, mode: int = FILE_MODE) -> NewFile:
        """Open a new file for writing; it must not exist.

        Raises:
            StoreError: it exists, or the directory refuses.
        """
        return NewFile(self, path, mode)

    def write_file(self, path: Path, data: bytes, mode: int = FILE_MODE) -> None:
        """Put a whole small file in place, by way of ``.NAME.new`` beside it."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        with store_errors(temporary, "remove"):
            temporary.unlink(missing_ok=True)
        with self.create(temporary, mode) as new:
            new.write(data)
            new.commit(path)

    def touch(self, path: Path) -> None:
        """Make an empty marker file exist."""
        with store_errors(path, "create"):
            self.hook("touch", path)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        self.sync_directory(path.parent)

    def symlink(self, target: Path, link: Path) -> None:
        """Make a symbolic link; what stands there already stays. Not synced: a convenience."""
        with store_errors(link, "link"):
            self.hook("symlink", link)
            with contextlib.suppress(FileExistsError):
                link.symlink_to(target)

    def rename(self, source: Path, target: Path) -> None:
        """Rename within one file system and sync the directories concerned."""
        self._rename(source, target)
        self.sync_directory(target.parent)
        if source.parent != target.parent:
            self.sync_directory(source.parent)

    def open_part(self, path: Path, offset_bytes: int = 0) -> PartFile:
        """Open a file that grows, and is kept when its writer stops; see PartFile."""
        return PartFile(self, path, offset_bytes)

    def sync_files(
        self, paths: Sequence[Path], in_parallel: Parallel, sync_all: Callable[[], bool] | None = None
    ) -> list[StoreError | None]:
        """Force the content of several files to the disk, not through links.

        Args:
            paths: the files.
            in_parallel: such as ``Executor.map``: several that are synced at a time wait only once.
            sync_all: such as ``FileSystem.sync``; says whether it has synced whatever was written.

        Returns:
            For each file what failed, or None.
        """
        if sync_all is not None and self.is_syncing and sync_all():
            return [None] * len(paths)
        return list(in_parallel(lambda path: _failure_of(partial(self.sync_file, path)), paths))

    def rename_together(self, pairs: Sequence[tuple[Path, Path]]) -> list[StoreError | None]:
        """Rename several files, each from an old name to a new one, and sync their directories once.

        Returns:
            For each pair what failed, or None.

        Raises:
            StoreError: a directory could not be synced: no rename counts.
        """
        failures = [_failure_of(partial(self._rename, *pair)) for pair in pairs]
        self._sync_parents(path for pair in pairs for path in reversed(pair))
        return failures

    def remove_together(self, paths: Sequence[Path]) -> list[StoreError | None]:
        """Remove several files, and sync their directories once; what is gone already is no error.

        Returns:
            For each file what failed, or None. Raises StoreError if a directory could not be synced.
        """
        failures = [_failure_of(partial(self.remove, path, is_synced=False)) for path in paths]
        self._sync_parents(paths)
        return failures

    def rename_new(self, source: Path, target: Path) -> bool:
        """Rename within one directory, but never over something.

        Where the file system has hard links nobody can slip in between; elsewhere there is a moment
        in which a file that another process just made would be replaced.

        Returns:
            Whether the name was free; if not, nothing changed.
        """
        with store_errors(target, "rename to"):
            self.hook("rename", target)
            try:
                os.link(source, target, follow_symlinks=False)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(target):
                    return False
                source.rename(target)
            else:
                self.hook("unlink", source)
                source.unlink()
        self.sync_directory(target.parent)
        return True

    def remove(self, path: Path, *, is_synced: bool = True) -> None:
        """Remove a file; one that is gone already is no error.

        Args:
            path: the file.
            is_synced: False where a removal that a crash undoes does no harm.
        """
        with store_errors(path, "remove"):
            self.hook("remove", path)
            path.unlink(missing_ok=True)
        if is_synced:
            self.sync_directory(path.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove a file, or a directory with all that is in it; not synced: nobody refers to it."""
        with store_errors(path, "remove"):
            self.hook("remove-tree", path)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def make_directories(self, path: Path, mode: int = DIRECTORY_MODE) -> None:
        """Create a directory and its missing parents, each entry synced in its parent."""
        if path.is_dir():
            return
        if path.parent != path:
            self.make_directories(path.parent, mode)
        with store_errors(path, "create directory"):
            self.hook("mkdir", path)
            try:
                path.mkdir(mode)
            except FileExistsError:
                if path.is_dir():
                    return
                raise
        self.sync_directory(path.parent)

    def sync_file(self, path: Path) -> None:
        """Force the content of a file that somebody else wrote to the disk; not through a link."""
        with store_errors(path, "sync"):
            self.hook("sync", path)
            self._force(path, os.O_NOFOLLOW | os.O_NONBLOCK)

    def sync_directory(self, path: Path) -> None:
        """Force a directory's entries to the disk."""
        with store_errors(path, "sync directory"):
            self.hook("sync-directory", path)
            self._force(path, os.O_DIRECTORY)

    def _force(self, path: Path, flags: int) -> None:
        if self.is_syncing:
            fd = os.open(path, flags | os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _sync_parents(self, paths: Iterable[Path]) -> None:
        for directory in dict.fromkeys(os.path.dirname(path) for path in paths):  # noqa: PTH120 - thousands
            self.sync_directory(Path(directory))

    def _rename(self, source: Path, target: Path) -> None:
        with store_errors(target, "rename to"):
            self.hook("rename", target)
            os.rename(source, target)  # noqa: PTH104 - of thousands; a Path would make another


def _failure_of(step: Callable[[], None]) -> StoreError | None:
    try:
        step()
    except StoreError as error:
        return error
    return None


def free_bytes(path: Path) -> int:
    """Bytes that an unprivileged process may still write to the file system of ``path``."""
    with store_errors(path, "stat the file system of"):
        figures = os.statvfs(path)
    return figures.f_bavail * figures.f_frsize
