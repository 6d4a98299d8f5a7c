"""What both sides say about packets once they know each other: frames and orders in, frames and events out.

It knows no bytes of the wire, no keys and no time; the session does.

Contract: no frame of the peer raises. What is wrong with one and harms nobody is told as Ignored, the
first IGNORED_LIMIT_COUNT times.

Spec: NNCP 8 manual, Sync protocol.
"""

from collections.abc import Sequence

from gateway.errors import LocalProtocolError
from gateway.ids import PacketId
from gateway.link.events import Chunk, Confirmed, Event, Halted, Ignored, Offer, Offered, Requested
from gateway.link.frames import HALT, Done, File, Frame, Freq, Halt, Info, Ping, encode_freq
from gateway.link.noise import Cipher, Piece
from gateway.link.outgoing import Outgoing
from gateway.link.receive_queue import ReceiveQueue
from gateway.link.send_queue import SendQueue
from gateway.link.settings import LinkSettings

IGNORED_LIMIT_COUNT = 20
"""A log has better things to hold than one peer's faults."""
OWED_LIMIT_COUNT = 20_000
"""Frames owed to a peer, about 2 MB, beyond which nothing more is to be read from it."""


class Dialogue:
    """Who wants and has which packet.

    Args:
        settings: what is announced and taken.
    """

    def __init__(self, settings: LinkSettings) -> None:
        self.is_winding_down = False
        """Nothing more is begun: neither announced nor asked for nor read."""
        self._settings = settings
        self._sending = SendQueue()
        self._receiving = ReceiveQueue()
        self._outgoing = Outgoing(settings.chunk_bytes)
        self._ignored_count = 0
        self._is_turn_of_files = False
        """INFO was sent last: while files are wanted, both take turns."""

    @property
    def has_unsent(self) -> bool:
        """Whether the peer lacks something it requested."""
        return self._sending.has_requests or self._sending.has_reserved or self._outgoing.has_files

    @property
    def has_unreceived(self) -> bool:
        """Whether we lack something we requested."""
        return self._receiving.has_requested

    @property
    def has_output(self) -> bool:
        """Whether there is something to fetch or to read."""
        if self._outgoing.has_ping or self._outgoing.owed_count or self._outgoing.has_files:
            return True
        if self.is_winding_down:
            return False
        is_readable = self._sending.has_requests and not self._sending.has_reserved
        return self._may_announce or is_readable

    @property
    def is_busy(self) -> bool:
        """Whether there is output, or our side has still to do its part."""
        return self.has_output or self._sending.has_reserved or self._receiving.has_complete

    @property
    def may_receive(self) -> bool:
        """Whether the peer takes what we owe it."""
        return self._outgoing.owed_count < OWED_LIMIT_COUNT

    def first_offers(self) -> list[Offer]:
        """What fits into the message of the handshake."""
        return self._sending.next_offers(self._outgoing.info_count)

    def announce(self, offers: Sequence[Offer]) -> None:
        """Tell the peer of packets, as far as the settings let us."""
        if self._settings.is_sending:
            self._sending.add(
                offer for offer in offers if offer.nice <= self._settings.nice and offer.size_bytes > 0
            )

    def receive(self, frame: Frame) -> Event | None:
        """Take a frame of the peer."""
        match frame:
            case File():
                taken = self._receiving.take(frame)
                return self._ignored(taken) if isinstance(taken, str) else taken
            case Info():
                return self._receive_info(frame)
            case Freq(packet, offset_bytes):
                fault = self._sending.request(packet, offset_bytes)
                return self._ignored(fault) if fault else Requested(packet, offset_bytes)
            case Done(packet):
                self._sending.drop(packet)
                return Confirmed(packet)
            case Halt():
                halted = self._sending.halt()
                return Halted(halted) if halted else None
            case Ping():
                return None

    def request(self, packet: PacketId, offset_bytes: int) -> None:
        """Ask for an offered packet.

        Raises:
            LocalProtocolError: it was not offered, or is shorter.
        """
        if not self.is_winding_down:
            self._receiving.request(packet, offset_bytes)
            self._outgoing.add_request(encode_freq(packet, offset_bytes))

    def confirm(self, packet: PacketId) -> None:
        """Tell the peer that we have a packet for good."""
        self._receiving.forget(packet)
        self._outgoing.add_confirmation(packet)

    def abandon(self, packet: PacketId) -> None:
        """Want nothing more of a packet of the peer."""
        self._receiving.forget(packet)

    def give_up(self, packet: PacketId) -> None:
        """Send nothing more of a packet of ours."""
        self._sending.drop(packet)

    def wind_down(self) -> None:
        """Begin nothing more, and have the peer stop."""
        self.is_winding_down = True
        if self.has_unreceived:
            self._outgoing.add_request(HALT)

    def add_ping(self) -> None:
        """Show the peer that we are there."""
        self._outgoing.add_ping()

    def reserve(self) -> Chunk | None:
        """Take the next piece to be read, if it fits into the message that is being filled."""
        if self.is_winding_down:
            return None
        room_bytes = self._outgoing.message_bytes - self._outgoing.files_bytes - self._sending.reserved_bytes
        return self._sending.reserve(self._settings.chunk_bytes, room_bytes)

    def send_chunk(self, chunk: Chunk, data: Piece) -> None:
        """Send a reserved piece, if it is still wanted.

        Raises:
            LocalProtocolError: the data has another length.
        """
        if len(data) != chunk.length_bytes:
            raise LocalProtocolError(f"{len(data)} bytes for a chunk of {chunk.length_bytes}")
        if self._sending.release(chunk):
            self._outgoing.add_file(chunk.packet, chunk.offset_bytes, bytes(data))

    def fetch(self, cipher: Cipher) -> tuple[list[bytearray], bool]:
        """Take what is to be sent.

        Returns:
            Envelopes, and whether they hold more than a PING. Thousands of INFO frames do not hold up
            files: one message of them follows one of files.
        """
        outgoing = self._outgoing
        offers = self._sending.next_offers(outgoing.info_count) if self._may_announce else []
        is_movement = bool(offers or outgoing.owed_count or outgoing.has_files)
        self._is_turn_of_files = bool(offers) or (self._is_turn_of_files and not outgoing.has_files)
        return outgoing.fetch(offers, cipher), is_movement

    def fetch_confirmations(self, cipher: Cipher) -> list[bytearray]:
        """Take what is still to be sent at the end."""
        return self._outgoing.fetch_confirmations(cipher)

    @property
    def _may_announce(self) -> bool:
        if self.is_winding_down or not self._sending.has_waiting:
            return False
        return not (self._is_turn_of_files and self.has_unsent)

    def _receive_info(self, info: Info) -> Event | None:
        settings = self._settings
        if not settings.is_receiving or info.nice > settings.nice or self.is_winding_down:
            return None
        fault = self._receiving.offer(info)
        return self._ignored(fault) if fault else Offered(info.packet, info.nice, info.size_bytes)

    def _ignored(self, text: str) -> Ignored | None:
        self._ignored_count += 1
        return Ignored(text) if self._ignored_count <= IGNORED_LIMIT_COUNT else None
