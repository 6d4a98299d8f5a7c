"""Where the bytes of a message go while it is read: into memory, or into a body file.

A ``Shelf`` makes one ``Body`` after the other. The body files of a batch are locked until its
transaction is on disk, and each lock is an open file: past ``FILE_LIMIT_COUNT`` large bodies go
into the database instead, which only makes them slower to read.
"""

import contextlib
from typing import Protocol

from gateway.errors import GatewayError
from gateway.msgqueue.bodies import StagedBody
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue

HEAD_LIMIT_BYTES = INLINE_BODY_BYTES
"""Of a message, looked at for its header section."""
FILE_LIMIT_COUNT = 128
"""An eighth of the usual limit of open files."""


class Body(Protocol):
    """A message being read."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def head(self) -> bytes:
        """The first ``HEAD_LIMIT_BYTES``, or less."""

    def finish(self) -> bytes | StagedBody:
        """The whole message, ready to be put in the queue."""

    def discard(self) -> None:
        """Forget it."""


class HeadBody:
    """A message of which only the head is wanted."""

    def __init__(self) -> None:
        self._head = bytearray()

    def write(self, data: bytes) -> None:
        """Append bytes, as far as they belong to the head."""
        self._head += data[: HEAD_LIMIT_BYTES - len(self._head)]

    def head(self) -> bytes:
        """See ``Body``."""
        return bytes(self._head)

    def finish(self) -> bytes:
        """The head, which is no message."""
        return bytes(self._head)

    def discard(self) -> None:
        """Nothing is kept anywhere."""


class KeptBody:
    """A message that will be put in the queue.

    Args:
        shelf: what it is made by.
        message_id: its queue id.
    """

    def __init__(self, shelf: "Shelf", message_id: str) -> None:
        self._shelf = shelf
        self._message_id = message_id
        self._data = bytearray()
        self._head = b""
        self._staged: StagedBody | None = None

    def write(self, data: bytes) -> None:
        """Append bytes."""
        if self._staged is not None:
            self._staged.write(data)
            return
        self._data += data
        if len(self._data) > INLINE_BODY_BYTES:
            self._staged = self._shelf.stage(self._message_id)
            if self._staged is not None:
                self._head = bytes(self._data[:HEAD_LIMIT_BYTES])
                self._staged.write(bytes(self._data))
                self._data.clear()

    def head(self) -> bytes:
        """See ``Body``."""
        return self._head or bytes(self._data[:HEAD_LIMIT_BYTES])

    def finish(self) -> bytes | StagedBody:
        """See ``Body``; a body file is synced."""
        if self._staged is None:
            return bytes(self._data)
        self._staged.sync()
        return self._staged

    def discard(self) -> None:
        """See ``Body``."""
        self._data.clear()
        if self._staged is not None:
            self._shelf.unstage(self._staged)
            self._staged = None


class Shelf:
    """The body files of one batch.

    Args:
        queue: the open queue.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._staged: list[StagedBody] = []

    def new_body(self, message_id: str) -> KeptBody:
        """Begin a message."""
        return KeptBody(self, message_id)

    def stage(self, message_id: str) -> StagedBody | None:
        """Begin a body file, or None if there are too many."""
        if len(self._staged) >= FILE_LIMIT_COUNT:
            return None
        staged = self._queue.stage_body(message_id)
        self._staged.append(staged)
        return staged

    def unstage(self, staged: StagedBody) -> None:
        """Remove a body file that will not be used."""
        self._staged.remove(staged)
        staged.discard()

    def clear(self) -> None:
        """Remove all files: what was done with them was undone."""
        for staged in self._staged:
            staged.discard()
        self._staged.clear()

    def release(self) -> None:
        """Give up all locks: the rows are on disk, or there are none."""
        for staged in self._staged:
            staged.release()
        self._staged.clear()

    def abandon(self) -> None:
        """Remove the files that no row names.

        An error of the commit does not tell whether it took place, so the rows are asked.
        """
        if self._staged:
            self.release()
            with contextlib.suppress(GatewayError):
                self._queue.sweep_bodies()
