"""The body of an exec packet as its sender gave it: zstd frames unfolded, under limits.

Contract: no bytes mean an empty body; several frames in a row are one body; a stream that ends
within a frame, or is not zstd, is an error. What is held at a time is a few blocks and the
sender's window, at most 512 MiB of it, the same limit as Go NNCP's.
"""

from collections.abc import Iterable, Iterator

import zstandard

from gateway.errors import BadBlock, TooLarge, Truncated
from gateway.toss.zstd_frames import FrameWalker

WINDOW_LIMIT_BYTES = 512 * 1024 * 1024

# Used by one body at a time: two that share one crash the process. Making one costs more than
# unfolding a short mail, so idle ones are kept.
_idle: list[zstandard.ZstdDecompressor] = []


def expand(source: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Decompress a stream of zstd frames.

    Args:
        source: the frames, in pieces that are valid until the next is asked for.

    Yields:
        The body in pieces of about 1 MiB at most.

    Raises:
        BadBlock: not sound zstd, or it needs a window over 512 MiB.
        Truncated: it ends within a frame.
    """
    try:
        decompressor = _idle.pop()
    except IndexError:
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT_BYTES)
    walker = FrameWalker()
    stream = decompressor.decompressobj()
    for piece in source:
        view = memoryview(piece)
        while view:
            size_bytes = walker.span_bytes(view)
            part: memoryview | bytes = view[:size_bytes]
            view = view[size_bytes:]
            while part:
                body = _decompress(stream, part)
                if body:
                    yield body
                part = b""
                if stream.eof:
                    part = stream.unused_data
                    stream = decompressor.decompressobj()
    if not walker.is_between_frames:
        raise Truncated("the compressed payload ends within a zstd frame")
    _idle.append(decompressor)


def _decompress(stream: "zstandard.ZstdDecompressionObj", part: memoryview | bytes) -> bytes:
    try:
        return stream.decompress(part)
    except zstandard.ZstdError as error:
        raise BadBlock(f"the payload does not decompress: {error}") from None


def limited(source: Iterable[bytes | memoryview], limit_bytes: int) -> Iterator[bytes | memoryview]:
    """Pass a stream through up to a size.

    Raises:
        TooLarge: there is more.
    """
    total_bytes = 0
    for piece in source:
        total_bytes += len(piece)
        if total_bytes > limit_bytes:
            raise TooLarge(f"the payload unfolds to more than {limit_bytes} bytes, the most allowed here")
        yield piece
