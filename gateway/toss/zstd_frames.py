"""Where the frames and blocks of a zstd stream end, without decompressing it.

    MAGIC ──→ DESCRIPTOR ──→ BLOCK ──→ BLOCK ... ──→ (checksum) ──→ MAGIC
      └─────→ SKIPPABLE ───────────────────────────────────────────↗

Two things that the decompressor does not offer are read off the block headers here: how much input
may be given to it at once, so that a few bytes can't unfold to gigabytes in one call; and whether
the stream ended between two frames or within one.

Contract: any split of the input gives the same answers about the whole.

Spec: RFC 8878 sections 3.1.1 and 3.1.2.
"""

from collections.abc import Callable

from gateway.errors import BadBlock

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC_END = b"\x2a\x4d\x18"
"""Bytes 1 to 3 of a skippable frame's magic; byte 0 is 0x50 to 0x5f."""
MAGIC_BYTES = 4
BLOCK_HEADER_BYTES = 3
CHECKSUM_BYTES = 4
BLOCK_OUTPUT_BYTES = 128 * 1024
"""No block unfolds to more."""
BURST_BYTES = 1024 * 1024
"""Roughly what one call of the decompressor may give back."""

_RAW, _RLE, _COMPRESSED = 0, 1, 2
_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)


class FrameWalker:
    """Walks over the blocks of a stream of zstd frames."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._want_bytes = MAGIC_BYTES
        self._skip_bytes = 0
        self._read: Callable[[bytes], None] = self._magic
        self._output_bytes = 0
        self._has_checksum = False

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here."""
        return self._read == self._magic and not self._head and not self._skip_bytes

    def span_bytes(self, data: memoryview) -> int:
        """How many of the next bytes of the stream may be decompressed in one go.

        Args:
            data: the next bytes; what is returned of them counts as passed.

        Returns:
            At least 1 for data that is not empty.

        Raises:
            BadBlock: not zstd.
        """
        at = 0
        self._output_bytes = 0
        while at < len(data) and self._output_bytes < BURST_BYTES:
            at += self._skip(len(data) - at)
            if self._skip_bytes or at == len(data):
                break
            part = data[at : at + self._want_bytes - len(self._head)]
            self._head += part
            at += len(part)
            if len(self._head) == self._want_bytes:
                head = bytes(self._head)
                self._head.clear()
                self._read(head)
        return at

    def _skip(self, available_bytes: int) -> int:
        skipped_bytes = min(self._skip_bytes, available_bytes)
        self._skip_bytes -= skipped_bytes
        return skipped_bytes

    def _expect(self, read: Callable[[bytes], None], want_bytes: int, *, after_bytes: int = 0) -> None:
        self._read, self._want_bytes, self._skip_bytes = read, want_bytes, after_bytes

    def _magic(self, head: bytes) -> None:
        if head == FRAME_MAGIC:
            self._expect(self._descriptor, 1)
        elif head[1:] == SKIPPABLE_MAGIC_END and head[0] & 0xF0 == 0x50:  # noqa: PLR2004 - RFC 8878 3.1.2
            self._expect(self._skippable, 4)
        else:
            raise BadBlock(f"the payload is not compressed with zstd: it begins with {head.hex()}")

    def _skippable(self, head: bytes) -> None:
        self._expect(self._magic, MAGIC_BYTES, after_bytes=int.from_bytes(head, "little"))

    def _descriptor(self, head: bytes) -> None:
        flags = head[0]
        is_single_segment = bool(flags & 0x20)
        self._has_checksum = bool(flags & 0x04)
        content_size_bytes = _CONTENT_SIZE_BYTES[flags >> 6]
        if is_single_segment and not content_size_bytes:
            content_size_bytes = 1
        rest_bytes = (not is_single_segment) + _DICTIONARY_BYTES[flags & 3] + content_size_bytes
        self._expect(self._block, BLOCK_HEADER_BYTES, after_bytes=rest_bytes)

    def _block(self, head: bytes) -> None:
        value = int.from_bytes(head, "little")
        is_last, kind, size_bytes = value & 1, value >> 1 & 3, value >> 3
        if kind not in {_RAW, _RLE, _COMPRESSED}:
            raise BadBlock("the payload is not sound zstd: a block of the reserved type")
        self._output_bytes += BLOCK_OUTPUT_BYTES
        content_bytes = 1 if kind == _RLE else size_bytes
        if not is_last:
            self._expect(self._block, BLOCK_HEADER_BYTES, after_bytes=content_bytes)
        else:
            checksum_bytes = CHECKSUM_BYTES if self._has_checksum else 0
            self._expect(self._magic, MAGIC_BYTES, after_bytes=content_bytes + checksum_bytes)
