"""How a neighbour is reached online, and when it is called: the settings, as values.

Spec: NNCP manual, Configuration file (neighbours and calls).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.ids import NICE_MAX
from gateway.schedule.cron import Cron

DEADLINE_SECONDS = 10
"""NNCP's own, if neither the configuration nor the environment names one."""

PADDING_NONE, PADDING_GO, PADDING_FULL = "none", "go", "full"
PADDINGS = (PADDING_NONE, PADDING_GO, PADDING_FULL)

CHUNK_LIMIT_BYTES = 65_232
"""What the online protocol can carry of a packet at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an online session may take.

    Args:
        rx_per_second_count: packets of the protocol received a second; 0: unlimited.
        tx_per_second_count: packets of the protocol sent a second; 0: unlimited.
        deadline_seconds: it ends after so long without anything to do.
        longest_seconds: it ends after so long at all; 0: never.
    """

    rx_per_second_count: int = 0
    tx_per_second_count: int = 0
    deadline_seconds: int = DEADLINE_SECONDS
    longest_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """How the link with a neighbour behaves: ours alone, the Go tools know nothing of it.

    Args:
        is_thin: what is not said below has the defaults for links where a byte costs seconds.
        padding: how far the handshake hides the length of the queue: ``none``, ``go`` as the Go tools,
            ``full``.
        ping_seconds: a sign of life after so long without anything to send; 0: never.
        handshake_seconds: connecting and the handshake take so long at most.
        stall_seconds: what was begun must go on within this time.
        silence_seconds: the session ends after so long without a byte from the neighbour; 0: never.
        budget_bytes: a session ends after so many bytes, both ways together; 0: never.
        chunk_bytes: of a packet are sent at a time.
    """

    is_thin: bool = False
    padding: str = PADDING_GO
    ping_seconds: int = 60
    handshake_seconds: int = DEADLINE_SECONDS
    stall_seconds: int = DEADLINE_SECONDS
    silence_seconds: int = 150
    budget_bytes: int = 0
    chunk_bytes: int = CHUNK_LIMIT_BYTES


THIN = Link(
    is_thin=True,
    padding=PADDING_NONE,
    ping_seconds=0,
    handshake_seconds=300,
    stall_seconds=180,
    silence_seconds=600,
    chunk_bytes=1024,
)
"""Survives round trips of 30 s and as many losses as TCP and radio modems have; a cut loses little."""

THIN_DEADLINE_SECONDS = 120
"""How long a session on a thin link waits for something to do: an answer alone takes a minute."""


@dataclass(frozen=True, slots=True)
class AutoToss:
    """What is done with packets while they arrive.

    Args:
        is_seen_marked: leave a marker for each.
        is_ack_generated: acknowledge each.
        left_alone: kinds of packets that stay: file, freq, exec, trns, area, ack.
    """

    is_seen_marked: bool = False
    is_ack_generated: bool = False
    left_alone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Call:
    """When and how a neighbour is called.

    Args:
        cron: when.
        nice: packets above it are left alone.
        xx: ``rx`` or ``tx``, or None: both ways.
        address: where, or None: all its addresses in turn.
        limits: of the session.
        link: how it behaves.
        is_tx_needed: call only if something waits for it.
        is_nock: received packets are checked later.
        is_mcd_ignored: do not try addresses that multicast told.
        autotoss: what is done with packets as they arrive, or None: nothing.
    """

    cron: Cron
    nice: int = NICE_MAX
    xx: str | None = None
    address: str | None = None
    limits: Limits = field(default_factory=Limits)
    link: Link = field(default_factory=Link)
    is_tx_needed: bool = False
    is_nock: bool = False
    is_mcd_ignored: bool = False
    autotoss: AutoToss | None = None


@dataclass(frozen=True, slots=True)
class Online:
    """How a neighbour is reached.

    Args:
        addresses: by their names.
        limits: of sessions that nothing else is said of.
        calls: in the order of the configuration.
        link: how sessions that nothing else is said of behave.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    calls: tuple[Call, ...] = ()
    link: Link = field(default_factory=Link)
