"""What ``compress`` packed (``.Z``), unpacked as a stream.

    magic 1f 9d, flags (widest code, block mode) | codes, lowest bit first, 9 bits wide at first

Codes come in groups of eight, which is ``width`` bytes; where the width changes, the rest of a group is
filling. In block mode code 256 makes the table empty again.

Contract: memory is bounded by the table (65,536 codes); what one call of ``feed`` gives is bounded by its
input only in so far as a code never stands for more than 65,536 bytes, so a caller with limits feeds
little at a time. Any split of the input gives the same output.

Spec: the format of compress(1), version 4.0; there is no document.
"""

from gateway.errors import BadBatch, CutShortBatch

MAGIC = b"\x1f\x9d"
HEADER_BYTES = 3
NARROWEST_BITS = 9
WIDEST_BITS = 16
CLEAR = 256
SHORT_ENTRY_BYTES = 64
"""Longer entries are kept as the one they prolong and their last byte: else 65,536 of them fill gigabytes."""

_WIDTH_MASK = 0x1F
_BLOCK_MODE = 0x80
_CODES_IN_GROUP = 8
_LITERALS = tuple(bytes((value,)) for value in range(256))


class LzwExpander:
    """Unpacks one stream: ``feed`` everything, then ``finish``."""

    __slots__ = (
        "_bits",
        "_head",
        "_held",
        "_is_block_mode",
        "_max_bits",
        "_previous",
        "_previous_code",
        "_table",
    )

    def __init__(self) -> None:
        self._head = b""
        self._held = b""
        self._max_bits = 0
        self._is_block_mode = False
        self._bits = NARROWEST_BITS
        self._table: list[bytes | tuple[int, bytes]] = []
        self._previous: bytes | None = None
        self._previous_code = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes.

        Raises:
            BadBatch: they are not what compress writes.
        """
        if not self._max_bits:
            self._head += data
            if len(self._head) < HEADER_BYTES:
                return b""
            data = self._begin(self._head)
        self._held += data
        return self._groups()

    def finish(self) -> bytes:
        """Say that no more bytes come.

        Returns:
            The rest.

        Raises:
            CutShortBatch: the end is missing, as far as this format can tell: a code is cut.
        """
        if not self._max_bits:
            raise CutShortBatch("the compressed batch ends within its header")
        output: list[bytes] = []
        while len(self._held) * 8 >= self._bits:
            count = min(len(self._held) * 8 // self._bits, _CODES_IN_GROUP)
            used = self._group(self._held, count, output)
            self._held = self._held[used:]
        if any(self._held):
            raise CutShortBatch("the compressed batch ends within a code")
        return b"".join(output)

    def _begin(self, head: bytes) -> bytes:
        if not head.startswith(MAGIC):
            raise BadBatch("the batch is not compressed with compress")
        flags = head[len(MAGIC)]
        self._max_bits = flags & _WIDTH_MASK
        self._is_block_mode = bool(flags & _BLOCK_MODE)
        if not NARROWEST_BITS <= self._max_bits <= WIDEST_BITS:
            raise BadBatch(f"the batch is compressed with codes of {self._max_bits} bits; allowed: 9 to 16")
        self._reset()
        return head[HEADER_BYTES:]

    def _reset(self) -> None:
        self._table = [*_LITERALS, b""] if self._is_block_mode else [*_LITERALS]
        self._bits = NARROWEST_BITS
        self._previous = None

    def _groups(self) -> bytes:
        output: list[bytes] = []
        at = 0
        while len(self._held) - at >= self._bits:
            at += self._group(self._held[at : at + self._bits], _CODES_IN_GROUP, output)
        self._held = self._held[at:]
        return b"".join(output)

    def _group(self, data: bytes, count: int, output: list[bytes]) -> int:
        """Unpack a group of codes; returns how many bytes it took, its filling with it."""
        width = self._bits
        value = int.from_bytes(data[:width], "little")
        mask = (1 << width) - 1
        for _ in range(count):
            code = value & mask
            value >>= width
            if code == CLEAR and self._is_block_mode:
                self._reset()
                return width
            output.append(self._entry(code))
            if len(self._table) > mask and width < self._max_bits:
                self._bits = width + 1
                return width
        return width

    def _entry(self, code: int) -> bytes:
        table, previous = self._table, self._previous
        if code < len(table):
            entry = self._expanded(code)
        elif code == len(table) and previous is not None:
            entry = previous + previous[:1]
        else:
            raise BadBatch(f"the compressed batch is damaged: code {code} is not known yet")
        if previous is not None and len(table) < 1 << self._max_bits:
            is_short = len(previous) < SHORT_ENTRY_BYTES
            table.append(previous + entry[:1] if is_short else (self._previous_code, entry[:1]))
        self._previous = entry
        self._previous_code = code
        return entry

    def _expanded(self, code: int) -> bytes:
        entry = self._table[code]
        if isinstance(entry, bytes):
            return entry
        backwards = []
        while not isinstance(entry, bytes):
            code, last = entry
            backwards.append(last)
            entry = self._table[code]
        backwards.append(entry)
        backwards.reverse()
        return b"".join(backwards)
