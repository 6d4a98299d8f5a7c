"""How a neighbour is reached online, and when it is called: the settings, as values.

Spec: NNCP manual, Configuration file (neighbours and calls).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.ids import NICE_MAX
from gateway.schedule.cron import Cron

DEADLINE_SECONDS = 10
"""NNCP's own, if neither the configuration nor the environment names one."""


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
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    calls: tuple[Call, ...] = ()
