"""Balloon hashing with BLAKE2b-256: a slow way from a passphrase to a key.

Contract: time grows with spaces x rounds x jobs, memory with spaces. The caller limits them.

Spec: "Balloon Hashing: A Memory-Hard Function", Boneh, Corrigan-Gibbs and Schechter, single
buffer; NNCP manual, EBlob format.
"""

from collections.abc import Callable
from hashlib import blake2b
from itertools import count
from struct import Struct

BLOCK_BYTES = 32
"""Of the hash, and of one space."""

_NEIGHBOURS = (b"\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\x01", b"\0\0\0\0\0\0\0\x02")
"""Each step mixes in three blocks of the buffer, chosen by hash, besides the one before."""

Hash = Callable[[bytes], bytes]


def balloon_key(passphrase: bytes, salt: bytes, *, spaces: int, rounds: int, jobs: int) -> bytes:
    """Derive a key.

    Args:
        passphrase: any bytes.
        salt: random bytes.
        spaces: blocks of 32 bytes in the buffer, from 1.
        rounds: how often the buffer is mixed.
        jobs: independent buffers, from 1, whose results are combined.

    Returns:
        32 bytes.

    Spec: NNCP manual, EBlob format.
    """
    combined = 0
    for job in range(jobs):
        filled = _fill(passphrase, salt + _quad(job), spaces, rounds)
        combined ^= int.from_bytes(filled, "big")
    return _hash(passphrase + salt + combined.to_bytes(BLOCK_BYTES, "big"))


def _fill(passphrase: bytes, salt: bytes, spaces: int, rounds: int) -> bytes:
    """Run one job; the last block of its buffer."""
    # Seven million hashes at NNCP's default costs: every call and look-up that is saved here is seconds.
    blake, read_number = blake2b, int.from_bytes
    following = map(_quad, count()).__next__
    block = _hash(following() + passphrase + salt)
    buffer = [block]
    for _ in range(spaces - 1):
        block = _hash(following() + block)
        buffer.append(block)
    for turn in range(rounds):
        head = salt + _quad(turn)
        for place in range(spaces):
            data = following() + buffer[place - 1] + buffer[place]
            buffer[place] = block = blake(data, digest_size=BLOCK_BYTES).digest()
            where = head + _quad(place)
            for neighbour in _NEIGHBOURS:
                data = following() + where + neighbour
                chosen = read_number(blake(data, digest_size=BLOCK_BYTES).digest(), "big") % spaces
                data = following() + block + buffer[chosen]
                buffer[place] = block = blake(data, digest_size=BLOCK_BYTES).digest()
    return buffer[-1]


_quad = Struct(">Q").pack


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=BLOCK_BYTES).digest()
