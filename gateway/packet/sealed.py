"""The encrypted packet: its 172-byte signed header, and the keys of its blocks.

After the header come blocks of at most 128 KiB, each with a tag, in this order: full blocks
(key FULL); the block that starts with the size of the plain packet and of the padding (key
SIZE); a tail of at most 15 bytes of it (key FULL), where the size made that block too long; then
the padding that found no room in the last block, made by the key PAD.

Contract: ``decode_header(encode_header(header)) == header``. The nonce counts the blocks of all
keys together, so none is used twice.

Spec: NNCP 8 manual, Encrypted packet.
"""

import hashlib
import struct
from dataclasses import dataclass

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings
from nacl import exceptions as nacl_exceptions

from gateway.errors import BadMagic, BadSignature, PacketError, Truncated
from gateway.ids import ID_BYTES, AreaMessageId, NodeId
from gateway.packet.magic import describe_magic
from gateway.packet.plain import check_byte

SEALED_MAGIC = b"NNCPE\0\0\x06"
ENCRYPTED_HEADER_BYTES = 172
SIGNATURE_BYTES = 64
SIGNED_BYTES = ENCRYPTED_HEADER_BYTES - SIGNATURE_BYTES
BLOCK_BYTES = 128 * 1024
TAG_BYTES = 16
UNIT_BYTES = BLOCK_BYTES + TAG_BYTES
"""A full block as it is written."""
SIZE_BYTES = 16
"""Size of the plain packet and of the padding, eight bytes each."""
NONCE_BYTES = 12

SIZE_LAYOUT = struct.Struct(">QQ")

_LAYOUT = struct.Struct(">8sI32s32s32s64s")
_START_LAYOUT = struct.Struct(">8sI")
_SIGNED_LAYOUT = struct.Struct(">8sI32s32s32s")
_CONTEXT = SEALED_MAGIC.decode("ascii")


@dataclass(frozen=True, slots=True)
class EncryptedHeader:
    """What everybody can read of a packet.

    Args:
        nice: niceness of the packet on its way, 0 to 255.
        sender: the author, who signed it.
        recipient: the node (or area) that can open it.
        ephemeral: X25519 public key of this packet alone, 32 bytes.
        signature: Ed25519 of the fields before, 64 bytes.
    """

    nice: int
    sender: NodeId
    recipient: NodeId
    ephemeral: bytes
    signature: bytes


def encode_header(header: EncryptedHeader) -> bytes:
    """Write the header of an encrypted packet, 172 bytes.

    Raises:
        PacketError: the niceness is not 0 to 255.

    Spec: NNCP 8 manual, Encrypted packet; RFC 4506 section 4.9.
    """
    return _signed_part(header) + header.signature


def decode_header(raw: bytes | memoryview) -> EncryptedHeader:
    """Read the header of an encrypted packet. The signature is not verified.

    Args:
        raw: exactly ``ENCRYPTED_HEADER_BYTES`` bytes.

    Raises:
        Truncated: another number of bytes.
        BadMagic: not an encrypted packet, or a version that is not read.
        PacketError: the niceness is not 0 to 255.

    Spec: NNCP 8 manual, Encrypted packet; RFC 4506 section 4.9.
    """
    nice = decode_nice(raw)
    _, _, sender, recipient, ephemeral, signature = _LAYOUT.unpack(raw)
    return EncryptedHeader(nice, NodeId(sender), NodeId(recipient), ephemeral, signature)


def decode_nice(raw: bytes | memoryview) -> int:
    """Read the niceness off the header of an encrypted packet, and no more of it.

    Args:
        raw: exactly ``ENCRYPTED_HEADER_BYTES`` bytes.

    Raises:
        Truncated: another number of bytes.
        BadMagic: not an encrypted packet, or a version that is not read.
        PacketError: the niceness is not 0 to 255.

    Spec: NNCP 8 manual, Encrypted packet; RFC 4506 section 4.9.
    """
    if len(raw) != ENCRYPTED_HEADER_BYTES:
        raise Truncated(f"header of an encrypted packet: {len(raw)} bytes, not {ENCRYPTED_HEADER_BYTES}")
    magic, nice = _START_LAYOUT.unpack_from(raw)
    if magic != SEALED_MAGIC:
        raise BadMagic(f"not an encrypted packet: {describe_magic(magic)}")
    check_byte("niceness of an encrypted packet", nice)
    return int(nice)


def sign_header(nice: int, sender: NodeId, recipient: NodeId, ephemeral: bytes, signprv: bytes) -> bytes:
    """Write a header and sign it, 172 bytes.

    Args:
        nice: 0 to 255.
        sender: the author.
        recipient: who can open it.
        ephemeral: X25519 public key of this packet, 32 bytes.
        signprv: the author's private signing key, 64 bytes.

    Raises:
        PacketError: the niceness is not 0 to 255.

    Spec: NNCP 8 manual, Encrypted packet; RFC 8032.
    """
    check_byte("niceness of an encrypted packet", nice)
    signed = _SIGNED_LAYOUT.pack(SEALED_MAGIC, nice, sender.raw, recipient.raw, ephemeral)
    return signed + bindings.crypto_sign(signed, signprv)[:SIGNATURE_BYTES]


def area_message_id(header: bytes) -> AreaMessageId:
    """The name of a message of an area, the same however often it is passed on.

    Args:
        header: the first 172 bytes of the packet that is sealed for the area.

    Spec: NNCP 8 manual, Multicast areas.
    """
    return AreaMessageId(hashlib.blake2b(header, digest_size=ID_BYTES).digest())


def verify_header(header: EncryptedHeader, signpub: bytes) -> None:
    """Check that a header was signed with a key.

    Args:
        header: as it was read.
        signpub: the sender's public signing key, 32 bytes.

    Raises:
        BadSignature: it was not.

    Spec: NNCP 8 manual, Encrypted packet; RFC 8032.
    """
    try:
        bindings.crypto_sign_open(header.signature + _signed_part(header), signpub)
    except nacl_exceptions.BadSignatureError:
        raise BadSignature(f"invalid signature: the header is not signed by {header.sender}") from None


def _signed_part(header: EncryptedHeader) -> bytes:
    check_byte("niceness of an encrypted packet", header.nice)
    return _SIGNED_LAYOUT.pack(
        SEALED_MAGIC, header.nice, header.sender.raw, header.recipient.raw, header.ephemeral
    )


class BlockKeys:
    """The keys of one packet and what its blocks are bound to.

    Args:
        signed: the packet's first 108 bytes; every block is authenticated together with them.
        shared: X25519 result of both sides, 32 bytes.
    """

    __slots__ = ("_full", "_shared", "associated")

    def __init__(self, signed: bytes | memoryview, shared: bytes) -> None:
        self._shared = shared
        self._full: ChaCha20Poly1305 | None = None
        self.associated = blake3(signed).digest()

    def full(self) -> ChaCha20Poly1305:
        """The cipher of full blocks and of the tail; made when first needed."""
        if self._full is None:
            self._full = ChaCha20Poly1305(self._derive("FULL"))
        return self._full

    def size(self) -> ChaCha20Poly1305:
        """The cipher of the block that holds the sizes."""
        return ChaCha20Poly1305(self._derive("SIZE"))

    def pad(self) -> "OuterPad":
        """The padding behind the last block."""
        return OuterPad(self._derive("PAD"))

    def _derive(self, purpose: str) -> bytes:
        return blake3(self._shared, derive_key_context=f"{_CONTEXT} {purpose}").digest()


class OuterPad:
    """Padding behind the last block: as long as needed, and told apart from blocks by nobody else.

    Args:
        key: 32 bytes.
    """

    __slots__ = ("_position_bytes", "_stream")

    def __init__(self, key: bytes) -> None:
        self._stream = blake3(key=key)
        self._position_bytes = 0

    def take(self, size_bytes: int) -> bytes:
        """The next ``size_bytes`` of it."""
        piece = self._stream.digest(length=size_bytes, seek=self._position_bytes)
        self._position_bytes += size_bytes
        return piece


def agree(private: bytes, public: bytes, what: str, node: NodeId) -> bytes:
    """X25519 of a private and a public key.

    Args:
        private: 32 bytes.
        public: 32 bytes.
        what: what the public key is, for the error's text.
        node: whose it is, for the error's text.

    Returns:
        The shared secret, 32 bytes, never all zero.

    Raises:
        PacketError: the public key is a point of low order, which gives the same secret to all.

    Spec: RFC 7748 section 6.1.
    """
    try:
        return bindings.crypto_scalarmult(private, public)
    except nacl_exceptions.RuntimeError:
        raise PacketError(f"{what} of {node}: a low-order X25519 point, no secret can be agreed on") from None


def nonce(block_number: int) -> bytes:
    """The nonce of a block, counted from 0 over all keys.

    Spec: NNCP 8 manual, Encrypted packet.
    """
    return block_number.to_bytes(NONCE_BYTES, "big")
