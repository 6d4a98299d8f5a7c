"""What a toss is told: values from the command line or from the configuration of the daemon."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.ids import NICE_MAX, NodeId, PacketId
from gateway.toss.notice import Notice

HOUR_SECONDS = 3600.0
GIB_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class TossSettings:
    """How to toss.

    Args:
        nice: packets whose niceness is above this are left alone.
        is_dry_run: only tell what would be done.
        is_seen_marked: leave a ``seen`` marker, so that no carrier brings the packet again.
        no_file: leave packets of this type alone, without a word; the other ``no_`` likewise.
        no_freq: see no_file.
        no_exec: see no_file.
        no_trns: see no_file.
        no_area: see no_file.
        no_ack: see no_file.
        is_ack_made: acknowledge every packet that is done, except acknowledgements.
        handler_timeout_seconds: a handler is killed when it runs longer.
        handler_output_limit_bytes: of what a handler writes that are kept, for the log and the notice.
        max_payload_bytes: an exec whose body unfolds to more is not run.
        notices: whom to mail what an exec did, by ``NODE.HANDLE`` or ``*.HANDLE``.
        file_notice: whom to mail that a file came; None: nobody.
        freq_notice: whom to mail that a file was sent on request; None: nobody.
    """

    nice: int = NICE_MAX
    is_dry_run: bool = False
    is_seen_marked: bool = False
    no_file: bool = False
    no_freq: bool = False
    no_exec: bool = False
    no_trns: bool = False
    no_area: bool = False
    no_ack: bool = False
    is_ack_made: bool = False
    handler_timeout_seconds: float = HOUR_SECONDS
    handler_output_limit_bytes: int = 64 * 1024
    max_payload_bytes: int = 256 * GIB_BYTES
    notices: Mapping[str, Notice] = field(default_factory=dict)
    file_notice: Notice | None = None
    freq_notice: Notice | None = None

    @property
    def skipped_kinds(self) -> frozenset[str]:
        """The types to leave alone, by the names that the log gives them."""
        switches = {
            "file": self.no_file,
            "freq": self.no_freq,
            "exec": self.no_exec,
            "trns": self.no_trns,
            "area": self.no_area,
            "ack": self.no_ack,
        }
        return frozenset(kind for kind, is_off in switches.items() if is_off)


@dataclass(frozen=True, slots=True)
class TossResult:
    """What became of the packets.

    Args:
        done_count: handled and removed (or, in a dry run, good).
        bad_count: failed; they stay.
        left_count: of a type that is switched off; they stay.
    """

    done_count: int = 0
    bad_count: int = 0
    left_count: int = 0


class InProcess(Protocol):
    """A handler that runs within this process."""

    def __call__(
        self,
        payload: Iterator[bytes | memoryview],
        *,
        args: tuple[bytes, ...],
        sender: NodeId,
        author: NodeId | None,
        nice: int,
        packet: PacketId,
    ) -> None:
        """Take the payload.

        Args:
            payload: pieces, each valid until the next is asked for. It may raise a PacketError or
                StoreError: nothing that was read so far may be acted on then.
            args: what the sender added to the configured command.
            sender: who signed the packet, or the area it came by.
            author: of a message of an area: who signed it, if that was checked.
            nice: niceness for an answer.
            packet: the packet's name in the spool.

        Raises:
            GatewayError: the packet stays, to be tossed again.
        """


FindInProcess = Callable[[Sequence[str]], InProcess | None]
