"""The encrypted form of a configuration: a sealed text, opened with a passphrase.

Contract: what opens was sealed with the same passphrase and is whole, costs and salt included.
Costs are limited before anything is computed: a file from elsewhere can't keep the machine busy
for more than minutes, or take more than some hundred megabytes.

Spec: NNCP manual, EBlob format.
"""

import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gateway.errors import BadBlock, BadMagic, PacketError, TooLarge, Truncated
from gateway.packet.balloon import BLOCK_BYTES, balloon_key

EBLOB_FAMILY = b"NNCPB"
EBLOB_MAGIC = b"NNCPB\0\0\x03"
SALT_BYTES = 32
TAG_BYTES = 16
XDR_UNIT_BYTES = 4

SPACES_LIMIT = 1 << 20
"""32 MiB of buffer, which takes three times as much here."""

WORK_LIMIT = 1 << 25
"""Spaces x rounds x jobs: 32 times the default."""

_HEAD = struct.Struct(f">8sIII{SALT_BYTES}s")
_LENGTH = struct.Struct(">I")
_NO_LENGTH = _LENGTH.pack(0)
_NONCE = bytes(12)
"""Every blob has a key of its own, since every blob has a salt of its own."""


@dataclass(frozen=True, slots=True)
class Costs:
    """How hard it is to try a passphrase.

    Args:
        spaces: memory, in blocks of 32 bytes.
        rounds: how often that is mixed.
        jobs: how many of those buffers there are.
    """

    spaces: int = 32768
    rounds: int = 16
    jobs: int = 2

    @property
    def space_bytes(self) -> int:
        """Memory of one job."""
        return self.spaces * BLOCK_BYTES

    def check(self) -> None:
        """See that they protect, and can be borne.

        Raises:
            TooLarge: more than a machine should be asked for.
            PacketError: one of them is nothing.

        Spec: NNCP manual, EBlob format.
        """
        named = {"space cost": self.spaces, "time cost": self.rounds, "number of jobs": self.jobs}
        for name, value in named.items():
            if value < 1:
                raise PacketError(f"{name} {value}, allowed: from 1")
        if self.spaces > SPACES_LIMIT:
            raise TooLarge(f"space cost {self.spaces}, allowed: to {SPACES_LIMIT}")
        if self.spaces * self.rounds * self.jobs > WORK_LIMIT:
            raise TooLarge(
                f"space cost {self.spaces}, time cost {self.rounds} and {self.jobs} jobs, allowed: a product"
                f" of {WORK_LIMIT}"
            )


@dataclass(frozen=True, slots=True)
class Eblob:
    """An encrypted configuration that was not opened yet; nothing of it is proven.

    Args:
        costs: of the way from passphrase to key; not checked yet.
        salt: 32 bytes.
        sealed: ciphertext and its tag.
    """

    costs: Costs
    salt: bytes
    sealed: bytes


def is_eblob(raw: bytes) -> bool:
    """Whether a file's content is an encrypted configuration, of whatever version.

    Spec: NNCP manual, EBlob format.
    """
    return raw.startswith(EBLOB_FAMILY)


def decode_eblob(raw: bytes) -> Eblob:
    """Take an encrypted configuration apart.

    Args:
        raw: the whole file.

    Raises:
        BadMagic: something else, or another version.
        Truncated: it is cut.
        BadBlock: something stands behind it.

    Spec: NNCP manual, EBlob format; RFC 4506 section 4.10.
    """
    if raw[: len(EBLOB_MAGIC)] != EBLOB_MAGIC:
        what = "of a version that is not read" if is_eblob(raw) else "none at all"
        raise BadMagic(f"not an encrypted configuration that can be opened: {what}")
    sealed_at = _HEAD.size + _LENGTH.size
    if len(raw) < sealed_at:
        raise Truncated("the encrypted configuration is cut off in its header")
    _, spaces, rounds, jobs, salt = _HEAD.unpack_from(raw)
    (size_bytes,) = _LENGTH.unpack_from(raw, _HEAD.size)
    end = sealed_at + size_bytes + -size_bytes % XDR_UNIT_BYTES
    if size_bytes < TAG_BYTES or len(raw) < end:
        raise Truncated("the encrypted configuration is cut off")
    if len(raw) > end:
        raise BadBlock("something stands behind the encrypted configuration")
    return Eblob(Costs(spaces, rounds, jobs), salt, raw[sealed_at : sealed_at + size_bytes])


def open_eblob(blob: Eblob, passphrase: bytes) -> bytes:
    """Decrypt a configuration.

    Args:
        blob: as it was decoded.
        passphrase: what it was sealed with.

    Raises:
        TooLarge: its costs are more than a machine should be asked for.
        PacketError: its costs make no sense.
        BadBlock: a wrong passphrase, or a damaged file.

    Spec: NNCP manual, EBlob format.
    """
    blob.costs.check()
    head = _head(blob.costs, blob.salt)
    try:
        return _cipher(blob.costs, blob.salt, passphrase).decrypt(_NONCE, blob.sealed, head + _NO_LENGTH)
    except InvalidTag:
        raise BadBlock("the passphrase is wrong, or the file is damaged") from None


def seal_eblob(data: bytes, passphrase: bytes, costs: Costs, salt: bytes) -> bytes:
    """Encrypt a configuration.

    Args:
        data: its text.
        passphrase: opens it again.
        costs: of each try.
        salt: 32 fresh random bytes.

    Returns:
        The content of the file.

    Raises:
        PacketError: the costs are not allowed.

    Spec: NNCP manual, EBlob format.
    """
    costs.check()
    head = _head(costs, salt)
    sealed = _cipher(costs, salt, passphrase).encrypt(_NONCE, data, head + _NO_LENGTH)
    return head + _LENGTH.pack(len(sealed)) + sealed + bytes(-len(sealed) % XDR_UNIT_BYTES)


def _head(costs: Costs, salt: bytes) -> bytes:
    return _HEAD.pack(EBLOB_MAGIC, costs.spaces, costs.rounds, costs.jobs, salt)


def _cipher(costs: Costs, salt: bytes, passphrase: bytes) -> ChaCha20Poly1305:
    key = balloon_key(passphrase, salt, spaces=costs.spaces, rounds=costs.rounds, jobs=costs.jobs)
    return ChaCha20Poly1305(key)
