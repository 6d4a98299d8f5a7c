"""Opening packets: a stream of encrypted packet goes in, pieces of its payload come out.

    HEADER ──→ BLOCKS ──→ TAIL ──→ PAD ──→ END
                  │        └────────│──────↑
                  └─────────────────┴──────┘

    HEADER  the 172 bytes of the header; then recipient, sender and signature are checked
    BLOCKS  full blocks, until one opens with the key SIZE instead of FULL
    TAIL    the block of the last 1 to 15 bytes, where the size block had no room for them
    PAD     padding behind the last block
    END     nothing more may come

Contract: no byte leaves before its block is authenticated, but what ``feed`` returns is
PROVISIONAL: only when ``finish`` has returned is it proven that nothing is missing. The last
block comes out of ``finish``, since only the end of the stream shows where it ends. Any split
of the input gives the same payload. Memory: two blocks and the size of what is fed. After an
error every further call raises the same error.

Spec: NNCP 8 manual, Encrypted packet.
"""

from collections.abc import Callable
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gateway.errors import BadBlock, GatewayError, Truncated, UnknownNode
from gateway.ids import NodeId
from gateway.packet.blocks import BlockGatherer
from gateway.packet.keys import PublicKeys
from gateway.packet.plain import PLAIN_HEADER_BYTES, PlainHeader, decode_plain
from gateway.packet.sealed import (
    BLOCK_BYTES,
    ENCRYPTED_HEADER_BYTES,
    SIGNED_BYTES,
    SIZE_BYTES,
    SIZE_LAYOUT,
    TAG_BYTES,
    UNIT_BYTES,
    BlockKeys,
    EncryptedHeader,
    OuterPad,
    agree,
    decode_header,
    nonce,
    verify_header,
)


class _State(Enum):
    HEADER = "header"
    BLOCKS = "blocks"
    TAIL = "tail"
    PAD = "padding"
    END = "end"


class Unsealer:
    """Opens one layer.

    Args:
        own_id: whom the packet must be for: our node, or an area.
        own_exchprv: private X25519 key of that id, 32 bytes.
        find_keys: gives the public keys of a neighbour, or None.
        is_unknown_allowed: whether the packet of a sender that find_keys does not know is opened; its
            signature is not checked then.

    Spec: NNCP 8 manual, Encrypted packet.
    """

    def __init__(
        self,
        own_id: NodeId,
        own_exchprv: bytes,
        find_keys: Callable[[NodeId], PublicKeys | None],
        *,
        is_unknown_allowed: bool = False,
    ) -> None:
        self.header: EncryptedHeader | None = None
        """The packet's header, once it came and was verified."""
        self.plain: PlainHeader | None = None
        """What the payload is, once the first block came."""
        self._own_id = own_id
        self._own_exchprv = own_exchprv
        self._find_keys = find_keys
        self._is_unknown_allowed = is_unknown_allowed
        self._state = _State.HEADER
        self._blocks = BlockGatherer(ENCRYPTED_HEADER_BYTES)
        self._keys: BlockKeys
        self._pad: OuterPad
        self._block_count = 0
        self._opened_bytes = 0
        self._left_bytes = 0
        self._padding_bytes = 0
        self._out = bytearray()
        self._out_bytes = 0
        self._is_finished = False
        self._failure: GatewayError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """Take the next bytes of the packet.

        Returns:
            Pieces of the payload, provisional; valid until the next call.

        Raises:
            BadMagic: not a packet, or a version that is not read.
            UnknownNode: it is not for us, or its sender is not known.
            BadSignature: the header was not signed by its sender.
            BadBlock: a block does not authenticate, sizes or padding are wrong, or bytes follow the end.
            PacketError: the header is not acceptable otherwise.
        """
        self._check_open()
        self._out_bytes = 0
        pieces: list[memoryview] = []
        view = memoryview(data)
        try:
            while view:
                view = self._step(view, pieces)
        except GatewayError as error:
            self._failure = error
            raise
        return self._joined(pieces)

    def finish(self) -> list[memoryview]:
        """Prove that the packet is whole; nothing of it may be acted on before.

        Returns:
            The last pieces of the payload. All pieces are proven now.

        Raises:
            Truncated: the packet ends too early.
            BadBlock: the last block does not authenticate, or sizes or padding are wrong.
            PacketError: the plain header is not acceptable.
        """
        self._check_open()
        pieces: list[memoryview] = []
        try:
            self._end(pieces)
        except GatewayError as error:
            self._failure = error
            raise
        self._is_finished = True
        return pieces

    def _joined(self, pieces: list[memoryview]) -> list[memoryview]:
        """Make one piece of full blocks, which lie one behind the other: each costs whoever takes it."""
        if len(pieces) <= 1 or self._state is not _State.BLOCKS:
            return pieces
        start_bytes = self._out_bytes - sum(map(len, pieces))
        return [memoryview(self._out)[start_bytes : self._out_bytes]]

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_finished:
            raise AssertionError("internal error: the packet is finished")

    def _step(self, data: memoryview, pieces: list[memoryview]) -> memoryview:
        """Use the start of ``data`` as the state demands and return what is left."""
        if self._state is _State.PAD:
            return self._check_outer_pad(data)
        if self._state is _State.END:
            raise BadBlock(f"{len(data)} or more bytes follow the end of the packet")
        if self._state is not _State.HEADER:
            self._reserve(self._blocks.count_with(len(data)))
        block, data = self._blocks.next_block(data)
        if block is None:
            return data
        if self._state is _State.HEADER:
            self._open_header(block)
        elif self._state is _State.BLOCKS:
            self._open_unit(block, pieces)
        else:
            self._open_tail(block, pieces)
        return data

    def _end(self, pieces: list[memoryview]) -> None:
        rest = self._blocks.rest()
        if self._state is _State.HEADER:
            raise Truncated(f"the packet ends within its header: {len(rest)} bytes")
        if self._state in {_State.BLOCKS, _State.TAIL}:
            self._open_last(rest, pieces)
        if self._state is not _State.END:
            raise Truncated(
                f"the packet ends too early, before {self._left_bytes} bytes of payload "
                f"and {self._padding_bytes} of padding"
            )

    def _open_last(self, rest: memoryview, pieces: list[memoryview]) -> None:
        """Open the block that the end of the stream has cut off short."""
        if not rest:
            raise Truncated(f"the packet ends too early, after {self._block_count} blocks")
        is_size = self._state is _State.BLOCKS
        if len(rest) < TAG_BYTES + (SIZE_BYTES if is_size else self._left_bytes):
            raise Truncated(f"the packet ends within {self._where()}")
        cipher = self._keys.size() if is_size else self._keys.full()
        try:
            clear = cipher.decrypt(nonce(self._block_count), rest, self._keys.associated)
        except InvalidTag:
            raise BadBlock(
                f"{self._where()} does not authenticate: it was cut short or changed, or the keys are wrong"
            ) from None
        if is_size:
            self._take_size(memoryview(clear), pieces)
        else:
            self._take_tail(memoryview(clear), pieces)

    def _open_header(self, raw: memoryview) -> None:
        header = decode_header(raw)
        if header.recipient != self._own_id:
            raise UnknownNode(f"invalid recipient: the packet is for {header.recipient}, not {self._own_id}")
        sender = self._find_keys(header.sender)
        if sender is not None:
            verify_header(header, sender.signpub)
        elif not self._is_unknown_allowed:
            raise UnknownNode(f"unknown sender {header.sender}")
        shared = agree(self._own_exchprv, header.ephemeral, "ephemeral key of a packet", header.sender)
        self._keys = BlockKeys(raw[:SIGNED_BYTES], shared)
        self.header = header
        self._blocks = BlockGatherer(UNIT_BYTES)
        self._state = _State.BLOCKS

    def _open_unit(self, unit: memoryview, pieces: list[memoryview]) -> None:
        """Open a unit of full length: only trying tells which key it has."""
        clear = self._try_open(self._keys.full(), unit)
        if clear is not None:
            self._block_count += 1
            self._opened_bytes += BLOCK_BYTES
            self._emit(clear, pieces)
            return
        clear = self._try_open(self._keys.size(), unit)
        if clear is None:
            raise self._not_authentic()
        self._take_size(clear, pieces)

    def _open_tail(self, unit: memoryview, pieces: list[memoryview]) -> None:
        clear = self._try_open(self._keys.full(), unit)
        if clear is None:
            raise self._not_authentic()
        self._take_tail(clear, pieces)

    def _reserve(self, unit_count: int) -> None:
        """Make room for all that this call can open."""
        if len(self._out) < self._out_bytes + unit_count * BLOCK_BYTES and not self._out_bytes:
            self._out = bytearray(unit_count * BLOCK_BYTES)

    def _try_open(self, cipher: ChaCha20Poly1305, unit: memoryview) -> memoryview | None:
        target = memoryview(self._out)[self._out_bytes : self._out_bytes + BLOCK_BYTES]
        try:
            cipher.decrypt_into(nonce(self._block_count), unit, self._keys.associated, target)
        except InvalidTag:
            # The library leaves what it decrypted, though nothing proves it.
            target[:] = bytes(BLOCK_BYTES)
            return None
        self._out_bytes += BLOCK_BYTES
        return target

    def _take_size(self, clear: memoryview, pieces: list[memoryview]) -> None:
        total_bytes, self._padding_bytes = SIZE_LAYOUT.unpack(clear[:SIZE_BYTES])
        left_bytes = total_bytes - self._opened_bytes
        if total_bytes < PLAIN_HEADER_BYTES or not 0 <= left_bytes < BLOCK_BYTES:
            raise BadBlock(
                f"{self._where()} says that the plain packet has {total_bytes} bytes, "
                f"which does not fit the {self._opened_bytes} bytes before it"
            )
        body = clear[SIZE_BYTES:]
        if left_bytes > len(body) and len(clear) < BLOCK_BYTES:
            raise BadBlock(f"{self._where()} holds {len(body)} bytes, but {left_bytes} are announced")
        self._left_bytes = max(0, left_bytes - len(body))
        self._emit(body[:left_bytes], pieces)
        if self._left_bytes:
            self._block_count += 1
            self._state = _State.TAIL
        else:
            self._check_inner_pad(body[left_bytes:])

    def _take_tail(self, clear: memoryview, pieces: list[memoryview]) -> None:
        left_bytes, self._left_bytes = self._left_bytes, 0
        self._emit(clear[:left_bytes], pieces)
        self._check_inner_pad(clear[left_bytes:])

    def _emit(self, clear: memoryview, pieces: list[memoryview]) -> None:
        if self.plain is None:
            self.plain = decode_plain(clear[:PLAIN_HEADER_BYTES])
            clear = clear[PLAIN_HEADER_BYTES:]
        if clear:
            pieces.append(clear)

    def _check_inner_pad(self, padding: memoryview) -> None:
        if len(padding) > self._padding_bytes:
            raise BadBlock(
                f"{self._where()} has {len(padding)} bytes of padding, "
                f"but {self._padding_bytes} are announced"
            )
        if padding.tobytes().count(0) != len(padding):
            raise BadBlock(f"{self._where()} has padding that is not zero")
        self._padding_bytes -= len(padding)
        self._block_count += 1
        self._state = _State.END
        if self._padding_bytes:
            self._state = _State.PAD
            self._pad = self._keys.pad()

    def _check_outer_pad(self, data: memoryview) -> memoryview:
        size_bytes = min(self._padding_bytes, len(data), BLOCK_BYTES)
        if data[:size_bytes].tobytes() != self._pad.take(size_bytes):
            raise BadBlock("the padding behind the last block is not what its key makes")
        self._padding_bytes -= size_bytes
        if not self._padding_bytes:
            self._state = _State.END
        return data[size_bytes:]

    def _where(self) -> str:
        offset = ENCRYPTED_HEADER_BYTES + self._block_count * UNIT_BYTES
        return f"block {self._block_count} (at byte {offset})"

    def _not_authentic(self) -> BadBlock:
        return BadBlock(f"{self._where()} does not authenticate: it was changed, or the keys are wrong")
