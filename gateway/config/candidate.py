"""A new content of a configuration file: written beside it, checked there, then put in its place."""

import os
from pathlib import Path
from typing import Self

from gateway.durable import Disk, store_errors

BACKUP_SUFFIX = ".bak"


class Candidate:
    """A new content of a file, written beside it; it takes the file's place or goes away.

    Args:
        disk: how files are changed.
        path: the file.
        text: its new content.
    """

    def __init__(self, disk: Disk, path: Path, text: str) -> None:
        self._disk = disk
        self._final = path
        self._text = text
        self.path = path.with_name(f".{path.name}.{os.getpid()}.new")

    def __enter__(self) -> Self:
        status = self._final.stat()
        self._mode = status.st_mode & 0o7777
        self._file = self._disk.create(self.path, self._mode)
        with store_errors(self.path, "set the owner of"):
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(self._file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(self._file.fileno(), self._mode)
        self._file.write(self._text.encode())
        self._file.sync()
        return self

    def take(self, old_text: str) -> None:
        """Put the new content in place, unless it is the old one; the old one stays as a backup."""
        if self._text != old_text:
            backup = self._final.with_name(self._final.name + BACKUP_SUFFIX)
            self._disk.write_file(backup, old_text.encode(), self._mode)
            self._file.commit(self._final)

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)
