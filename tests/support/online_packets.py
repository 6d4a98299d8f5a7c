"""Many packets of every kind and size, quickly: made by one process, as the gateway makes them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.ids import PacketId
from gateway.nodes import Book, Node
from gateway.packet.plain import PacketType, PlainHeader
from gateway.spool.store import Spool
from gateway.tx.posting import post_to
from gateway.tx.sealing import Outside, Route

NICES = (1, 32, 64, 96, 96, 96, 160, 160, 224, 224, 254, 255)
"""Of the packets, in no particular order; most have one of NNCP's own defaults."""

KIB = 1024
MIB = 1 << 20
SEALED_BYTES = 480
"""What the two headers and the first block add to a payload."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How large packets are.

    Args:
        small_bytes: sizes of the many, from and to; as many of 1 to 2 KiB as of 16 to 32 KiB.
        large_bytes: sizes of the few, from and to.
        large_share: how many are large, 0 to 1.
    """

    small_bytes: tuple[int, int] = (SEALED_BYTES + 32, 64 * KIB)
    large_bytes: tuple[int, int] = (256 * KIB, 3 * MIB)
    large_share: float = 0.02


MIXED = Mix()
TINY = Mix(large_share=0)


@dataclass(frozen=True, slots=True)
class Made:
    """A packet that waits.

    Args:
        packet: its id.
        nice: its niceness.
        size_bytes: of the file.
    """

    packet: PacketId
    nice: int
    size_bytes: int


def make_packets(
    spool: Spool,
    author: Book,
    neighbour: Node,
    count: int,
    seed: str,
    mix: Mix = MIXED,
    nices: Sequence[int] = NICES,
) -> list[Made]:
    """Queue packets of all types with random content for a neighbour.

    Nobody can open the content; on the way nobody looks.

    Args:
        spool: gets them.
        author: signs them.
        neighbour: whose tx.
        count: how many.
        seed: the same seed gives the same sizes, types and nicenesses.
        mix: how large they are.
        nices: one of these each.
    """
    chance = random.Random(seed)
    post = post_to(spool, author.private_keys(), Route(neighbour), chance.randbytes)
    made = []
    for size_bytes in _sizes(chance, count, mix):
        nice, kind = chance.choice(nices), chance.choice(list(PacketType))
        plain = PlainHeader(kind, nice, b"of/no/interest")
        payload = chance.randbytes(max(size_bytes - SEALED_BYTES, 1))
        sealed = post(Outside(nice), plain, [payload])
        made.append(Made(sealed.packet, nice, sealed.size_bytes))
    return made


def _sizes(chance: random.Random, count: int, mix: Mix) -> Iterator[int]:
    large_count = round(count * mix.large_share)
    is_large = [True] * large_count + [False] * (count - large_count)
    chance.shuffle(is_large)
    low, high = mix.small_bytes
    for one in is_large:
        if one:
            yield chance.randint(*mix.large_bytes)
        else:
            yield int(low * (high / low) ** chance.random())
