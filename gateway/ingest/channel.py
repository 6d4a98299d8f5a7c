"""The end of a channel feed of INN: lines that name articles come in, the articles go to the queue of news.

A line passes these states; each says what is on disk when the step is done::

    read        nothing: what innd wrote and nobody read is lost if this program is killed
    (kept)      a file of lines in the directory, synced
    (fetched)   its articles went through ``sm``, and were taken in: on disk in the queue
    done        the file of lines is removed

Lines are read by a thread of their own, so that they are kept a moment after innd wrote them. Whatever stops
the program after that, files are done when it is started again; an article that was taken in before
the file was removed is known then by its Message-ID.

Contract: when innd starts the next program while one is still at its last lines, both keep theirs; the next
does nothing with them before the first has ended.
"""

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError, StoreBusy
from gateway.msgqueue.lock import StageLock

SUFFIX = ".lines"
LINES_PER_FILE = 200
READ_BYTES = 1 << 16
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
LOCK_NAME = "channel.lock"
LOCK_POLL_SECONDS = 0.2
TOKEN_MARK = "@"  # noqa: S105 - a mark of INN's storage tokens
SAID_CHARS = 500

HandOver = Callable[[int], int]
"""Hands a batch, read from a descriptor, to the queue of news; returns an exit status."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How the channel works.

    Args:
        directory: for files of lines; made if it is missing.
        command: the words that start ``sm``.
    """

    directory: Path
    command: tuple[str, ...]


class Channel:
    """Does what lines ask for.

    Args:
        settings: how.
        disk: how files are written.
        hand_over: takes a batch in.
    """

    def __init__(self, settings: ChannelSettings, disk: Disk, hand_over: HandOver) -> None:
        self._settings = settings
        self._disk = disk
        self._hand_over = hand_over
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._fault: Exception | None = None
        disk.make_directories(settings.directory)

    def run(self, lines: Iterator[Sequence[str]]) -> bool:
        """Keep and do the lines, to their end.

        Args:
            lines: groups of them, each as it was read.

        Returns:
            Whether all is done; False: what is left is done at the next start.

        Raises:
            StoreError: lines could not be kept.
        """
        reader = threading.Thread(target=self._keep_all, args=(lines,), name="lines", daemon=True)
        reader.start()
        with _alone(self._settings.directory):
            is_done = self._do_all()
        reader.join()
        if self._fault is not None:
            raise self._fault
        return is_done

    def _do_all(self) -> bool:
        """Do files of lines until the lines have ended; whether all is done."""
        wait_seconds = 0.0
        while True:
            is_ended = self._ended.is_set()
            self._woken.clear()
            is_done = all(map(self._do, self._files()))
            if is_ended:
                return is_done
            if is_done:
                wait_seconds = 0.0
                self._woken.wait()
            else:
                wait_seconds = min(LONGEST_WAIT_SECONDS, max(FIRST_WAIT_SECONDS, 2 * wait_seconds))
                self._ended.wait(wait_seconds)

    def _keep_all(self, lines: Iterator[Sequence[str]]) -> None:
        try:
            for group in lines:
                # In the order of time; another program at work there has another number.
                name = f"{time.time_ns():020d}{os.getpid():010d}{SUFFIX}"
                path = self._settings.directory / name
                self._disk.write_file(path, "".join(f"{line}\n" for line in group).encode("ascii", "replace"))
                self._woken.set()
        except Exception as error:  # noqa: BLE001 - told by the thread that waits for this one
            self._fault = error
        finally:
            self._ended.set()
            self._woken.set()

    def _files(self) -> list[Path]:
        with store_errors(self._settings.directory, "list"):
            return sorted(
                path for path in self._settings.directory.glob(f"*{SUFFIX}") if path.stem.isdecimal()
            )

    def _do(self, path: Path) -> bool:
        """Take in what a file of lines names; False: it is to be tried again."""
        with store_errors(path, "read"):
            words = [line.split() for line in path.read_text("ascii", "replace").splitlines()]
        tokens = [found[0] for found in words if found and found[0].startswith(TOKEN_MARK)]
        if tokens and not self._take(tokens):
            return False
        self._disk.remove(path)
        return True

    def _take(self, tokens: Sequence[str]) -> bool:
        try:
            # The tokens are an argument each: innd makes them, and they begin with a mark.
            child = subprocess.Popen(
                [*self._settings.command, "-S", *tokens],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            raise ConfigError(f"cannot start {self._settings.command[0]}: {error.strerror}") from None
        with child:
            said: list[bytes] = []
            ear = threading.Thread(target=lambda: said.append(_present(child.stderr).read()), daemon=True)
            ear.start()
            status = self._hand_over(_present(child.stdout).fileno())
            _present(child.stdout).close()
            child.wait()
            ear.join()
        return self._is_taken(status, child.returncode, b"".join(said).decode("utf-8", "replace"), tokens)

    def _is_taken(self, status: int, sm_status: int, said: str, tokens: Sequence[str]) -> bool:
        if status != 0:
            _LOG.warning("articles were not taken in, and are tried again: exit status %d", status)
            return False
        lines = said.splitlines()
        # It ends with 1 for an article that is gone, and names it; anything else is a fault.
        if sm_status == 0 or (lines and all(any(token in line for token in tokens) for line in lines)):
            if lines:
                _LOG.info("%d articles are gone from the news server's store", len(lines))
            return True
        _LOG.warning("sm failed with %d, and is tried again: %s", sm_status, " ".join(lines)[:SAID_CHARS])
        return False


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Wait until no other program does what stands in a directory."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(StageLock(directory / LOCK_NAME))
            except StoreBusy:
                time.sleep(LOCK_POLL_SECONDS)
                continue
            yield
            return


def read_lines(fd: int) -> Iterator[list[str]]:
    """Read a descriptor to its end; yields the lines that came together, at most so many at a time."""
    rest = b""
    while data := os.read(fd, READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for start in range(0, len(lines), LINES_PER_FILE):
            yield [line.decode("ascii", "replace") for line in lines[start : start + LINES_PER_FILE]]
    if rest:
        yield [rest.decode("ascii", "replace")]


def _present(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("internal error: the command was started without pipes")
    return pipe
