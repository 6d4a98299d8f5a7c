"""Noise_IK_25519_ChaChaPoly_BLAKE2b: who the two sides are, and the keys between them.

    Initiator: write_first(payload) → read_second(message) → ciphers
    Responder: read_first(message)  → write_second(payload) → ciphers

Contract: each method is called once, in this order. A message that does not authenticate raises
RemoteProtocolError, and the object is of no use any more. The prologue is empty, the transport's
associated data too, and no key is ever renewed.

Spec: Noise Protocol Framework revision 34, sections 5 and 7.5 (IK); NNCP 8 manual, Sync protocol.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings
from nacl import exceptions as nacl_exceptions

from gateway.errors import RemoteProtocolError

KEY_BYTES = 32
TAG_BYTES = 16
FIRST_OVERHEAD_BYTES = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES
"""What the first message has beside its payload: ephemeral key, sealed static key, tag."""
SECOND_OVERHEAD_BYTES = KEY_BYTES + TAG_BYTES
_NAME = b"Noise_IK_25519_ChaChaPoly_BLAKE2b"
_HASH_BYTES = 64

Piece = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class NoisePair:
    """A node's static keys of the online protocol, X25519, 32 bytes each."""

    private: bytes = field(repr=False)
    public: bytes


class Cipher:
    """One direction of the transport; messages are counted from 0 and must stay in order.

    Args:
        key: 32 bytes.
    """

    __slots__ = ("_aead", "_count")

    def __init__(self, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._count = 0

    def seal(self, message: memoryview) -> None:
        """Encrypt in place.

        Args:
            message: plaintext, and TAG_BYTES of room behind it.
        """
        self._aead.encrypt_into(self._nonce(), message[:-TAG_BYTES], None, message)

    def open(self, message: memoryview) -> memoryview:
        """Decrypt in place.

        Returns:
            The plaintext, a part of ``message``.

        Raises:
            RemoteProtocolError: changed, or out of order; ``message`` then holds rubbish.
        """
        if len(message) < TAG_BYTES:
            raise RemoteProtocolError(f"a message of {len(message)} bytes is too short to be authentic")
        plaintext = message[:-TAG_BYTES]
        try:
            self._aead.decrypt_into(self._nonce(), message, None, plaintext)
        except InvalidTag:
            raise RemoteProtocolError(f"message {self._count - 1} does not authenticate") from None
        return plaintext

    def _nonce(self) -> bytes:
        # Little-endian here, unlike in packets.
        nonce = b"\0\0\0\0" + self._count.to_bytes(8, "little")
        self._count += 1
        return nonce


@dataclass(frozen=True, slots=True)
class Ciphers:
    """Both directions, as one side sees them."""

    sending: Cipher
    receiving: Cipher


class _Symmetric:
    """Hash, chaining key and cipher key that both sides carry through the handshake.

    Every key encrypts once, since each ``seal`` of IK follows a ``mix_key``: the nonce is always 0.
    """

    def __init__(self, responder_public: bytes) -> None:
        self.hash = self._chain = _NAME.ljust(_HASH_BYTES, b"\0")
        self._key = bytes(KEY_BYTES)
        self.mix_hash(b"")
        self.mix_hash(responder_public)

    def mix_hash(self, data: Piece) -> None:
        digest = hashlib.blake2b(self.hash)
        digest.update(data)
        self.hash = digest.digest()

    def mix_key(self, private: bytes, public: bytes) -> None:
        """Mix in what a private and a public key agree on."""
        try:
            shared = bindings.crypto_scalarmult(private, public)
        except nacl_exceptions.RuntimeError:
            raise RemoteProtocolError("a low-order X25519 point, no secret can be agreed on") from None
        self._chain, key = self._derive(shared)
        self._key = key[:KEY_BYTES]

    def seal(self, plaintext: Piece) -> bytes:
        ciphertext = ChaCha20Poly1305(self._key).encrypt(bytes(12), plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def open(self, ciphertext: Piece, what: str) -> bytes:
        try:
            plaintext = ChaCha20Poly1305(self._key).decrypt(bytes(12), ciphertext, self.hash)
        except InvalidTag:
            raise RemoteProtocolError(f"{what} does not authenticate") from None
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """The keys of the initiator's and of the responder's direction."""
        first, second = self._derive(b"")
        return first[:KEY_BYTES], second[:KEY_BYTES]

    def _derive(self, material: bytes) -> tuple[bytes, bytes]:
        secret = hmac.digest(self._chain, material, "blake2b")
        first = hmac.digest(secret, b"\1", "blake2b")
        return first, hmac.digest(secret, first + b"\2", "blake2b")


class Initiator:
    """The side that calls.

    Args:
        keys: its static keys.
        remote_pub: static key of whom it calls, 32 bytes.
        ephemeral_private: 32 fresh random bytes.
    """

    def __init__(self, keys: NoisePair, remote_pub: bytes, ephemeral_private: bytes) -> None:
        self._keys = keys
        self._remote_pub = remote_pub
        self._ephemeral_private = ephemeral_private
        self._symmetric = _Symmetric(remote_pub)

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that name the session once the handshake is done."""
        return self._symmetric.hash

    def write_first(self, payload: bytes) -> bytes:
        """Make the first message.

        Args:
            payload: only the responder can read it.

        Returns:
            FIRST_OVERHEAD_BYTES more than the payload.

        Raises:
            RemoteProtocolError: the responder's key is a point of low order.
        """
        symmetric = self._symmetric
        ephemeral = bindings.crypto_scalarmult_base(self._ephemeral_private)
        symmetric.mix_hash(ephemeral)
        symmetric.mix_key(self._ephemeral_private, self._remote_pub)
        static = symmetric.seal(self._keys.public)
        symmetric.mix_key(self._keys.private, self._remote_pub)
        return ephemeral + static + symmetric.seal(payload)

    def read_second(self, message: Piece) -> bytes:
        """Read the responder's answer.

        Returns:
            Its payload.

        Raises:
            RemoteProtocolError: it is not the answer of whom we called.
        """
        if len(message) < SECOND_OVERHEAD_BYTES:
            raise RemoteProtocolError(f"an answer of {len(message)} bytes is too short")
        symmetric = self._symmetric
        ephemeral = bytes(message[:KEY_BYTES])
        symmetric.mix_hash(ephemeral)
        symmetric.mix_key(self._ephemeral_private, ephemeral)
        symmetric.mix_key(self._keys.private, ephemeral)
        return symmetric.open(message[KEY_BYTES:], "the answer")

    def ciphers(self) -> Ciphers:
        """The keys that both sides agreed on."""
        ours, theirs = self._symmetric.split()
        return Ciphers(Cipher(ours), Cipher(theirs))


class Responder:
    """The side that is called.

    Args:
        keys: its static keys.
        ephemeral_private: 32 fresh random bytes.
    """

    def __init__(self, keys: NoisePair, ephemeral_private: bytes) -> None:
        self.remote_pub = b""
        """Static key of who calls, once ``read_first`` returned; whether it is known, others decide."""
        self._keys = keys
        self._ephemeral_private = ephemeral_private
        self._remote_ephemeral = b""
        self._symmetric = _Symmetric(keys.public)

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that name the session once the handshake is done."""
        return self._symmetric.hash

    def read_first(self, message: Piece) -> bytes:
        """Read the caller's message.

        Returns:
            Its payload. Whoever recorded an earlier call can send it again.

        Raises:
            RemoteProtocolError: it was not made for us, or was changed.
        """
        if len(message) < FIRST_OVERHEAD_BYTES:
            raise RemoteProtocolError(f"a call of {len(message)} bytes is too short")
        symmetric = self._symmetric
        self._remote_ephemeral = bytes(message[:KEY_BYTES])
        static_end = KEY_BYTES + KEY_BYTES + TAG_BYTES
        symmetric.mix_hash(self._remote_ephemeral)
        symmetric.mix_key(self._keys.private, self._remote_ephemeral)
        remote_pub = symmetric.open(message[KEY_BYTES:static_end], "the caller's key")
        symmetric.mix_key(self._keys.private, remote_pub)
        payload = symmetric.open(message[static_end:], "the call")
        self.remote_pub = remote_pub
        return payload

    def write_second(self, payload: bytes) -> bytes:
        """Make the answer.

        Args:
            payload: only who made this very call can read it.

        Returns:
            SECOND_OVERHEAD_BYTES more than the payload.
        """
        symmetric = self._symmetric
        ephemeral = bindings.crypto_scalarmult_base(self._ephemeral_private)
        symmetric.mix_hash(ephemeral)
        symmetric.mix_key(self._ephemeral_private, self._remote_ephemeral)
        symmetric.mix_key(self._ephemeral_private, self.remote_pub)
        return ephemeral + symmetric.seal(payload)

    def ciphers(self) -> Ciphers:
        """The keys that both sides agreed on."""
        theirs, ours = self._symmetric.split()
        return Ciphers(Cipher(ours), Cipher(theirs))
