"""One online session: bytes, orders and time in; bytes, events and the next deadline out.

How a driver uses it, with ``now`` in seconds of a monotonic clock:

    initiator:  begin(offers) → data_to_send ... receive_data → Established
    responder:  receive_data → PeerKnown → accept(settings, offers) → Established, or refuse
    then        whatever arrives goes into receive_data (receive_end at its end) while may_receive is true;
                while the transport takes more: data_to_send until it is empty, then wants_chunk, read,
                send_chunk, and again;
                at next_deadline: handle_timeout
    at the end  Ended is told exactly once, by whichever call finds it; data_to_send then gives the last
                confirmations, if the end is clean; every other call does nothing any more.

- ``begin`` returns events, since the neighbour's key may turn out to be unusable.
- ``wants_chunk`` reserves: several calls give several pieces (as many as one message takes), which may be
  read together; each is answered by ``send_chunk``, or its packet by ``give_up``.
- After the last piece of a packet (``Received.is_last``) the session waits for ``confirm``, a new
  ``request`` or ``abandon`` before it calls itself idle.
- Nothing a peer sends makes a method raise; LocalProtocolError means that the driver broke a rule.
"""

from collections.abc import Sequence

from gateway.ids import PacketId
from gateway.link.events import Chunk, EndReason, Event, Offer
from gateway.link.noise import NoisePair
from gateway.link.settings import LinkSettings

Piece = bytes | bytearray | memoryview


class Session:
    """One session with one peer.

    Args:
        is_initiator: we called.
        keys: our own static keys.
        remote_pub: noisepub of whom we call, 32 bytes; None for a responder.
        ephemeral_private: 32 fresh random bytes, used for this session only.
        settings: a responder's are replaced by those of ``accept``.
        now: when the session began.
    """

    def __init__(
        self,
        *,
        is_initiator: bool,
        keys: NoisePair,
        remote_pub: bytes | None,
        ephemeral_private: bytes,
        settings: LinkSettings,
        now: float,
    ) -> None:
        raise NotImplementedError

    @property
    def remote_pub(self) -> bytes | None:
        """The peer's noisepub, once it is known."""
        raise NotImplementedError

    @property
    def is_established(self) -> bool:
        """Whether the handshake was completed, also after the end."""
        raise NotImplementedError

    @property
    def is_ended(self) -> bool:
        """Whether Ended was told."""
        raise NotImplementedError

    @property
    def has_unsent(self) -> bool:
        """Whether something the peer requested was not handed over to its end."""
        raise NotImplementedError

    @property
    def has_unreceived(self) -> bool:
        """Whether something we requested did not come to its end."""
        raise NotImplementedError

    @property
    def received_bytes(self) -> int:
        """Bytes from the wire so far."""
        raise NotImplementedError

    @property
    def sent_bytes(self) -> int:
        """Bytes for the wire handed over so far."""
        raise NotImplementedError

    def begin(self, offers: Sequence[Offer], now: float) -> list[Event]:
        """Call: announce as many packets with the first message as fit; the others follow.

        Returns:
            Nothing, or Ended if the neighbour's key is unusable.
        """
        raise NotImplementedError

    def accept(self, settings: LinkSettings, offers: Sequence[Offer], now: float) -> list[Event]:
        """Answer the caller that PeerKnown told of.

        Args:
            settings: for this neighbour.
            offers: what waits for it.
            now: the time.

        Returns:
            Established, and what the caller announced.
        """
        raise NotImplementedError

    def refuse(self, text: str) -> list[Event]:
        """Do not answer the caller; the connection is to be closed."""
        raise NotImplementedError

    def receive_data(self, data: Piece, now: float) -> list[Event]:
        """Take what arrived, in pieces of any size."""
        raise NotImplementedError

    def receive_end(self, now: float) -> list[Event]:
        """The peer will send nothing more."""
        raise NotImplementedError

    def may_receive(self, now: float) -> bool:
        """Whether the transport should be read: not while ``rx_per_second_count`` is used up."""
        raise NotImplementedError

    def data_to_send(self, now: float) -> list[bytes | bytearray]:
        """Take what is to be sent: whole envelopes, each to be written at one go. Empty: nothing for now."""
        raise NotImplementedError

    def wants_chunk(self, now: float) -> Chunk | None:
        """Reserve the next piece of the most urgent packet that the peer requested.

        Returns:
            What to read, or None: nothing, not yet, or a message is full and wants ``data_to_send``.
        """
        raise NotImplementedError

    def send_chunk(self, chunk: Chunk, data: Piece, now: float) -> None:
        """Send a reserved piece; one that nobody wants any more is dropped.

        Raises:
            LocalProtocolError: the data has not the length that was asked for.
        """
        raise NotImplementedError

    def give_up(self, packet: PacketId) -> None:
        """A packet of ours is gone or cannot be read: do not send it."""
        raise NotImplementedError

    def announce(self, offers: Sequence[Offer], now: float) -> None:
        """Tell the peer of more packets; those it was told of are passed over."""
        raise NotImplementedError

    def request(self, packet: PacketId, offset_bytes: int, now: float) -> None:
        """Ask for an offered packet, from a byte on; asked again it begins anew there.

        Raises:
            LocalProtocolError: it was not offered, or is shorter.
        """
        raise NotImplementedError

    def confirm(self, packet: PacketId, now: float) -> None:
        """Tell the peer that we have the packet for good, so that it removes its own."""
        raise NotImplementedError

    def abandon(self, packet: PacketId) -> None:
        """Nothing more will be asked or said about an offered packet; what still comes of it is dropped."""
        raise NotImplementedError

    def stop(self, reason: EndReason, text: str, now: float) -> list[Event]:
        """End the session, such as STOPPED, or CUT when the transport failed."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` is to be called at the latest; any other call may change it."""
        raise NotImplementedError

    def handle_timeout(self, now: float) -> list[Event]:
        """Do what is due: a PING, the end of the session, or nothing."""
        raise NotImplementedError
