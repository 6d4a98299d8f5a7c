"""The state of the link with each neighbour: kept by whoever meets it, read by whoever asks.

    SPOOL/ID/link/history.json     what came of all sessions and attempts that are over
    SPOOL/ID/link/TOKEN.session    a session that runs: as its process told it last

Contract: readers need no lock and see whole files only, while sessions run. A session's file is locked
(flock) by its process as long as that lives; an unlocked one was left by a process that died, and is
told as such until the next one to write takes it into the history. Several sessions with one
neighbour, of several processes, may run at once. A file that is damaged costs itself and no more.

Writing never fails the session: what can't be kept is logged once. Only the end of a session and a
failed attempt wait for the disk.

The Go tools look at ``rx``, ``tx``, ``area`` and the locks of a neighbour, and pass over all else.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.ids import NodeId
from gateway.moment import ReadMoment, read_moment
from gateway.spool.layout import Layout
from gateway.spool.link_files import (
    SESSION_SUFFIX,
    lock_directory,
    open_record,
    read_record,
    read_running,
    session_paths,
)
from gateway.spool.link_record import (
    TEXT_LIMIT_CHARS,
    Attempt,
    Contact,
    Fault,
    History,
    Role,
    Running,
    Session,
    Totals,
    decode_history,
    encode_history,
    encode_running,
)

_LOG = logging.getLogger(__name__)

LINK_DIRECTORY = "link"
HISTORY_NAME = "history.json"
NEW_SUFFIX = ".new"

PROGRESS_SECONDS = 5.0
"""Between two times that a running session is told: often enough for people, and easy on a memory card."""

LEFTOVER_SECONDS = 86_400.0
"""A file that was begun so long ago will not be finished."""

_TOKEN_BYTES = 8


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is known of the link with one neighbour.

    Args:
        history: of what is over; None: nothing is known.
        sessions: those that run, and those whose process died.
        damaged: files that can't be read, and why.
    """

    history: History | None = None
    sessions: tuple[Running, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def contact(self) -> Contact | None:
        """The last time the neighbour proved to be there, sessions that run included."""
        found = [Contact(each.told, each.session.role, each.session.address) for each in self.sessions]
        if self.history is not None and self.history.contact is not None:
            found.append(self.history.contact)
        return max(found, key=lambda contact: contact.at.wall_seconds, default=None)

    @property
    def fault(self) -> Fault | None:
        """The last thing that went wrong."""
        return None if self.history is None else self.history.fault


class LinkStates:
    """The links of one spool.

    Args:
        layout: where everything lies.
        disk: what writes.
        read_now: the clocks.
        monotonic: how long a session lasts, in seconds.
    """

    def __init__(
        self,
        layout: Layout,
        disk: Disk,
        *,
        read_now: ReadMoment = read_moment,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._unsynced = Disk(is_syncing=False, hook=disk.hook)
        self._read_now = read_now
        self._monotonic = monotonic
        self._is_fault_told = False

    # Writing

    def began(self, node: NodeId, role: Role, address: str) -> "LinkSession":
        """Tell that a session runs: the neighbour has proved who it is.

        Args:
            node: the neighbour.
            role: who called.
            address: of the neighbour, as a person would write it.

        Returns:
            What the session is told by from now on; use it in a ``with`` block.
        """
        session = Session(secrets.token_hex(_TOKEN_BYTES), role, _cut(address), self._read_now())
        return LinkSession(self, node, session, self._monotonic)

    def failed(self, node: NodeId, role: Role, address: str, error: str) -> None:
        """Tell that an attempt met nobody; once for a call, whatever number of addresses it tried.

        Args:
            node: the neighbour.
            role: who called.
            address: the one tried last.
            error: why it failed, for a person.
        """
        attempt = Attempt(self._read_now(), role, _cut(address), _cut(error) or "no reason was told")
        try:
            self._change(node, lambda history: history.after_failure(attempt))
        except (StoreError, OSError) as refusal:
            self._complain(node, refusal)

    def met(self, node: NodeId, role: Role, address: str = "") -> None:
        """Tell that packets of a neighbour came another way than by a session.

        Args:
            node: the neighbour.
            role: which way.
            address: the directory, for a person.
        """
        contact = Contact(self._read_now(), role, _cut(address))
        try:
            self._change(node, lambda history: history.after_contact(contact))
        except (StoreError, OSError) as refusal:
            self._complain(node, refusal)

    # Reading

    def read(self, node: NodeId) -> LinkState:
        """What is known of one link.

        Raises:
            StoreError: the directory cannot be read; a missing one is a link nobody knows of.
        """
        damaged: list[str] = []
        history = self._read_history(node, damaged)
        sessions = tuple(running for _, running in self._sessions(node, damaged))
        return LinkState(history, tuple(sorted(sessions, key=_by_begin)), tuple(damaged))

    # For LinkSession

    def tell(self, node: NodeId, session: Session, held_fd: int | None) -> int | None:
        """Write down how a session goes on.

        Args:
            node: the neighbour.
            session: so far.
            held_fd: what this returned before.

        Returns:
            The descriptor that holds the lock of the file that now stands there.
        """
        running = Running(os.getpid(), session, self._read_now())
        try:
            fd = self._write_session(self._session_path(node, session.token), encode_running(running))
        except (StoreError, OSError) as error:
            self._complain(node, error)
            return held_fd
        _close(held_fd)
        return fd

    def close(self, node: NodeId, session: Session, held_fd: int | None) -> None:
        """Take a session that is over into the history."""
        ended = self._read_now()
        try:
            self._change(node, lambda history: history.after_session(session, ended))
            self._unsynced.remove(self._session_path(node, session.token), is_synced=False)
        except (StoreError, OSError) as error:
            self._complain(node, error)
        finally:
            _close(held_fd)

    def _directory(self, node: NodeId) -> Path:
        return self._layout.node(node) / LINK_DIRECTORY

    def _session_path(self, node: NodeId, token: str) -> Path:
        return self._directory(node) / f"{token}{SESSION_SUFFIX}"

    def _complain(self, node: NodeId, error: Exception) -> None:
        if not self._is_fault_told:
            self._is_fault_told = True
            _LOG.warning("the state of the link with %s is not kept: %s", node, error)

    def _write_session(self, path: Path, data: bytes) -> int:
        self._unsynced.make_directories(path.parent)
        with self._unsynced.create(path.with_name(f".{path.name}{NEW_SUFFIX}")) as new:
            # Locked before anybody can see it.
            with contextlib.suppress(OSError):
                fcntl.flock(new.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.write(data)
            # Shares the lock, and stays open when the file is closed.
            fd = os.dup(new.fileno())
            try:
                new.commit(path)
            except BaseException:
                os.close(fd)
                raise
        return fd

    def _change(self, node: NodeId, step: Callable[[History], History]) -> None:
        directory = self._directory(node)
        self._disk.make_directories(directory)
        with lock_directory(directory):
            history = self._read_history(node, []) or History(Totals(self._read_now()))
            for path, running in self._sessions(node, []):
                if not running.is_alive:
                    history = _with_left(history, running)
                    self._unsynced.remove(path, is_synced=False)
            self._disk.write_file(directory / HISTORY_NAME, encode_history(step(history)))
            self._sweep(directory)

    def _sweep(self, directory: Path) -> None:
        """Remove what programs that died were about to write."""
        before = self._read_now().wall_seconds - LEFTOVER_SECONDS
        for path in directory.glob(f".*{NEW_SUFFIX}"):
            if path.lstat().st_mtime < before:
                self._unsynced.remove(path, is_synced=False)

    def _read_history(self, node: NodeId, damaged: list[str]) -> History | None:
        path = self._directory(node) / HISTORY_NAME
        try:
            with open_record(path) as fd:
                return decode_history(read_record(fd, path))
        except FileNotFoundError:
            return None
        except (StoreError, OSError) as error:
            damaged.append(_said(path, error))
            return None

    def _sessions(self, node: NodeId, damaged: list[str]) -> Iterator[tuple[Path, Running]]:
        for path in session_paths(self._directory(node)):
            try:
                running = read_running(path)
            except FileNotFoundError:
                continue
            except (StoreError, OSError) as error:
                damaged.append(_said(path, error))
            else:
                yield path, running


class LinkSession:
    """A session that runs; leaving the ``with`` block without ``end`` tells that it broke off.

    Args:
        states: where it is kept.
        node: the neighbour.
        session: at its beginning.
        monotonic: in seconds.
    """

    def __init__(
        self, states: LinkStates, node: NodeId, session: Session, monotonic: Callable[[], float]
    ) -> None:
        self._states = states
        self._node = node
        self._session = session
        self._monotonic = monotonic
        self._began = self._told = monotonic()
        self._is_over = False
        self._fd = states.tell(node, session, None)

    def progress(self, received_bytes: int, sent_bytes: int, idle_seconds: float = 0.0) -> None:
        """Tell how far the session is; cheap, since it is written from time to time only.

        Args:
            received_bytes: on the wire, since its beginning.
            sent_bytes: the same.
            idle_seconds: for how long nothing has moved.
        """
        now = self._monotonic()
        if self._is_over or now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        self._note(received_bytes, sent_bytes, idle_seconds)
        self._fd = self._states.tell(self._node, self._session, self._fd)

    def end(
        self, received_bytes: int, sent_bytes: int, error: str = "", *, idle_seconds: float = 0.0
    ) -> None:
        """Tell that the session is over; only the first time counts.

        Args:
            received_bytes: on the wire, since its beginning.
            sent_bytes: the same.
            error: what ended it before its time, for a person; "": nothing.
            idle_seconds: for how long nothing had moved.
        """
        if self._is_over:
            return
        self._is_over = True
        self._note(received_bytes, sent_bytes, idle_seconds)
        self._session = replace(self._session, error=_cut(error))
        self._states.close(self._node, self._session, self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_over:
            what = "broken off" if kind is None else f"broken off: {kind.__name__}"
            self.end(self._session.received_bytes, self._session.sent_bytes, what)

    def _note(self, received_bytes: int, sent_bytes: int, idle_seconds: float) -> None:
        seconds = self._monotonic() - self._began
        self._session = replace(
            self._session,
            seconds=seconds,
            idle_seconds=min(max(idle_seconds, 0.0), seconds),
            received_bytes=received_bytes,
            sent_bytes=sent_bytes,
        )


def _with_left(history: History, running: Running) -> History:
    """A session whose process died is over; the file of one that was counted already is a leftover."""
    session = running.session
    if history.session is not None and history.session.token == session.token:
        return history
    error = f"process {running.pid} ended in the middle of the session"
    return history.after_session(replace(session, error=error), running.told)


def _by_begin(running: Running) -> float:
    return running.session.began.wall_seconds


def _said(path: Path, error: Exception) -> str:
    return f"{path}: {error.strerror if isinstance(error, OSError) else error}"


def _cut(text: str) -> str:
    return text[:TEXT_LIMIT_CHARS]


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)
