"""The end of a channel feed of INN: lines that name articles come in, the articles go to the queue of news.

A line passes these states; each says what is on disk when the step is done::

    in the pipe nothing: what innd wrote and nobody read is lost if whoever holds the pipe is gone
    in the part the line, moved there by the kernel: a program that is killed loses nothing
    (kept)      a file of lines in the directory, synced
    (fetched)   its articles went through ``sm``, and were taken in: on disk in the queue
    done        the file of lines is removed

Lines are kept by a thread of their own, a moment after innd wrote them. Whatever stops
the program after that, files are done when it is started again; an article that was taken in before
the file was removed is known then by its Message-ID.

Contract: when innd starts the next program while one is still at its last lines, both keep theirs, and one of
them at a time does what is kept.
"""

import contextlib
import logging
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError, StoreBusy
from gateway.ingest.channel_lines import SUFFIX, LineKeeper
from gateway.msgqueue.lock import StageLock

TOKENS_AT_ONCE = 200
"""Articles of one batch."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
LOCK_NAME = "channel.lock"
LOCK_POLL_SECONDS = 0.2
LOOK_SECONDS = 10.0
"""Another program may keep lines, and have to leave them to the one that is at work."""
SAID_CHARS = 500

HandOver = Callable[[int], int]
"""Hands a batch, read from a descriptor, to the queue of news; returns an exit status."""

_TOKEN = re.compile(r"@[0-9A-Fa-f]+@")
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

    def run(self, fd: int) -> bool:
        """Keep and do the lines that come, to their end.

        Args:
            fd: where they come.

        Returns:
            Whether all is done; False: what is left is done at the next start.

        Raises:
            StoreError: lines could not be kept.
        """
        keeper = LineKeeper(fd, self._settings.directory, self._disk)
        reader = threading.Thread(target=self._keep_all, args=(keeper,), name="lines", daemon=True)
        reader.start()
        is_done = True
        with contextlib.ExitStack() as stack:
            if self._wait_turn(stack):
                is_done = self._do_all(keeper)
        reader.join()
        if self._fault is not None:
            raise self._fault
        return is_done

    def _wait_turn(self, stack: contextlib.ExitStack) -> bool:
        """Wait until no other program does what stands in the directory; False: it has done all of ours."""
        while True:
            try:
                stack.enter_context(StageLock(self._settings.directory / LOCK_NAME))
            except StoreBusy:
                if self._ended.wait(LOCK_POLL_SECONDS) and not self._files():
                    return False
                if self._ended.is_set():
                    time.sleep(LOCK_POLL_SECONDS)
            else:
                return True

    def _do_all(self, keeper: LineKeeper) -> bool:
        """Do files of lines until the lines have ended; whether all is done."""
        wait_seconds = 0.0
        while True:
            is_ended = self._ended.is_set()
            self._woken.clear()
            keeper.take_over()
            is_done = all(map(self._do, self._files()))
            if is_ended:
                return is_done
            if is_done:
                wait_seconds = 0.0
                self._woken.wait(LOOK_SECONDS)
            else:
                wait_seconds = min(LONGEST_WAIT_SECONDS, max(FIRST_WAIT_SECONDS, 2 * wait_seconds))
                self._ended.wait(wait_seconds)

    def _keep_all(self, keeper: LineKeeper) -> None:
        try:
            for _ in keeper.keep_all():
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
        # What was cut, or is a command of innd, is no token.
        tokens = [found[0] for found in words if found and _TOKEN.fullmatch(found[0])]
        starts = range(0, len(tokens), TOKENS_AT_ONCE)
        if not all(self._take(tokens[start : start + TOKENS_AT_ONCE]) for start in starts):
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


def _present(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("internal error: the command was started without pipes")
    return pipe
