"""Bodies of messages that are read one after the other: small ones come many at a time.

Contract: what is read is what ``Queue.read_body`` reads, in whatever order it is asked for. At most
``AHEAD_LIMIT_BYTES`` are held, and each body until it is read once.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence

from gateway.errors import StoreError
from gateway.msgqueue.entry import QueuedMessage
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.whole_answer import whole_answer

AHEAD_LIMIT_BYTES = 1 << 20
_BODIES = "FROM body NOT INDEXED WHERE message IN (SELECT value FROM json_each(?))"


class ReadAhead:
    """Reads the bodies of some messages; for one thread.

    Args:
        queue: the open queue.
        messages: in the order in which they are likely read.
    """

    def __init__(self, queue: Queue, messages: Sequence[QueuedMessage]) -> None:
        self._queue = queue
        self._messages = messages
        self._place = {message.seq: place for place, message in enumerate(messages)}
        self._held: dict[int, bytes] = {}

    def __call__(self, seq: int) -> Iterator[bytes]:
        """Yield the body of a message in chunks, with CRLF line ends; see ``Queue.body_of``."""
        if seq not in self._held:
            self._fetch(seq)
        data = self._held.pop(seq, None)
        return self._queue.read_body(seq) if data is None else iter((data,))

    def _fetch(self, seq: int) -> None:
        place = self._place.get(seq)
        if place is None or self._messages[place].size_bytes > INLINE_BODY_BYTES:
            return
        sizes_bytes: dict[int, int] = {}
        left_bytes = AHEAD_LIMIT_BYTES
        for message in self._messages[place:]:
            left_bytes -= message.size_bytes
            if left_bytes < 0:
                break
            # Once each: who reads in another order reads one by one.
            self._place.pop(message.seq, None)
            sizes_bytes[message.seq] = message.size_bytes
        seqs = json.dumps(list(sizes_bytes))
        # Those of the last time that nobody wanted are let go.
        self._held = {}
        with self._queue.reading() as connection:
            placed = whole_answer(
                connection, "message, file, place", f"{_BODIES} AND file IS NOT NULL", (seqs,)
            )
            if len(placed) < len(sizes_bytes):
                rest = connection.execute(f"SELECT message, data {_BODIES} AND file IS NULL", (seqs,))
                self._held = dict(rest.fetchall())
        segments: dict[str, dict[int, tuple[int, int]]] = {}
        for message_seq, segment, at in placed:
            segments.setdefault(segment, {})[message_seq] = (at, sizes_bytes[message_seq])
        for segment, parts in segments.items():
            # What can't be read ahead is asked for one by one, which tells what is wrong with it.
            with contextlib.suppress(StoreError):
                self._held.update(
                    zip(parts, self._queue.bodies.read_parts(segment, [*parts.values()]), strict=True)
                )
