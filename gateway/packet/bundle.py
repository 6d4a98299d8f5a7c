"""Bundles: many packets in one tar stream, for a tape, a disc or a pipe.

    SCANNING --"NNCP" directory header--> OPENED --file header--> PACKET
        ^                                 |    ^                    |
        |                                 |    '--- EXTENDING: PAX or GNU name and size
        '------------- anything else -----'<-------- its content is over

Before each packet stands a directory header named exactly ``NNCP``: a reader finds packets by it, so
that junk, padding of tapes and several archives in a row do no harm. The file's name is
``NNCP/RECIPIENT/SENDER/PACKET``, but a reader takes only the last part of it.

Contract: any split of the input gives the same packets. Memory: a header or an extension, at most
EXTENSION_LIMIT_BYTES. What is no packet is passed over and counted; nothing here is verified.

Spec: NNCP manual, Bundles; POSIX.1-2017 pax, ustar Interchange Format.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from gateway.errors import BadIdentifier, PacketError, Truncated
from gateway.ids import NodeId, PacketId
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES

BLOCK_BYTES = 512
MARK = b"NNCP"
EXTENSION_LIMIT_BYTES = 64 * 1024
EXTENSION_LIMIT_COUNT = 4
USTAR_SIZE_LIMIT_BYTES = 8 * 1024**3
"""From here on the size does not fit a header's eleven octal digits."""

_NAME_BYTES = 100
_SIZE_AT = slice(124, 136)
_CHECKSUM_AT = slice(148, 156)
_KIND_AT = slice(156, 157)
_PREFIX_AT = slice(345, 500)
_USTAR_AT = slice(257, 263)
_SIZE_DIGITS = 19
_DIRECTORY, _FILES, _PAX, _PAX_GLOBAL, _LONG_NAME = b"5", (b"0", b"\0"), b"x", b"g", b"L"
_EXTENSIONS = (_PAX, _PAX_GLOBAL, _LONG_NAME)
_DIRECTORY_MODE, _FILE_MODE = 0o700, 0o400


def _header(name: bytes, prefix: bytes, kind: bytes, mode: int, size_bytes: int) -> bytes:
    block = b"".join(
        (
            name.ljust(_NAME_BYTES, b"\0"),
            b"%07o\0" % mode,
            b"%07o\0" % 0,  # user
            b"%07o\0" % 0,  # group
            b"%011o\0" % size_bytes,
            b"%011o\0" % 0,  # time
            b" " * 8,  # checksum
            kind,
            bytes(_NAME_BYTES),  # link
            b"ustar\x0000",
            bytes(64),  # names of user and group
            bytes(16) if kind == _PAX else b"%07o\0" % 0 * 2,  # device
            prefix,
        )
    ).ljust(BLOCK_BYTES, b"\0")
    return block[: _CHECKSUM_AT.start] + b"%06o\0 " % sum(block) + block[_CHECKSUM_AT.stop :]


_MARK_HEADER = _header(MARK, b"", _DIRECTORY, _DIRECTORY_MODE, 0)


def encode_entry(recipient: NodeId, sender: NodeId, packet: PacketId, size_bytes: int) -> bytes:
    """What stands before a packet of ``size_bytes`` in a bundle.

    Args:
        recipient: whom it is for.
        sender: whom it is from.
        packet: its id.
        size_bytes: size of the packet; its content and ``padding`` must follow.

    Spec: NNCP manual, Bundles; POSIX.1-2017 pax, ustar Interchange Format.
    """
    directory = b"NNCP/%s/%s" % (recipient.text.encode(), sender.text.encode())
    name = packet.text.encode()
    if size_bytes < USTAR_SIZE_LIMIT_BYTES:
        return _MARK_HEADER + _header(name, directory, _FILES[0], _FILE_MODE, size_bytes)
    path = directory + b"/" + name
    records = _pax_record(b"path", path) + _pax_record(b"size", b"%d" % size_bytes)
    return b"".join(
        (
            _MARK_HEADER,
            _header(path[:_NAME_BYTES], b"", _PAX, 0, len(records)),
            records,
            padding(len(records)),
            _header(path[:_NAME_BYTES], b"", _FILES[0], _FILE_MODE, 0),
        )
    )


def padding(size_bytes: int) -> bytes:
    """The zeros that follow a content of ``size_bytes``."""
    return bytes(-size_bytes % BLOCK_BYTES)


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = b" %s=%s\n" % (key, value)
    total = len(rest)
    while len(b"%d" % total) + len(rest) != total:
        total = len(b"%d" % total) + len(rest)
    return b"%d" % total + rest


@dataclass(frozen=True, slots=True)
class PacketStart:
    """A packet begins.

    Args:
        packet: the id that its name claims.
        name: its whole name, for messages.
        size_bytes: how much content follows, in PacketData.
    """

    packet: PacketId
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PacketData:
    """A piece of the packet that began last."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PacketEnd:
    """The packet that began last is complete."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A header that should be that of a packet, and is not.

    Args:
        reason: what is wrong with it, with its name.
    """

    reason: str


Event = PacketStart | PacketData | PacketEnd | Ignored


class _State(Enum):
    SCANNING = auto()
    OPENED = auto()
    EXTENDING = auto()
    PACKET = auto()


class BundleReader:
    """Finds the packets in a stream."""

    def __init__(self) -> None:
        self._state = _State.SCANNING
        self._buffer = b""
        self._at = 0
        self._left_bytes = 0
        self._extension_kind = b""
        self._extension_bytes = 0
        self._extension_count = 0
        self._name: bytes | None = None
        self._size_bytes: int | None = None
        self._steps: dict[_State, Callable[[], list[Event] | None]] = {
            _State.SCANNING: self._scan,
            _State.OPENED: self._open,
            _State.EXTENDING: self._extend,
            _State.PACKET: self._pass_on,
        }

    def feed(self, data: bytes) -> list[Event]:
        """Take the next piece of the stream.

        Args:
            data: any number of bytes.

        Spec: NNCP manual, Bundles.
        """
        self._buffer = self._buffer + data if self._buffer else data
        events: list[Event] = []
        while (found := self._steps[self._state]()) is not None:
            events += found
        self._buffer = self._buffer[self._at :]
        self._at = 0
        return events

    def finish(self) -> None:
        """Tell that the stream is over.

        Raises:
            Truncated: it ends within a packet or its header. Go's bundles have no mark at their end, so
                a stream that was cut between two packets can't be told from a whole one.

        Spec: POSIX.1-2017 pax, ustar Interchange Format.
        """
        if self._state is not _State.SCANNING:
            raise Truncated("the bundle ends within a packet: it was cut")

    # Each step returns its events, or None: it needs more of the stream.

    def _take(self, size_bytes: int) -> bytes | None:
        if len(self._buffer) - self._at < size_bytes:
            return None
        self._at += size_bytes
        return self._buffer[self._at - size_bytes : self._at]

    def _scan(self) -> list[Event] | None:
        found = self._buffer.find(MARK, self._at)
        while found >= 0 and len(self._buffer) - found >= BLOCK_BYTES:
            if _is_mark(self._buffer[found : found + BLOCK_BYTES]):
                self._at = found + BLOCK_BYTES
                self._state = _State.OPENED
                self._name = self._size_bytes = None
                self._extension_count = 0
                return []
            found = self._buffer.find(MARK, found + 1)
        # What is left may be the beginning of a header, or of the mark.
        self._at = found if found >= 0 else max(self._at, len(self._buffer) - len(MARK) + 1)
        return None

    def _open(self) -> list[Event] | None:
        block = self._take(BLOCK_BYTES)
        if block is None:
            return None
        self._state = _State.SCANNING
        try:
            if not _has_checksum(block):
                raise PacketError("no header behind an NNCP directory header")
            return self._read_header(block)
        except PacketError as error:
            # It may be the directory header of the next packet.
            self._at -= BLOCK_BYTES
            return [Ignored(str(error))]

    def _read_header(self, block: bytes) -> list[Event]:
        """Decide what a header is; sets the next state.

        Raises:
            PacketError: not the header of a packet.
        """
        kind = block[_KIND_AT]
        size_bytes = _read_size(block[_SIZE_AT])
        if kind in _EXTENSIONS:
            self._extension_count += 1
            if size_bytes > EXTENSION_LIMIT_BYTES or self._extension_count > EXTENSION_LIMIT_COUNT:
                raise PacketError("extended headers that are too long")
            self._extension_kind, self._extension_bytes = kind, size_bytes
            self._state = _State.EXTENDING
            return []
        name = _read_name(block) if self._name is None else self._name
        start = _packet_start(name, kind, size_bytes if self._size_bytes is None else self._size_bytes)
        self._state = _State.PACKET
        self._left_bytes = start.size_bytes
        return [start]

    def _extend(self) -> list[Event] | None:
        size_bytes = self._extension_bytes
        content = self._take(size_bytes + -size_bytes % BLOCK_BYTES)
        if content is None:
            return None
        self._state = _State.OPENED
        try:
            if self._extension_kind == _LONG_NAME:
                self._name = content[:size_bytes].split(b"\0", 1)[0]
            elif self._extension_kind == _PAX:
                self._read_pax(content[:size_bytes])
        except PacketError as error:
            self._state = _State.SCANNING
            return [Ignored(str(error))]
        return []

    def _read_pax(self, content: bytes) -> None:
        for key, value in _pax_records(content):
            if key == b"path":
                self._name = value
            elif key == b"size":
                if not value.isdigit() or len(value) > _SIZE_DIGITS:
                    raise PacketError("an extended header whose size is no number")
                self._size_bytes = int(value)
            elif key.startswith(b"GNU.sparse."):
                raise PacketError("a sparse file is no packet")

    def _pass_on(self) -> list[Event] | None:
        piece = memoryview(self._buffer)[self._at : self._at + self._left_bytes]
        self._at += len(piece)
        self._left_bytes -= len(piece)
        events: list[Event] = [PacketData(piece)] if piece else []
        if self._left_bytes:
            return events or None
        self._state = _State.SCANNING
        return [*events, PacketEnd()]


def _packet_start(name: bytes, kind: bytes, size_bytes: int) -> PacketStart:
    """Read what a header says of its file.

    Raises:
        PacketError: it is not that of a packet.
    """
    shown = name.decode("utf-8", "replace")
    if kind not in _FILES:
        raise PacketError(f"{shown}: not a file")
    if size_bytes < ENCRYPTED_HEADER_BYTES:
        raise PacketError(f"{shown}: {size_bytes} bytes, a packet has {ENCRYPTED_HEADER_BYTES} or more")
    try:
        packet = PacketId.parse(name.rsplit(b"/", 1)[-1].decode("ascii", "replace"))
    except BadIdentifier as error:
        raise PacketError(f"{shown}: {error}") from error
    return PacketStart(packet, shown, size_bytes)


def _is_mark(block: bytes) -> bool:
    """Whether a block is the header of a directory named ``NNCP``."""
    return block[_KIND_AT] == _DIRECTORY and _read_name(block).rstrip(b"/") == MARK and _has_checksum(block)


def _has_checksum(block: bytes) -> bool:
    field = block[_CHECKSUM_AT].strip(b" \0")
    if not field or field.strip(b"01234567"):
        return False
    return int(field, 8) == sum(block) - sum(block[_CHECKSUM_AT]) + 8 * ord(" ")


def _read_name(block: bytes) -> bytes:
    name = block[:_NAME_BYTES].split(b"\0", 1)[0]
    # GNU's own format keeps times where the prefix would be.
    prefix = block[_PREFIX_AT].split(b"\0", 1)[0] if block[_USTAR_AT] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _read_size(field: bytes) -> int:
    """Read octal digits, or GNU's binary form.

    Raises:
        PacketError: neither, or negative.
    """
    if field[0] & 0x80:
        if field[0] != 0x80 or any(field[1:4]):  # noqa: PLR2004 - the sign bit and the flag
            raise PacketError("a header with an impossible size")
        return int.from_bytes(field[4:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise PacketError("a header whose size is no number")
    return int(digits or b"0", 8)


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split records of the form ``LENGTH KEY=VALUE`` and a line end.

    Raises:
        PacketError: they do not parse.
    """
    while content:
        digits, space, _ = content.partition(b" ")
        is_number = digits.isdigit() and len(digits) <= len(str(EXTENSION_LIMIT_BYTES))
        length = int(digits) if is_number else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not (space and equals and record.endswith(b"\n") and length <= len(content)):
            raise PacketError("an extended header that does not parse")
        yield key, value[:-1]
        content = content[length:]
