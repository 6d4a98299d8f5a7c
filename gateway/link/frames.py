"""The frames inside a message: INFO, FREQ, FILE, DONE, HALT, PING, any number one after another.

    INFO  0, niceness u32, size u64, packet      FILE  2, packet, offset u64, length u32, data, zeros
    FREQ  1, packet, offset u64                  DONE  3, packet      HALT  4      PING  5

Contract: numbers are big-endian; whatever follows the last whole frame makes ``decode_frames`` raise,
after it gave the frames before.

Spec: NNCP 8 manual, Sync protocol; RFC 4506.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import RemoteProtocolError
from gateway.ids import ID_BYTES, PacketId
from gateway.link.envelope import pad_bytes


class FrameType(IntEnum):
    """The number a frame begins with."""

    INFO = 0
    FREQ = 1
    FILE = 2
    DONE = 3
    HALT = 4
    PING = 5


_INFO = struct.Struct(f">IIQ{ID_BYTES}s")
_FREQ = struct.Struct(f">I{ID_BYTES}sQ")
_FILE = struct.Struct(f">I{ID_BYTES}sQI")
_DONE = struct.Struct(f">I{ID_BYTES}s")
_TYPE = struct.Struct(">I")

INFO_BYTES = _INFO.size
FILE_HEAD_BYTES = _FILE.size
HALT = _TYPE.pack(FrameType.HALT)
PING = _TYPE.pack(FrameType.PING)
_HALTS = re.compile(rb"(?:" + re.escape(HALT) + rb")+")


@dataclass(frozen=True, slots=True)
class Info:
    """A packet waits for you."""

    packet: PacketId
    nice: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Freq:
    """Send it, from a byte on."""

    packet: PacketId
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class File:
    """Here is a piece of it; ``data`` is a part of the message."""

    packet: PacketId
    offset_bytes: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Done:
    """I have it: remove yours."""

    packet: PacketId


@dataclass(frozen=True, slots=True)
class Halt:
    """Send nothing of what I asked for."""


@dataclass(frozen=True, slots=True)
class Ping:
    """I am still there."""


Frame = Info | Freq | File | Done | Halt | Ping


def encode_info(packet: PacketId, nice: int, size_bytes: int) -> bytes:
    """Write INFO.

    Spec: NNCP 8 manual, Sync protocol.
    """
    return _INFO.pack(FrameType.INFO, nice, size_bytes, packet.raw)


def encode_freq(packet: PacketId, offset_bytes: int) -> bytes:
    """Write FREQ.

    Spec: NNCP 8 manual, Sync protocol.
    """
    return _FREQ.pack(FrameType.FREQ, packet.raw, offset_bytes)


def encode_file(packet: PacketId, offset_bytes: int, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Write FILE.

    Returns:
        Head, the data itself, zeros.

    Spec: NNCP 8 manual, Sync protocol; RFC 4506 section 4.10.
    """
    head = _FILE.pack(FrameType.FILE, packet.raw, offset_bytes, len(data))
    return head, data, bytes(pad_bytes(len(data)))


def encode_done(packet: PacketId) -> bytes:
    """Write DONE.

    Spec: NNCP 8 manual, Sync protocol.
    """
    return _DONE.pack(FrameType.DONE, packet.raw)


def file_bytes(length_bytes: int) -> int:
    """Size of a FILE frame with so much data."""
    return FILE_HEAD_BYTES + length_bytes + pad_bytes(length_bytes)


def decode_frames(message: memoryview) -> Iterator[Frame]:
    """Read a message frame by frame.

    Args:
        message: the plaintext.

    Raises:
        RemoteProtocolError: an unknown type, or the message ends inside a frame.

    Spec: NNCP 8 manual, Sync protocol.
    """
    at = 0
    while at < len(message):
        if len(message) - at < _TYPE.size:
            raise RemoteProtocolError(f"{len(message) - at} bytes are left over behind the frames")
        (number,) = _TYPE.unpack_from(message, at)
        decode = _DECODERS.get(number)
        if decode is None:
            raise RemoteProtocolError(f"unknown type of frame {number}")
        try:
            frame, at = decode(message, at)
        except struct.error:
            raise RemoteProtocolError(f"the message ends inside {FrameType(number).name}") from None
        yield frame


def _decode_info(message: memoryview, at: int) -> tuple[Frame, int]:
    _, nice, size_bytes, packet = _INFO.unpack_from(message, at)
    return Info(PacketId(packet), nice, size_bytes), at + _INFO.size


def _decode_freq(message: memoryview, at: int) -> tuple[Frame, int]:
    _, packet, offset_bytes = _FREQ.unpack_from(message, at)
    return Freq(PacketId(packet), offset_bytes), at + _FREQ.size


def _decode_file(message: memoryview, at: int) -> tuple[Frame, int]:
    _, packet, offset_bytes, length_bytes = _FILE.unpack_from(message, at)
    data_at = at + _FILE.size
    end = data_at + length_bytes + pad_bytes(length_bytes)
    if end > len(message):
        raise RemoteProtocolError(f"FILE says {length_bytes} bytes, the message has {len(message) - data_at}")
    return File(PacketId(packet), offset_bytes, message[data_at : data_at + length_bytes]), end


def _decode_done(message: memoryview, at: int) -> tuple[Frame, int]:
    _, packet = _DONE.unpack_from(message, at)
    return Done(PacketId(packet)), at + _DONE.size


def _decode_halt(message: memoryview, at: int) -> tuple[Frame, int]:
    # A handshake holds thousands of them; a run says no more than one does.
    run = _HALTS.match(message, at)
    return _THE_HALT, at + _TYPE.size if run is None else run.end()


def _decode_ping(_: memoryview, at: int) -> tuple[Frame, int]:
    return _THE_PING, at + _TYPE.size


_THE_HALT = Halt()
_THE_PING = Ping()
_DECODERS: Mapping[int, Callable[[memoryview, int], tuple[Frame, int]]] = {
    FrameType.INFO: _decode_info,
    FrameType.FREQ: _decode_freq,
    FrameType.FILE: _decode_file,
    FrameType.DONE: _decode_done,
    FrameType.HALT: _decode_halt,
    FrameType.PING: _decode_ping,
}
