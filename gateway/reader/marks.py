"""Numbers of articles that may have been given out: a small file that outlives the database.

Contract: the file is on disk before a number above what it says is. So a database that is begun anew goes on
behind all numbers that newsreaders may have seen. Numbers are set aside by the thousand, since the file is
written anew each time. ``reserve`` is called in a transaction that writes, which keeps other processes out.
"""

from collections.abc import Mapping
from pathlib import Path

from gateway.durable import Disk, store_errors

FILE_NAME = "marks"
SET_ASIDE_COUNT = 1000


class Marks:
    """The file.

    Args:
        directory: of the store.
        disk: how files are changed.

    Raises:
        StoreError: it can't be read.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._path = directory / FILE_NAME
        self._disk = disk
        self._last = self.read()

    def reserve(self, numbers: Mapping[str, int]) -> None:
        """Make sure that numbers are never given again.

        Args:
            numbers: the highest one by group.

        Raises:
            StoreError: the disk refused: they must not be used.
        """
        if all(number <= self._last.get(group, 0) for group, number in numbers.items()):
            return
        last = self.read()
        for group, number in numbers.items():
            if number > last.get(group, 0):
                last[group] = number + SET_ASIDE_COUNT
        lines = (f"{group} {number}\n" for group, number in sorted(last.items()))
        self._disk.write_file(self._path, "".join(lines).encode())
        self._last = last

    def read(self) -> dict[str, int]:
        """The highest number that may have been given, by group.

        Raises:
            StoreError: the file can't be read.
        """
        with store_errors(self._path, "read"):
            try:
                text = self._path.read_text("utf-8", "replace")
            except FileNotFoundError:
                return {}
        words = (line.rpartition(" ") for line in text.splitlines())
        return {group: int(number) for group, _, number in words if group and number.isdecimal()}
