"""Copies: messages that differ in their recipients alone, and travel as one message for all of these.

A mail server that hands a message in once for each recipient makes many of one. Here they stay messages of
their own, each with its queue id, its row and its body; only what is written into a batch is joined, so a
crash finds nothing that it would not find without copies.

Contract: two messages are copies only if what one of their recipients gets is the same either way: the same
bytes behind our own trace field, the same sender, the same declarations, the same wishes for the message.
Never copies are two messages for one recipient (two equal mails are two mails), and messages with a deadline,
which were given theirs at different times.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence

from blake3 import blake3

from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import QueuedMessage

HASH_BYTES = 32
RECIPIENT_LIMIT_COUNT = 100
"""Of a joined message: RFC 5321 section 4.5.3.1.8 has every server take so many."""


class ContentHash:
    """What a message is known by as a copy: a hash of all that follows our trace field.

    Args:
        pieces: the content, or its beginning.
    """

    __slots__ = ("_hash",)

    def __init__(self, *pieces: bytes | bytearray) -> None:
        # Every byte of every message goes through it; BLAKE2b takes eight times as long.
        self._hash = blake3()
        for piece in pieces:
            self._hash.update(piece)

    def update(self, piece: bytes | bytearray) -> None:
        """Go on with the content."""
        self._hash.update(piece)

    def digest(self) -> bytes:
        """The hash of all of it, ``HASH_BYTES`` long."""
        return self._hash.digest(HASH_BYTES)


class Gathering:
    """Sorts messages into groups of copies, in the order they come."""

    __slots__ = ("_groups", "_open")

    def __init__(self) -> None:
        self._open: dict[bytes, int] = {}
        self._groups: list[Collection[str]] = []
        """The recipients of each group; of a single message as a tuple, which takes less than a set."""

    def place(self, kind: bytes | None, recipients: Iterable[str]) -> int:
        """Find the group that a message belongs to.

        Args:
            kind: the same for messages that may be copies; None: it is like no other.
            recipients: all of its own.

        Returns:
            The number of the group, counted from 0; a new group has the next number.
        """
        if kind is None:
            self._groups.append(())
            return len(self._groups) - 1
        everybody = tuple(map(_folded, recipients))
        number = self._open.get(kind)
        if number is not None:
            group = set(self._groups[number])
            if self._has_room(group, everybody):
                self._groups[number] = group.union(everybody)
                return number
        self._groups.append(everybody)
        self._open[kind] = number = len(self._groups) - 1
        return number

    @staticmethod
    def _has_room(group: set[str], others: Collection[str]) -> bool:
        return len(group) + len(others) <= RECIPIENT_LIMIT_COUNT and group.isdisjoint(others)


def _folded(address: str) -> str:
    """An address in lower case: the very same text where it is so, which takes no more memory."""
    folded = address.lower()
    return address if folded == address else folded


def kind_of(envelope: Envelope, content_hash: bytes | None) -> bytes | None:
    """What a message has in common with its copies, or None: it can have none.

    Args:
        envelope: its own.
        content_hash: of its content; None: nobody took it.
    """
    options = envelope.options
    if content_hash is None or options.deliver_by is not None:
        return None
    said = (options.envid, options.ret, options.priority, envelope.is_8bit, envelope.is_smtputf8)
    words = (content_hash, envelope.sender, *(None if word is None else str(word) for word in said))
    return hashlib.blake2b(repr(words).encode(), digest_size=HASH_BYTES).digest()


def gather(messages: Sequence[QueuedMessage]) -> list[list[QueuedMessage]]:
    """The groups of copies among some messages, in the order of their first ones."""
    gathering = Gathering()
    groups: list[list[QueuedMessage]] = []
    for message in messages:
        number = gathering.place(message.kind, message.envelope.recipients)
        if number == len(groups):
            groups.append([])
        groups[number].append(message)
    return groups
