"""Many messages put in the queue together, read while they are put: memory does not grow with them."""

import sqlite3
from collections.abc import Iterable
from concurrent.futures import Future

from gateway.msgqueue.entry import NewMessage, Role
from gateway.msgqueue.insertion import insert_message
from gateway.msgqueue.store import Queue


def put_all(queue: Queue, messages: Iterable[tuple[NewMessage, Role]]) -> "Future[None]":
    """Take messages in, all of them or none.

    Args:
        queue: the open queue.
        messages: consumed inside the transaction, in another thread; staged bodies are synced already,
            and released or discarded by the caller. An error of theirs undoes all.

    Returns:
        A future: resolved when they are on disk, or with the error.
    """

    def job(connection: sqlite3.Connection) -> None:
        for message, role in messages:
            insert_message(connection, queue.clock, message, role, limits=queue.limits)

    return queue.submit(job)
