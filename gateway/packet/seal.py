"""Making packets: a stream of payload goes in, a stream of encrypted packet comes out.

``Sealer`` is one layer; ``OnionSealer`` is the packet with a layer for every relay around it.

    feed(payload) ...  →  header and blocks        finish()  →  the rest

Contract: the output is a packet only when ``finish`` has returned; any split of the input gives
the same output (for the same randomness). Memory: two blocks for each layer and the size of what
is fed. After an error every further call raises the same error.

Spec: NNCP 8 manual, Encrypted packet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings

from gateway.errors import GatewayError, TooLarge
from gateway.ids import NodeId
from gateway.packet.blocks import BlockGatherer
from gateway.packet.keys import KEY_BYTES, PrivateKeys, Random
from gateway.packet.padding import UNLIMITED_BYTES, pad_bytes
from gateway.packet.plain import PLAIN_HEADER_BYTES, PacketType, PlainHeader, encode_plain
from gateway.packet.sealed import (
    BLOCK_BYTES,
    SIGNED_BYTES,
    SIZE_LAYOUT,
    UNIT_BYTES,
    BlockKeys,
    agree,
    nonce,
    sign_header,
)

Piece = bytes | memoryview

NICE_AREA = 0
"""Inner niceness that Go NNCP writes around the message of an area; nobody reads it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Whom a layer is sealed to.

    Args:
        id: the node (or area).
        exchpub: its X25519 public key, 32 bytes.
    """

    id: NodeId
    exchpub: bytes


class Sealer:
    """Seals one layer.

    Args:
        author: who signs.
        recipient: who can open it.
        plain: what the payload is.
        nice: niceness of the packet on its way, 0 to 255.
        rng: cryptographic randomness, for the key of this packet.
        maxsize_bytes: refuse more than this, the plain header counted.

    Raises:
        PacketError: a value has no place in the header, or the recipient's key is unusable.
        TooLarge: the path is too long.

    Spec: NNCP 8 manual, Encrypted packet.
    """

    def __init__(
        self,
        author: PrivateKeys,
        recipient: Hop,
        plain: PlainHeader,
        *,
        nice: int,
        rng: Random,
        maxsize_bytes: int = UNLIMITED_BYTES,
    ) -> None:
        first = encode_plain(plain)
        ephemeral_private = rng(KEY_BYTES)
        ephemeral = bindings.crypto_scalarmult_base(ephemeral_private)
        shared = agree(ephemeral_private, recipient.exchpub, "exchpub", recipient.id)
        self.header = sign_header(nice, author.id, recipient.id, ephemeral, author.signprv)
        """The packet's first 172 bytes."""
        self.plain_total_bytes = PLAIN_HEADER_BYTES
        """Plain header and payload so far."""
        self._maxsize_bytes = maxsize_bytes
        self._keys = BlockKeys(self.header[:SIGNED_BYTES], shared)
        self._unsent = self.header
        self._blocks = BlockGatherer(BLOCK_BYTES)
        self._blocks.next_block(memoryview(first))
        self._block_count = 0
        self._out = bytearray()
        self._is_finished = False
        self._failure: GatewayError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> Piece:
        """Take the next bytes of the payload.

        Returns:
            The next bytes of the packet, often none; valid until the next call.

        Raises:
            TooLarge: the plain packet passes its limit.
        """
        self._check_open()
        view = memoryview(data)
        self.plain_total_bytes += len(view)
        if self.plain_total_bytes > self._maxsize_bytes:
            self._failure = TooLarge(
                f"the packet holds more than {self._maxsize_bytes} bytes, which is the most allowed for it"
            )
            raise self._failure
        block_count = self._blocks.count_with(len(view))
        if not block_count:
            self._blocks.next_block(view)
            unsent, self._unsent = self._unsent, b""
            return unsent
        return self._seal_blocks(view, block_count)

    def finish_pieces(self, padding_bytes: int = 0) -> Iterator[Piece]:
        """End the payload; the packet is complete when all pieces were taken.

        Args:
            padding_bytes: how much to add.

        Yields:
            The rest of the packet in pieces of about a block; each is valid until the next.
        """
        self._check_open()
        self._is_finished = True
        yield self._unsent
        clear = SIZE_LAYOUT.pack(self.plain_total_bytes, padding_bytes) + self._blocks.rest()
        cipher = self._keys.size()
        if len(clear) > BLOCK_BYTES:
            yield self._seal_last(cipher, clear[:BLOCK_BYTES])
            cipher, clear = self._keys.full(), clear[BLOCK_BYTES:]
        inner_bytes = min(padding_bytes, BLOCK_BYTES - len(clear))
        yield self._seal_last(cipher, clear + bytes(inner_bytes))
        outer_bytes = padding_bytes - inner_bytes
        if outer_bytes:
            pad = self._keys.pad()
            for start in range(0, outer_bytes, BLOCK_BYTES):
                yield pad.take(min(BLOCK_BYTES, outer_bytes - start))

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_finished:
            raise AssertionError("internal error: the packet is finished")

    def _seal_blocks(self, view: memoryview, block_count: int) -> Piece:
        at = len(self._unsent)
        size_bytes = at + block_count * UNIT_BYTES
        if len(self._out) < size_bytes:
            self._out = bytearray(size_bytes)
        out = memoryview(self._out)
        out[:at] = self._unsent
        self._unsent = b""
        cipher, associated = self._keys.full(), self._keys.associated
        block, view = self._blocks.next_block(view)
        while block is not None:
            cipher.encrypt_into(nonce(self._block_count), block, associated, out[at : at + UNIT_BYTES])
            self._block_count += 1
            at += UNIT_BYTES
            block, view = self._blocks.next_block(view)
        return out[:at]

    def _seal_last(self, cipher: ChaCha20Poly1305, clear: bytes) -> bytes:
        sealed = cipher.encrypt(nonce(self._block_count), clear, self._keys.associated)
        self._block_count += 1
        return sealed


class OnionSealer:
    """Seals a packet in layers: one for its destination, one for each relay, one within for an area.

    Every layer is signed by the author and has a key of its own. All padding is put in the
    innermost layer, so that it lasts when a message of an area is passed on.

    Args:
        author: who signs.
        destination: who gets the payload, or, with an area, what is sealed for the area.
        via: the relays in order of travel; empty for a packet handed to its destination.
        plain: what the payload is.
        nice: niceness of every layer, 0 to 255.
        rng: cryptographic randomness.
        minsize_bytes: pad to this size.
        maxsize_bytes: refuse more than this, the plain header counted.
        area: whose members may read the payload; None: the destination.

    Raises:
        PacketError: a value has no place in the header, or a node's key is unusable.
        TooLarge: the path is too long.

    Spec: NNCP 8 manual, Encrypted packet; Plain packet (trns, area).
    """

    def __init__(  # noqa: PLR0913 - each is a field of the packet or decides one
        self,
        author: PrivateKeys,
        destination: Hop,
        via: Sequence[Hop],
        plain: PlainHeader,
        *,
        nice: int,
        rng: Random,
        minsize_bytes: int = 0,
        maxsize_bytes: int = UNLIMITED_BYTES,
        area: Hop | None = None,
    ) -> None:
        self._minsize_bytes = minsize_bytes
        reader = area or destination
        self._inner = Sealer(author, reader, plain, nice=nice, rng=rng, maxsize_bytes=maxsize_bytes)
        self._layers = [self._inner]
        if area is not None:
            around = PlainHeader(PacketType.AREA, NICE_AREA, area.id.raw)
            self._layers.append(Sealer(author, destination, around, nice=nice, rng=rng))
        next_id = destination.id
        for hop in reversed(via):
            wrapper = PlainHeader(PacketType.TRNS, 0, next_id.raw)
            self._layers.append(Sealer(author, hop, wrapper, nice=nice, rng=rng))
            next_id = hop.id
        self.first_hop = next_id
        """The node the packet is handed to."""

    @property
    def header(self) -> bytes:
        """The packet's first 172 bytes: the header of the outermost layer."""
        return self._layers[-1].header

    @property
    def inner_header(self) -> bytes:
        """The first 172 bytes of the innermost layer."""
        return self._inner.header

    @property
    def plain_total_bytes(self) -> int:
        """Plain header and payload of the innermost layer so far."""
        return self._inner.plain_total_bytes

    def feed(self, data: bytes | bytearray | memoryview) -> Piece:
        """Take the next bytes of the payload.

        Returns:
            The next bytes of the packet, often none; valid until the next call.

        Raises:
            TooLarge: the plain packet passes its limit.
        """
        return self._wrap(self._inner.feed(data), 1)

    def finish_pieces(self) -> Iterator[Piece]:
        """End the payload; the packet is complete when all pieces were taken.

        Yields:
            The rest of the packet in pieces; each is valid until the next.
        """
        padding_bytes = pad_bytes(self.plain_total_bytes, self._minsize_bytes, len(self._layers))
        for number, layer in enumerate(self._layers, start=1):
            for piece in layer.finish_pieces(padding_bytes):
                yield self._wrap(piece, number)
            padding_bytes = 0

    def finish(self) -> bytes:
        """End the payload and return the rest of the packet, all padding included.

        Use ``finish_pieces`` where much padding must not be held in memory.
        """
        # One by one: b"".join would keep every piece until the end, when its buffer is long reused.
        whole = bytearray()
        for piece in self.finish_pieces():
            whole += piece
        return bytes(whole)

    def _wrap(self, piece: Piece, number: int) -> Piece:
        """Send what one layer gave through those around it."""
        for layer in self._layers[number:]:
            piece = layer.feed(piece)
        return piece
