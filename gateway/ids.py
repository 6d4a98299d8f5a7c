"""Names of nodes, packets and batches, and NNCP's niceness, as values and as text.

NNCP writes 32-byte ids in RFC 4648 base32 without padding: 52 upper-case characters. Those
carry 260 bits, so several spellings decode to one id; we always emit the canonical one.
"""

import functools
import re
from dataclasses import dataclass
from typing import Self

from gateway.errors import BadIdentifier

ID_BYTES = 32
ID_CHARS = 52
BATCH_ID_BYTES = 16

NICE_FLASH = 32
NICE_PRIORITY = 96
NICE_NORMAL = 160
NICE_BULK = 224
NICE_MAX = 255

BITS_PER_CHAR = 5
BITS_PER_BYTE = 8
_BASE32 = re.compile(r"[A-Z2-7]*")
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BITS_PER_PAIR = 2 * BITS_PER_CHAR
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_PAIR_MASK = len(_PAIRS) - 1
_PYTHON_DIGITS = str.maketrans(_DIGITS, "0123456789abcdefghijklmnopqrstuv")
"""NNCP's digits as ``int`` knows them."""
_NICE_NAMES = {
    "flash": NICE_FLASH,
    "f": NICE_FLASH,
    "priority": NICE_PRIORITY,
    "p": NICE_PRIORITY,
    "normal": NICE_NORMAL,
    "n": NICE_NORMAL,
    "bulk": NICE_BULK,
    "b": NICE_BULK,
    "max": NICE_MAX,
}
_NICE_LETTERS = {NICE_FLASH: "F", NICE_PRIORITY: "P", NICE_NORMAL: "N", NICE_BULK: "B"}
_NICE_OFFSET = re.compile(r"([A-Za-z]+)([-+])0*(\d{1,9})", re.ASCII)
_LAST_OFFSET = 30
"""The formatter writes names up to this far from a named niceness (32 above F, P and N)."""
_NICE_NUMBER = re.compile(r"([-+]?)0*(\d{1,9})", re.ASCII)
"""Python refuses to read a number of thousands of digits."""
NICE_ALLOWED = "1 to 255, or FLASH, PRIORITY, NORMAL, BULK, MAX (F, P, N, B) with an offset such as N+10"


def encode_base32(raw: bytes) -> str:
    """Write bytes in NNCP's text form: upper-case base32 without padding."""
    # The library's takes three times as long, and an online session names thousands of packets a second.
    size_chars = -(-len(raw) * BITS_PER_BYTE // BITS_PER_CHAR)
    pair_count = -(-size_chars // 2)
    number = int.from_bytes(raw, "big") << (pair_count * _BITS_PER_PAIR - len(raw) * BITS_PER_BYTE)
    shifts = range((pair_count - 1) * _BITS_PER_PAIR, -1, -_BITS_PER_PAIR)
    return "".join([_PAIRS[number >> shift & _PAIR_MASK] for shift in shifts])[:size_chars]


def decode_base32(text: str, size_bytes: int) -> bytes:
    """Read NNCP's text form.

    Args:
        text: upper-case base32 without padding; CR and LF inside are ignored, as Go does.
        size_bytes: how many bytes it must decode to.

    Raises:
        BadIdentifier: wrong alphabet or wrong length.
    """
    compact = text.replace("\r", "").replace("\n", "")
    if not _BASE32.fullmatch(compact):
        raise BadIdentifier("not upper-case base32 (A-Z, 2-7, no padding)")
    whole_bytes, spare_bits = divmod(len(compact) * BITS_PER_CHAR, BITS_PER_BYTE)
    if spare_bits >= BITS_PER_CHAR:
        raise BadIdentifier("not base32: impossible length")
    # A tenth of the time of Python's base32, and every name in a spool is read so.
    value = int(compact.translate(_PYTHON_DIGITS) or "0", 32) >> spare_bits
    raw = value.to_bytes(whole_bytes, "big")
    if len(raw) != size_bytes:
        raise BadIdentifier(f"decodes to {len(raw)} bytes, {size_bytes} wanted")
    return raw


@functools.lru_cache(maxsize=16384)
def _text_of(raw: bytes) -> str:
    # A tossed packet needs the same few ids eight times.
    return encode_base32(raw)


@dataclass(frozen=True, slots=True, order=True)
class _Id32:
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != ID_BYTES:
            raise BadIdentifier(f"an id has {ID_BYTES} bytes, not {len(self.raw)}")

    @property
    def text(self) -> str:
        """The 52-character base32 form."""
        return _text_of(self.raw)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the base32 form.

        Raises:
            BadIdentifier: not 52 characters of base32.
        """
        return cls(decode_base32(text, ID_BYTES))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class NodeId(_Id32):
    """A node (or area): BLAKE2b-256 of its public signing (or area) key."""


@dataclass(frozen=True, slots=True, order=True)
class PacketId(_Id32):
    """A packet: Merkle-tree hash of the whole encrypted file, and its file name."""


@dataclass(frozen=True, slots=True, order=True)
class AreaMessageId(_Id32):
    """A message of an area: BLAKE2b-256 of the header of the packet that is sealed for the area."""


@dataclass(frozen=True, slots=True, order=True)
class BatchId:
    """A batch of ours: 128 random bits, fixed when its messages are claimed."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != BATCH_ID_BYTES:
            raise BadIdentifier(f"a batch id has {BATCH_ID_BYTES} bytes, not {len(self.raw)}")

    @property
    def text(self) -> str:
        """32 lower-case hexadecimal digits."""
        return self.raw.hex()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the hexadecimal form.

        Raises:
            BadIdentifier: not 32 lower-case hexadecimal digits.
        """
        if not re.fullmatch(r"[0-9a-f]{32}", text):
            raise BadIdentifier("a batch id is 32 lower-case hexadecimal digits")
        return cls(bytes.fromhex(text))

    def __str__(self) -> str:
        return self.text


def parse_nice(text: str) -> int:
    """Read a niceness, spelled as NNCP allows.

    Go's parser lets ``max+N`` wrap round modulo 256; here that is an error.

    Args:
        text: 1 to 255, or a name with an optional offset.

    Raises:
        BadIdentifier: anything else.

    Spec: NNCP manual, Niceness.
    """
    if match := _NICE_NUMBER.fullmatch(text):
        value = int(match[1] + match[2])
    elif text.lower() in _NICE_NAMES:
        value = _NICE_NAMES[text.lower()]
    elif (match := _NICE_OFFSET.fullmatch(text)) and match[1].lower() in _NICE_NAMES:
        base, offset = _NICE_NAMES[match[1].lower()], int(match[3])
        limit = 31 if match[2] == "-" or base == NICE_BULK else 32
        if offset > limit:
            raise BadIdentifier(f"niceness {text!r}: an offset is at most {limit} here")
        value = base - offset if match[2] == "-" else base + offset
    else:
        raise BadIdentifier(f"niceness {text!r} is not known; allowed: {NICE_ALLOWED}")
    if not 1 <= value <= NICE_MAX:
        raise BadIdentifier(f"niceness {text!r} is out of range; allowed: {NICE_ALLOWED}")
    return value


def format_nice(nice: int) -> str:
    """Write a niceness as the Go tools print it, such as ``P``, ``N+10``, ``MAX`` or ``129``."""
    if nice == NICE_MAX:
        return "MAX"
    for base, letter in _NICE_LETTERS.items():
        delta = nice - base
        last = _LAST_OFFSET if base == NICE_BULK else 32
        if delta == 0:
            return letter
        if -_LAST_OFFSET <= delta < 0:
            return f"{letter}{delta}"
        if 0 < delta <= last:
            return f"{letter}+{delta}"
    return str(nice)
