"""Which calls are due: the entries of all neighbours, each in one of these states.

    waiting ──its time has come──→ due ──neighbour free, a line free──→ calling ──ended──→ waiting
       │                            ↑                                      │    (for the next time)
       └──there is no next time──→ over                                    │
                                    └──refused, at most RETRY_LIMIT_COUNT──┘
                                                times: after a pause

What a clock that is set does to an entry that waits:

    forward, past its time         it is due, once, however many of its times were passed
    forward, not so far            nothing
    back, at most REPEAT_SECONDS   it waits for its first time that it has not had
    back, further                  it waits for its first time from now on: what was planned by a wrong
                                   clock may lie years ahead
    an entry that is due or calls  nothing

Contract: an entry that is due stays so until its call can begin: while its neighbour is called, for
REDIAL_SECONDS after that, and while LINE_LIMIT_COUNT calls run; times that come meanwhile are one with
it. Who is due for longest is called first. Pure: both clocks are arguments. ``wall`` is seconds since
the epoch, ``steady`` seconds of a clock that nobody sets.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.ids import NodeId
from gateway.schedule.call import Call
from gateway.schedule.cron import Cron
from gateway.schedule.local_time import next_instant

REDIAL_SECONDS = 2.0
"""Go NNCP keeps its locks for a second or two after a connection is closed, and refuses until then."""

REPEAT_SECONDS = 10.0
"""A clock that is put right by less does not make a call come twice."""

RETRY_LIMIT_COUNT = 2
"""When two nodes call each other at the same second, each is busy with its own call and refuses the other's.
Whoever chooses the pauses must not let both choose the same."""

LOOK_SECONDS = 10.0
"""So soon is noticed that the clock was set."""

LINE_LIMIT_COUNT = 128
"""Calls at a time; after a leap of the clock all entries may be due at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A call of one neighbour.

    Args:
        node: whom to call.
        index: its place in the neighbour's ``calls``, from 0.
        call: when and how.
    """

    node: NodeId
    index: int
    call: Call


class _Phase(Enum):
    WAITING = auto()
    DUE = auto()
    CALLING = auto()


@dataclass(slots=True)
class _State:
    """The state of an entry.

    Args:
        phase: what it does.
        next: when it is, or was, due; None: never.
        served_until: its times up to this one have had their call.
        retry_count: how often it was put off for this time.
    """

    phase: _Phase = _Phase.WAITING
    next: float | None = None
    served_until: float = float("-inf")
    retry_count: int = 0

    def wait(self, cron: Cron, wall: float) -> None:
        """Wait for the next time."""
        is_repeated = wall < self.served_until <= wall + REPEAT_SECONDS
        self.served_until = self.served_until if is_repeated else wall
        self.next = next_instant(cron, self.served_until)
        self.phase = _Phase.WAITING
        self.retry_count = 0


class Plan:
    """Keeps the states of entries.

    Args:
        entries: all calls.
        wall: the time of day now.
    """

    def __init__(self, entries: Iterable[Entry], wall: float) -> None:
        self._states = {entry: _State() for entry in entries}
        self._free_at: dict[NodeId, float] = {}
        """When a neighbour may be called again, by the steady clock; while it is called: never."""
        self._wall = wall
        self._wait_anew(wall)

    @property
    def is_over(self) -> bool:
        """Whether no entry will ever be called again."""
        return all(state.next is None and state.phase is _Phase.WAITING for state in self._states.values())

    def next_time(self, entry: Entry) -> float | None:
        """When an entry is, or was, to be called, in seconds since the epoch; None: never again."""
        return self._states[entry].next

    def take_due(self, wall: float, steady: float) -> list[Entry]:
        """The entries whose calls are to begin now; each must be given to ``end`` when its call is over."""
        if wall < self._wall:
            self._wait_anew(wall)
        self._wall = wall
        taken: list[Entry] = []
        line_count = self._free_line_count()
        for entry, state in self._find_due(wall):
            if len(taken) < line_count and self._free_at.get(entry.node, steady) <= steady:
                state.phase, state.served_until = _Phase.CALLING, wall
                self._free_at[entry.node] = float("inf")
                taken.append(entry)
        return taken

    def end(self, entry: Entry, wall: float, steady: float, *, was_called: bool = True) -> None:
        """A call is over: plan the next.

        Args:
            entry: whose call.
            wall: the time of day now.
            steady: the other clock.
            was_called: False: there was no need to call, and the neighbour may be called at once.
        """
        self._states[entry].wait(entry.call.cron, wall)
        self._free_at[entry.node] = steady + REDIAL_SECONDS if was_called else steady

    def put_off(self, entry: Entry, steady: float, pause_seconds: float) -> bool:
        """A call was refused: let it be due again after a pause.

        Args:
            entry: whose call.
            steady: the clock that nobody sets.
            pause_seconds: at least REDIAL_SECONDS.

        Returns:
            Whether it was put off; if not it has had its tries, and must be given to ``end``.
        """
        state = self._states[entry]
        if state.retry_count >= RETRY_LIMIT_COUNT:
            return False
        state.retry_count += 1
        state.phase = _Phase.DUE
        self._free_at[entry.node] = steady + pause_seconds
        return True

    def wait_seconds(self, wall: float, steady: float) -> float:
        """How long ``take_due`` need not be asked, unless a call ends; at most LOOK_SECONDS."""
        waits = [LOOK_SECONDS]
        waits += [state.next - wall for _, state in self._in_phase(_Phase.WAITING) if state.next is not None]
        if self._free_line_count() > 0:
            due = self._in_phase(_Phase.DUE)
            waits += [self._free_at.get(entry.node, steady) - steady for entry, _ in due]
        return max(min(waits), 0.0)

    def _free_line_count(self) -> int:
        return LINE_LIMIT_COUNT - len(self._in_phase(_Phase.CALLING))

    def _in_phase(self, phase: _Phase) -> list[tuple[Entry, _State]]:
        return [(entry, state) for entry, state in self._states.items() if state.phase is phase]

    def _find_due(self, wall: float) -> list[tuple[Entry, _State]]:
        """The entries that are due, the oldest first."""
        for _, state in self._in_phase(_Phase.WAITING):
            if state.next is not None and state.next <= wall:
                state.phase = _Phase.DUE
        return sorted(self._in_phase(_Phase.DUE), key=lambda pair: pair[1].next or 0.0)

    def _wait_anew(self, wall: float) -> None:
        """The clock shows less than before: entries that wait may have an earlier time."""
        for entry, state in self._in_phase(_Phase.WAITING):
            state.wait(entry.call.cron, wall)
