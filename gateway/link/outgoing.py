"""Frames on their way out, packed into messages and sealed.

Contract: a PING goes first, then what we owe the peer (DONE; FREQ and HALT), then INFO, then FILE, each
kind in its order. Frames share a message as far as they fit; none is split.

Spec: NNCP 8 manual, Sync protocol.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from gateway.ids import PacketId
from gateway.link.envelope import MESSAGE_LIMIT_BYTES, seal_envelope
from gateway.link.events import Offer
from gateway.link.frames import INFO_BYTES, PING, encode_done, encode_file, encode_info, file_bytes
from gateway.link.noise import Cipher


class Outgoing:
    """What is to be sent next.

    Args:
        chunk_bytes: data of a file in one frame at most; no message is longer than such a frame.
    """

    def __init__(self, chunk_bytes: int) -> None:
        self.message_bytes = min(MESSAGE_LIMIT_BYTES, file_bytes(chunk_bytes))
        """Plaintext of one message at most."""
        self.files_bytes = 0
        """Room that the FILE frames take."""
        self._confirmations: list[bytes] = []
        self._requests: list[bytes] = []
        self._files: list[Sequence[bytes]] = []
        self._is_ping_due = False

    @property
    def info_count(self) -> int:
        """INFO frames that fit into one message."""
        return self.message_bytes // INFO_BYTES

    @property
    def owed_count(self) -> int:
        """Frames that we owe the peer."""
        return len(self._confirmations) + len(self._requests)

    @property
    def has_files(self) -> bool:
        """Whether pieces of files are to be sent."""
        return bool(self._files)

    @property
    def has_ping(self) -> bool:
        """Whether a PING is to be sent."""
        return self._is_ping_due

    def add_ping(self) -> None:
        """Send a PING."""
        self._is_ping_due = True

    def add_confirmation(self, packet: PacketId) -> None:
        """Send DONE."""
        self._confirmations.append(encode_done(packet))

    def add_request(self, frame: bytes) -> None:
        """Send FREQ or HALT."""
        self._requests.append(frame)

    def add_file(self, packet: PacketId, offset_bytes: int, data: bytes) -> None:
        """Send a piece of a file."""
        self._files.append(encode_file(packet, offset_bytes, data))
        self.files_bytes += file_bytes(len(data))

    def fetch(self, offers: Sequence[Offer], cipher: Cipher) -> list[bytearray]:
        """Seal all there is.

        Args:
            offers: to be announced, ``info_count`` of them at most.
            cipher: of our direction.

        Returns:
            Envelopes.
        """
        pings = [PING] if self._is_ping_due else []
        infos = [encode_info(offer.packet, offer.nice, offer.size_bytes) for offer in offers]
        small = ((frame,) for frame in chain(pings, self._confirmations, self._requests, infos))
        envelopes = self._seal(chain(small, self._files), cipher)
        self._confirmations, self._requests, self._files = [], [], []
        self._is_ping_due = False
        self.files_bytes = 0
        return envelopes

    def fetch_confirmations(self, cipher: Cipher) -> list[bytearray]:
        """Seal what spares the peer from announcing a packet again, and nothing else."""
        envelopes = self._seal(((frame,) for frame in self._confirmations), cipher)
        self._confirmations = []
        return envelopes

    def _seal(self, frames: Iterable[Sequence[bytes]], cipher: Cipher) -> list[bytearray]:
        return [seal_envelope(parts, cipher) for parts in self._messages(frames)]

    def _messages(self, frames: Iterable[Sequence[bytes]]) -> Iterator[list[bytes]]:
        parts: list[bytes] = []
        filled_bytes = 0
        for frame in frames:
            size_bytes = sum(map(len, frame))
            if parts and filled_bytes + size_bytes > self.message_bytes:
                yield parts
                parts, filled_bytes = [], 0
            parts.extend(frame)
            filled_bytes += size_bytes
        if parts:
            yield parts
