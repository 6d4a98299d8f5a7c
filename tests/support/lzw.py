"""A packer as compress(1) is, which no system has installed any more."""

from collections.abc import Iterator

CLEAR, FIRST = 256, 257


def compress(data: bytes, max_bits: int = 16, *, clear_after: int | None = None) -> bytes:
    """Pack data in block mode.

    Args:
        data: what to pack.
        max_bits: widest code.
        clear_after: the table is made empty again after so many codes.
    """
    packer = _Packer(max_bits)
    for count, code in enumerate(_codes(data, packer, clear_after)):
        packer.write(code, is_first=count == 0)
    packer.end_group()
    return b"\x1f\x9d" + bytes((0x80 | max_bits,)) + bytes(packer.output)


class _Packer:
    def __init__(self, max_bits: int) -> None:
        self.max_bits = max_bits
        self.output = bytearray()
        self.bits = 9
        self.free = FIRST
        self._group: list[int] = []

    def write(self, code: int, *, is_first: bool) -> None:
        self._group.append(code)
        if len(self._group) == 8:
            self.end_group(is_whole=True)
        if code == CLEAR:
            self.end_group(is_whole=True)
            self.bits, self.free = 9, FIRST - 1
            return
        # The reader is one entry behind: it learns what a code meant by the next.
        self.free += not is_first and self.free < 1 << self.max_bits
        if self.free > (1 << self.bits) - 1 and self.bits < self.max_bits:
            self.end_group(is_whole=True)
            self.bits += 1

    def end_group(self, *, is_whole: bool = False) -> None:
        value = sum(code << (self.bits * at) for at, code in enumerate(self._group))
        size = self.bits if is_whole else (len(self._group) * self.bits + 7) // 8
        if self._group:
            self.output += value.to_bytes(size, "little")
        self._group.clear()


def _codes(data: bytes, packer: _Packer, clear_after: int | None) -> Iterator[int]:
    table = {bytes((value,)): value for value in range(256)}
    entry, free, count = b"", FIRST, 0
    for value in data:
        longer = entry + bytes((value,))
        if longer in table:
            entry = longer
            continue
        yield table[entry]
        count += 1
        if free < 1 << packer.max_bits:
            table[longer] = free
            free += 1
        entry = bytes((value,))
        if clear_after and count % clear_after == 0:
            yield CLEAR
            table = {bytes((value,)): value for value in range(256)}
            free = FIRST
    if entry:
        yield table[entry]
