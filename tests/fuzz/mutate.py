"""Changed inputs without coverage's guidance: what every Python can try, and the same in every run."""

import random
from collections.abc import Iterator

from tests.fuzz.target import Target

MOST_CHANGES = 6
INTERESTING = (b"\0", b"\xff", b"\n", b"\r\n", b" ", b"0", b"\x7f", b"\x80", b"<", b">", b'"', b"{", b"}")


def changed_inputs(target: Target, seed: int) -> Iterator[bytes]:
    """Inputs for a target without end: the seeds, then changes of them.

    Args:
        target: gives seeds and words.
        seed: the same seed gives the same inputs.
    """
    chance = random.Random(seed)
    seeds = [raw[: target.limit_bytes] for raw in target.seeds()]
    yield from (b"", *seeds)
    pool = (*INTERESTING, *target.words)
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, MOST_CHANGES)):
            _change(data, chance, seeds, pool)
        yield bytes(data[: target.limit_bytes])


def _change(data: bytearray, chance: random.Random, seeds: list[bytes], pool: tuple[bytes, ...]) -> None:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 64)))
    match chance.randrange(7):
        case 0 if data:
            data[at - 1] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[at - 1] = chance.randrange(256)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = chance.choice(pool)
        case 4:
            data[at:end] = chance.choice(pool)
        case 5:
            data[at:at] = data[at:end] * chance.choice((1, 2, 30))
        case _:
            other = chance.choice(seeds)
            start = chance.randint(0, len(other))
            data[at:end] = other[start : start + chance.choice((1, 8, 64, 1024))]
