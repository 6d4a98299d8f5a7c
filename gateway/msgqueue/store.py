"""The queue: opens the database, takes new messages, reads bodies.

Contract: when the future of ``put`` is resolved, the message survives a power cut. A reserve
of free space is kept, because a full disk can't even delete: new messages are refused with
``StoreFull`` while it is touched. Several processes may have the queue open at once.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from gateway.durable import Disk
from gateway.errors import StoreCorrupt
from gateway.msgqueue.bodies import Bodies, StagedBody, resolved_after
from gateway.msgqueue.clock import Mark, QueueClock
from gateway.msgqueue.database import Database
from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.insertion import NO_LIMITS, SizeLimits, concerned, insert_message
from gateway.msgqueue.lock import StageLock
from gateway.msgqueue.queue_ids import new_queue_id
from gateway.msgqueue.room import Room

DATABASE_NAME = "queue.sqlite"
BODIES_NAME = "bodies"
DIRECTORY_MODE = 0o750
INLINE_BODY_BYTES = 128 << 10
"""Bodies up to this size stand in the database; SQLite reads larger blobs slower than files."""
DEFAULT_RESERVE_BYTES = 64 << 20

Result = TypeVar("Result")


class Queue:
    """One open queue.

    Args:
        directory: holds the database and the bodies; made if missing.
        disk: how files are changed; its ``is_syncing`` also rules the database.
        reserve_bytes: free space that new messages may not touch.
        clock: makes the queue's clock from the mark kept last.
        limits: sizes above which messages are held.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        *,
        reserve_bytes: int = DEFAULT_RESERVE_BYTES,
        clock: Callable[[Mark | None], QueueClock] = QueueClock,
        limits: SizeLimits = NO_LIMITS,
    ) -> None:
        self.directory = directory
        self.path = directory / DATABASE_NAME
        self.reserve_bytes = reserve_bytes
        self.limits = limits
        disk.make_directories(directory, DIRECTORY_MODE)
        disk.make_directories(directory / BODIES_NAME, DIRECTORY_MODE)
        self.bodies = Bodies(directory / BODIES_NAME, disk)
        self._room = Room(directory)
        self._listeners: list[tuple[Callable[[], None], Role | None]] = []
        self._database = Database(self.path, disk, clock, after_commit=self._tell)
        self.clock = self._database.clock

    def close(self) -> None:
        """Finish what was submitted and close."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def new_id() -> str:
        """A queue id that no other message has."""
        return new_queue_id()

    def check_room(self, size_bytes: int) -> None:
        """Make sure a message of a size may be taken in.

        Raises:
            StoreFull: it would touch the reserve of free space.
        """
        self._room.check(size_bytes, self.reserve_bytes)

    def stage_body(self, message_id: str) -> StagedBody:
        """Start a body file for a message that is too large for the database.

        Raises:
            StoreError: the disk refused.
        """
        return self.bodies.stage(message_id)

    def hold_body(self, message_id: str, data: bytes) -> bytes | StagedBody:
        """Put a body where its size belongs: as it is, or in a body file (which blocks).

        Raises:
            StoreError: the disk refused.
        """
        if len(data) <= INLINE_BODY_BYTES:
            return data
        staged = self.stage_body(message_id)
        try:
            staged.write(data)
        except BaseException:
            staged.discard()
            raise
        return staged

    def put(self, message: NewMessage, role: Role = Role.OUTBOX) -> "Future[None]":
        """Take a message in.

        Args:
            message: with at least one target; a staged body is synced here (it blocks) and
                released or discarded with the outcome.
            role: outbox, or inbox for a message delivered here without ever leaving.

        Returns:
            A future: resolved when the message is on disk, or with the ``GatewayError``.

        Raises:
            StoreFull: the reserve is touched.
        """
        return self.put_together([(message, role)])

    def put_together(self, messages: Sequence[tuple[NewMessage, Role]]) -> "Future[None]":
        """Take several messages in, all of them or none; as ``put``."""
        bodies = [message.body for message, _ in messages]
        self.check_room(sum(len(body) if isinstance(body, bytes) else body.size_bytes for body in bodies))
        staged = [body for body in bodies if isinstance(body, StagedBody)]
        for body in staged:
            body.sync()

        def insert(connection: sqlite3.Connection) -> None:
            for message, role in messages:
                insert_message(connection, self.clock, message, role, limits=self.limits)

        future = self.submit(
            insert, is_repeatable=True, concerns=concerned(message for message, _ in messages)
        )
        return resolved_after(future, partial(_put_away, staged)) if staged else future

    def read_body(self, seq: int) -> Iterator[bytes]:
        """Yield the body of a message in chunks, with CRLF line ends; see ``body_of``."""
        yield from self.body_of(seq)()

    def body_of(self, seq: int) -> Callable[[], Iterator[bytes]]:
        """The body of a message: what is small is read now, a body file by whoever calls the result.

        Args:
            seq: of the message.

        Returns:
            Begins to read it, in chunks, with CRLF line ends; for any thread. It raises ``StoreCorrupt`` when
            a body file is not of the size its row says.

        Raises:
            StoreCorrupt: it has none (any more).
        """
        row = self._body_row(seq)
        try:
            return self._begin_reading(row)
        except StoreCorrupt:
            # What few need of a segment is moved into the database, and then the file is gone.
            moved = self._body_row(seq)
            if moved == row:
                raise
            return self._begin_reading(moved)

    def _body_row(self, seq: int) -> tuple[str, int, str | None, bytes | None, str | None, int | None]:
        with self.reading() as connection:
            row: tuple[str, int, str | None, bytes | None, str | None, int | None] | None
            row = connection.execute(
                "SELECT m.id, m.size_bytes, m.body_file, b.data, b.file, b.place FROM message m"
                " LEFT JOIN body b ON b.message = m.seq WHERE m.seq = ?",
                (seq,),
            ).fetchone()
        if row is None:
            raise StoreCorrupt(f"message {seq} is not in the queue")
        return row

    def _begin_reading(
        self, row: tuple[str, int, str | None, bytes | None, str | None, int | None]
    ) -> Callable[[], Iterator[bytes]]:
        message_id, size_bytes, body_file, data, segment, place = row
        if segment is not None and place is not None:
            parts = self.bodies.read_parts(segment, [(place, size_bytes)])
            return lambda: iter(parts)
        if data is not None:
            return lambda: iter((data,))
        if body_file is not None:
            return partial(self.bodies.read, body_file, size_bytes)
        raise StoreCorrupt(f"message {message_id} has no body any more")

    def sweep_bodies(self) -> int:
        """Remove body files that a crash left without a row; returns how many."""

        def is_named(name: str) -> bool:
            with self.reading() as connection:
                row = connection.execute(
                    "SELECT 1 FROM body WHERE file = ? UNION ALL SELECT 1 FROM message WHERE body_file = ?",
                    (name, name),
                ).fetchone()
            return row is not None

        return self.bodies.sweep(is_named)

    def submit(
        self,
        job: Callable[[sqlite3.Connection], Result],
        *,
        is_repeatable: bool = False,
        concerns: Role | None = None,
    ) -> "Future[Result]":
        """Run a job in the next write transaction (for the modules of this package).

        Args:
            job: what to run.
            is_repeatable: it changes nothing but the database, so that it may be run again after it was
                undone; that makes it cheaper.
            concerns: nothing but the outbox or the inbox changes by it; None: both may.
        """
        return self._database.submit(job, is_repeatable=is_repeatable, concerns=concerns)

    def write(
        self,
        job: Callable[[sqlite3.Connection], Result],
        *,
        is_repeatable: bool = False,
        concerns: Role | None = None,
    ) -> Result:
        """Run a job in the next write transaction and wait until it is on disk; as ``submit``."""
        return self.submit(job, is_repeatable=is_repeatable, concerns=concerns).result()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection for reading, one for each thread (for the modules of this package).

        Raises:
            StoreError: whatever SQLite refuses; the queue is closed.
        """
        return self._database.reading()

    def on_change(self, listener: Callable[[], None], concerns: Role | None = None) -> None:
        """Call ``listener`` after commits of this process; it must not block.

        Args:
            listener: what to call.
            concerns: only after commits that may have changed this; None: after each.
        """
        self._listeners.append((listener, concerns))

    def lock(self, stage: str) -> StageLock:
        """A lock that lets one process at a time do a stage's work, such as ``batch``.

        Raises:
            StoreBusy: when entered while somebody else holds it.
        """
        return StageLock(self.directory / f"{stage}.lock")

    def _tell(self, concerns: Collection[str | None]) -> None:
        for listener, role in self._listeners:
            if role is None or role in concerns or None in concerns:
                listener()


def _put_away(staged: Sequence[StagedBody], inserted: "Future[None]") -> None:
    for body in staged:
        body.release() if inserted.exception() is None else body.discard()
