"""The compressed body of an exec packet: one zstd frame with a content checksum, or nothing at all.

Contract: an empty body stays empty, since Go NNCP sends no frame either. Memory does not grow with
the body. A small body is compressed in one call: its frame tells its size, and needs less memory at
the receiver than a stream of unknown length.

A compressor is used by one body at a time: two that share one, from threads or in turn, crash the
process (python-zstandard issue 244). Idle ones are kept, since making one costs more than
compressing a short mail.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import zstandard

DEFAULT_LEVEL = 3
SMALL_BODY_BYTES = 128 * 1024
FED_BYTES = 64 * 1024
"""Gathered for one call."""
WINDOW_LOG_MAX = 29
"""Go's reader refuses a window over 512 MiB."""

_Setting = tuple[int, int | None]
_idle: defaultdict[_Setting, list[zstandard.ZstdCompressor]] = defaultdict(list)


def compress(
    source: Iterable[bytes | memoryview], level: int = DEFAULT_LEVEL, window_log: int | None = None
) -> Iterator[bytes]:
    """Compress a stream.

    Args:
        source: the body, in pieces of any size.
        level: 1 (quick) to 22 (small).
        window_log: how far back repetitions are looked for, as a power of two, 10 to 29; turns long
            distance matching on. None leaves it to the level.

    Yields:
        The frame, in pieces; nothing for an empty body.
    """
    idle = _idle[level, window_log]
    try:
        compressor = idle.pop()
    except IndexError:
        compressor = _new_compressor(level, window_log)
    yield from _frame(compressor, source)
    # Not after an error or in an abandoned stream: what state it is in then is not worth knowing.
    idle.append(compressor)


def _frame(compressor: zstandard.ZstdCompressor, source: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    pieces = iter(source)
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) > SMALL_BODY_BYTES:
            break
    else:
        if head:
            yield compressor.compress(head)
        return
    stream = compressor.compressobj()
    yield stream.compress(head)
    head.clear()
    for piece in pieces:
        # Other threads run while each call does: not for every small message of a batch.
        head += piece
        if len(head) >= FED_BYTES:
            if packed := stream.compress(head):
                yield packed
            head.clear()
    yield stream.compress(head) + stream.flush()


def _new_compressor(level: int, window_log: int | None) -> zstandard.ZstdCompressor:
    if window_log is None:
        return zstandard.ZstdCompressor(level=level, write_checksum=True)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, window_log=min(window_log, WINDOW_LOG_MAX), enable_ldm=True, write_checksum=True
    )
    return zstandard.ZstdCompressor(compression_params=parameters)
