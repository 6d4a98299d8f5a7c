"""What a program has written and not yet synced, at each of its system calls, as strace tells it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from tests.support.peers import require

CALLS = (
    "openat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "write,writev,pwrite64,pwritev,sendto,sendmsg,read,recvfrom,recvmsg,fsync,fdatasync,syncfs,exit_group"
)
TEXT_CHARS = 400

_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_UNFINISHED = " <unfinished ...>"
_CALL = re.compile(r"^(\w+)\((.*)\) += (\S+)")
_PATH = re.compile(r"^(?:AT_FDCWD|\d+)?<([^>]*)>")
_WRITES = frozenset({"write", "writev", "pwrite64", "pwritev"})
_NAMES = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that came to its end.

    Args:
        name: of the call.
        words: its arguments as strace writes them.
        result: as strace writes it.
        begun: the number of the line on which it began.
    """

    name: str
    words: str
    result: str
    begun: int

    @property
    def names(self) -> tuple[str, ...]:
        """What stands in quotes: of a rename the old name and the new one."""
        return tuple(_NAMES.findall(self.words))

    @property
    def path(self) -> str:
        """Of the file that the first argument is open on; "" for none."""
        found = _PATH.match(self.words)
        return found[1] if found else ""


def strace_argv(trace: Path) -> list[str]:
    """What stands in front of a command line that is to be watched."""
    return [require("strace"), "-f", "-y", "-s", str(TEXT_CHARS), "-e", f"trace={CALLS}", "-o", str(trace)]


class Unsynced:
    """Follows the calls of a program.

    Attributes:
        written: files whose bytes may not be on disk, with the number of the line that changed them last.
        named: files whose names may not be on disk, with the number of the line that made them.
        synced_count: syncs so far.

    Args:
        root: what is watched; nothing else counts. To be made before the program starts.
        passed_over: ends of names that need not be on disk.
    """

    def __init__(self, root: Path, passed_over: tuple[str, ...]) -> None:
        self.written: dict[str, int] = {}
        self.named: dict[str, int] = {}
        self.synced_count = 0
        self._root = str(root)
        self._passed_over = passed_over
        self._known = {str(path) for path in root.rglob("*")}

    def follow(self, trace: Path) -> Iterator[Call]:
        """Each call in turn, before what it does is counted."""
        begun: dict[str, tuple[str, int]] = {}
        for number, line in enumerate(trace.read_text(errors="replace").splitlines()):
            match = _LINE.match(line)
            if match is None:
                continue
            process, rest = match.groups()
            if rest.endswith(_UNFINISHED):
                begun[process] = rest.removesuffix(_UNFINISHED), number
                continue
            resumed = _RESUMED.match(rest)
            head, first = begun.pop(process) if resumed else ("", number)
            found = _CALL.match(head + resumed[2] if resumed else rest)
            if found is not None:
                call = Call(found[1], found[2], found[3], first)
                yield call
                self._take(call, number)

    def _take(self, call: Call, number: int) -> None:
        if call.result.startswith("-"):
            return
        if call.name in {"fsync", "fdatasync"}:
            self._sync(call)
        elif call.name == "syncfs":
            self._sync_all(call)
        elif call.name in _WRITES and self._counts(call.path):
            self.written[call.path] = number
        elif call.name.startswith(("rename", "link")):
            old, new = call.names[:2]
            self._name(new, number)
            if old in self.written:
                self.written[new] = self.written[old]
            if call.name.startswith("rename"):
                self._forget(old)
        elif call.name == "openat" and "O_CREAT" in call.words:
            self._name(call.names[0], number)
        elif call.name.startswith("unlink"):
            self._forget(call.names[0])

    def _sync(self, call: Call) -> None:
        # What came while the sync was under way may not be part of it.
        if self.written.get(call.path, call.begun) < call.begun:
            del self.written[call.path]
        for name, made in list(self.named.items()):
            if made < call.begun and str(PurePath(name).parent) == call.path:
                del self.named[name]
        self.synced_count += self._counts(call.path)

    def _sync_all(self, call: Call) -> None:
        for kept in (self.written, self.named):
            for path, number in list(kept.items()):
                if number < call.begun:
                    del kept[path]
        self.synced_count += 1

    def _name(self, name: str, number: int) -> None:
        if name not in self._known and self._counts(name):
            self.named[name] = number
        self._known.add(name)

    def _forget(self, name: str) -> None:
        self._known.discard(name)
        self.named.pop(name, None)
        self.written.pop(name, None)

    def _counts(self, path: str) -> bool:
        return path.startswith(self._root) and not path.endswith(self._passed_over)
