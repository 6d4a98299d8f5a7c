"""The plain packet: 276 bytes that say what the payload is, then the payload up to the end.

Contract: ``decode_plain(encode_plain(header)) == header`` for every header that can be encoded.

Spec: NNCP 8 manual, Plain packet. Its list of types starts at 0; real packets start at 1.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import BadMagic, PacketError, TooLarge, Truncated
from gateway.packet.magic import describe_magic

PLAIN_MAGIC = b"NNCPP\0\0\x03"
PLAIN_HEADER_BYTES = 276
PATH_LIMIT_BYTES = 255
BYTE_MAX = 255
"""Types and niceness are single bytes that XDR writes in four."""

_LAYOUT = struct.Struct(">8sIII255sx")


class PacketType(IntEnum):
    """What the payload of a packet is."""

    FILE = 1
    FREQ = 2
    EXEC = 3
    TRNS = 4
    EXEC_FAT = 5
    AREA = 6
    ACK = 7


@dataclass(frozen=True, slots=True)
class PlainHeader:
    """What a packet is and where its payload goes.

    Args:
        type: a ``PacketType``, or a number that we do not know.
        nice: 0 to 255; for an exec or a freq the niceness of the reply.
        path: up to 255 bytes; the meaning depends on the type: a path, an id, a handle with arguments.
    """

    type: int
    nice: int
    path: bytes


def encode_plain(header: PlainHeader) -> bytes:
    """Write the header of a plain packet, 276 bytes.

    Raises:
        TooLarge: the path has more than 255 bytes.
        PacketError: type or niceness is not 0 to 255.

    Spec: NNCP 8 manual, Plain packet; RFC 4506 sections 4.9 and 4.10.
    """
    if len(header.path) > PATH_LIMIT_BYTES:
        raise TooLarge(f"path of a packet: {len(header.path)} bytes, at most {PATH_LIMIT_BYTES} are allowed")
    check_byte("type of a packet", header.type)
    check_byte("niceness of a plain packet", header.nice)
    return _LAYOUT.pack(PLAIN_MAGIC, header.type, header.nice, len(header.path), header.path)


def decode_plain(raw: bytes | memoryview) -> PlainHeader:
    """Read the header of a plain packet.

    What follows the path in its fixed field is ignored, as Go does.

    Args:
        raw: exactly ``PLAIN_HEADER_BYTES`` bytes.

    Raises:
        Truncated: another number of bytes.
        BadMagic: not a plain packet, or a version that is not read.
        PacketError: a field is out of range.

    Spec: NNCP 8 manual, Plain packet; RFC 4506 sections 4.9 and 4.10.
    """
    if len(raw) != PLAIN_HEADER_BYTES:
        raise Truncated(f"header of a plain packet: {len(raw)} bytes, not {PLAIN_HEADER_BYTES}")
    magic, kind, nice, path_bytes, path = _LAYOUT.unpack(raw)
    if magic != PLAIN_MAGIC:
        raise BadMagic(f"not a plain packet: {describe_magic(magic)}")
    check_byte("type of a packet", kind)
    check_byte("niceness of a plain packet", nice)
    if path_bytes > PATH_LIMIT_BYTES:
        raise PacketError(f"path of a packet: {path_bytes} bytes, at most {PATH_LIMIT_BYTES} are allowed")
    return PlainHeader(kind, nice, path[:path_bytes])


def check_byte(what: str, value: int) -> None:
    """Refuse what does not fit a byte.

    Raises:
        PacketError: not 0 to 255.
    """
    if not 0 <= value <= BYTE_MAX:
        raise PacketError(f"{what}: {value} is not 0 to {BYTE_MAX}")


def encode_exec_path(handle: bytes, args: Sequence[bytes]) -> bytes:
    """Write handle and arguments as the path of an exec packet.

    Args:
        handle: name of the command at the receiver; not empty.
        args: may be empty each, but hold no NUL.

    Raises:
        TooLarge: more than 255 bytes, separators counted.
        PacketError: an empty handle, or a NUL within a part.

    Spec: NNCP 8 manual, Plain packet (exec).
    """
    if not handle:
        raise PacketError("exec: the handle is empty")
    if b"\0" in handle or any(b"\0" in arg for arg in args):
        raise PacketError("exec: handle and arguments can't hold a NUL byte")
    path = b"\0".join((handle, *args))
    if len(path) > PATH_LIMIT_BYTES:
        raise TooLarge(
            f"exec: handle and arguments need {len(path)} bytes, at most {PATH_LIMIT_BYTES} are allowed"
        )
    return path


def decode_exec_path(path: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Read handle and arguments out of the path of an exec packet.

    Spec: NNCP 8 manual, Plain packet (exec).
    """
    handle, *args = path.split(b"\0")
    return handle, tuple(args)
