"""The envelope around every message of Noise: magic, length, body, zeros up to a multiple of 4.

Contract of the reader: any split of the input gives the same bodies. It holds what arrived of one
envelope, never more than it announced and than BODY_LIMIT_BYTES; wrong first bytes are found at
once, not when the head is complete. After an error every further call raises the same error.

Spec: NNCP 8 manual, Sync protocol; RFC 4506 section 4.10.
"""

from collections.abc import Iterator

from gateway.errors import RemoteProtocolError
from gateway.link.noise import TAG_BYTES, Cipher, Piece

MAGIC = b"NNCPS\0\0\x01"
HEAD_BYTES = len(MAGIC) + 4
BODY_LIMIT_BYTES = 131072
"""Go NNCP reads no longer body."""
MESSAGE_LIMIT_BYTES = 65536 - 256
"""Plaintext in one message at most."""


def pad_bytes(size_bytes: int) -> int:
    """How many zeros follow so many bytes in XDR."""
    return -size_bytes % 4


def wrap(body: bytes) -> bytes:
    """Put a message that is encrypted already in its envelope."""
    return MAGIC + len(body).to_bytes(4, "big") + body + bytes(pad_bytes(len(body)))


def seal_envelope(parts: list[bytes], cipher: Cipher) -> bytearray:
    """Encrypt a message and put it in its envelope.

    Args:
        parts: the plaintext; MESSAGE_LIMIT_BYTES together at most.
        cipher: of our direction.

    Returns:
        The envelope, which nobody else refers to.
    """
    body_bytes = sum(map(len, parts)) + TAG_BYTES
    head = MAGIC + body_bytes.to_bytes(4, "big")
    # One copy of the plaintext, which is then encrypted where it lies.
    envelope = bytearray().join((head, *parts, bytes(TAG_BYTES + pad_bytes(body_bytes))))
    cipher.seal(memoryview(envelope)[HEAD_BYTES : HEAD_BYTES + body_bytes])
    return envelope


class EnvelopeReader:
    """Finds the envelopes in a stream."""

    __slots__ = ("_failure", "_store", "_wanted_bytes", "body_bytes")

    def __init__(self) -> None:
        self.body_bytes = 0
        """Length that the envelope begun announces; 0 while its head is not complete."""
        self._store = bytearray()
        self._wanted_bytes = HEAD_BYTES
        self._failure: RemoteProtocolError | None = None

    @property
    def is_inside(self) -> bool:
        """Whether an envelope has begun and is not complete."""
        return bool(self._store)

    def feed(self, data: Piece) -> Iterator[memoryview]:
        """Take what arrived.

        Args:
            data: anything from a byte to many envelopes; it is not held on to.

        Yields:
            The body of each envelope that is complete: writable, and nobody else refers to it.

        Raises:
            RemoteProtocolError: wrong magic, or a length that no message has.
        """
        if self._failure is not None:
            raise self._failure
        rest = memoryview(data)
        while rest:
            taken_bytes = self._wanted_bytes - len(self._store)
            self._store += rest[:taken_bytes]
            rest = rest[taken_bytes:]
            if not self.body_bytes:
                self._read_head()
            elif len(self._store) == self._wanted_bytes:
                body = memoryview(self._store)[HEAD_BYTES : HEAD_BYTES + self.body_bytes]
                self._store = bytearray()
                self._wanted_bytes = HEAD_BYTES
                self.body_bytes = 0
                yield body

    def _read_head(self) -> None:
        begun = bytes(self._store[: len(MAGIC)])
        if not MAGIC.startswith(begun):
            # The text must not depend on how many bytes came together.
            wrong_at = next(at for at, byte in enumerate(begun) if byte != MAGIC[at])
            raise self._fail(f"{begun[: wrong_at + 1]!r} where an envelope should begin")
        if len(self._store) < HEAD_BYTES:
            return
        body_bytes = int.from_bytes(self._store[len(MAGIC) :], "big")
        if not TAG_BYTES <= body_bytes <= BODY_LIMIT_BYTES:
            raise self._fail(f"an envelope of {body_bytes} bytes; {TAG_BYTES} to {BODY_LIMIT_BYTES} allowed")
        self.body_bytes = body_bytes
        self._wanted_bytes = HEAD_BYTES + body_bytes + pad_bytes(body_bytes)

    def _fail(self, text: str) -> RemoteProtocolError:
        self._failure = RemoteProtocolError(text)
        return self._failure
