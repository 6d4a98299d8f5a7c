"""What one online session may take, and how it behaves, as values."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import LocalProtocolError
from gateway.ids import NICE_MAX

LONGEST_CHUNK_BYTES = 65232
"""File data that fits into one message beside its 48 bytes of head."""


class Padding(StrEnum):
    """What fills the two messages of the handshake."""

    NONE = "none"
    GO = "go"
    """Half-way, as Go NNCP does."""
    FULL = "full"
    """To the longest message, as its manual says."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What one session may take and how it behaves.

    Args:
        nice: packets above it are neither announced nor taken.
        is_receiving: False: what the peer announces is not looked at.
        is_sending: False: nothing is announced.
        padding: of our message of the handshake.
        ping_seconds: a PING goes out after so long without sending; 0: never.
        handshake_seconds: from the start to the end of the handshake at most.
        stall_seconds: a message begun must go on within it, in both directions.
        idle_seconds: the session ends when nothing but PINGs moved for so long.
        silence_seconds: it ends when nothing at all was received for so long; 0: never. A Go peer
            with nothing to say is silent for up to 120 seconds.
        longest_seconds: it ends after so long, the handshake included; 0: never.
        rx_per_second_count: messages received a second; 0: unlimited.
        tx_per_second_count: pieces of files sent a second; 0: unlimited.
        budget_bytes: of both directions as on the wire, after which it winds down; 0: none.
        chunk_bytes: data in one piece of a file at most; on thin links small, so that a cut loses
            little and an urgent packet overtakes soon.

    Raises:
        LocalProtocolError: the chunk fits into no message.
    """

    nice: int = NICE_MAX
    is_receiving: bool = True
    is_sending: bool = True
    padding: Padding = Padding.GO
    ping_seconds: float = 60
    handshake_seconds: float = 10
    stall_seconds: float = 10
    idle_seconds: float = 10
    silence_seconds: float = 150
    longest_seconds: float = 0
    rx_per_second_count: int = 0
    tx_per_second_count: int = 0
    budget_bytes: int = 0
    chunk_bytes: int = LONGEST_CHUNK_BYTES

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_bytes <= LONGEST_CHUNK_BYTES:
            raise LocalProtocolError(f"a chunk has 1 to {LONGEST_CHUNK_BYTES} bytes, not {self.chunk_bytes}")
