"""When a session is due for something: its deadlines, computed from what happened when.

Contract: times are seconds of the clock that the driver passes in; nothing here changes by itself.
While we do not read on purpose (rates), the peer's time does not run.

Spec: NNCP 8 manual, Sync protocol.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from gateway.link.events import Ended, EndReason
from gateway.link.settings import LinkSettings

SLOWEST_BYTES_PER_SECOND = 5
"""An envelope that comes slower on the whole is given up: the longest may take 7 hours."""


class Due(Enum):
    """What can be due."""

    WAKE = auto()
    """A rate lets us go on."""
    PING = auto()
    HANDSHAKE = auto()
    LONGEST = auto()
    UNSENT = auto()
    """What waits to be sent was not fetched."""
    INSIDE = auto()
    """An envelope did not go on."""
    SLOW = auto()
    """An envelope took too long on the whole."""
    SILENCE = auto()
    IDLE = auto()
    BUDGET = auto()


_ENDS: Mapping[Due, tuple[EndReason, str]] = {
    Due.HANDSHAKE: (EndReason.BAD_HANDSHAKE, "no handshake within {0.handshake_seconds:g} seconds"),
    Due.LONGEST: (EndReason.DEADLINE, "the session took {0.longest_seconds:g} seconds"),
    Due.UNSENT: (EndReason.STALLED, "the peer took nothing for {0.stall_seconds:g} seconds"),
    Due.INSIDE: (EndReason.STALLED, "a message of the peer stopped for {0.stall_seconds:g} seconds"),
    Due.SLOW: (EndReason.STALLED, f"a message came slower than {SLOWEST_BYTES_PER_SECOND} bytes a second"),
    Due.SILENCE: (EndReason.SILENCE, "the peer said nothing for {0.silence_seconds:g} seconds"),
    Due.IDLE: (EndReason.IDLE, "nothing to do for {0.idle_seconds:g} seconds"),
    Due.BUDGET: (EndReason.BUDGET, "the budget of {0.budget_bytes} bytes is used up"),
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a session is about.

    Args:
        is_open: the handshake is done.
        is_busy: something is to be sent, or a complete packet waits for our word.
        is_winding_down: the budget is used up.
        is_awaiting: something we requested is still to come.
        inside_bytes: length of the envelope that is being received; 0: between envelopes.
    """

    is_open: bool
    is_busy: bool
    is_winding_down: bool
    is_awaiting: bool
    inside_bytes: int


class Timers:
    """Remembers what happened when.

    Args:
        settings: the intervals.
        now: when the session began.
    """

    def __init__(self, settings: LinkSettings, now: float) -> None:
        self.settings = settings
        self.now = now
        """The latest time that was told."""
        self.unsent_since: float | None = None
        """Since when something waits that the driver does not fetch."""
        self._started = now
        self._received = now
        self._sent = now
        self._moved = now
        self._began = now
        self._may_receive_at = now
        self._may_send_at = now

    @property
    def may_receive(self) -> bool:
        """Whether the rate lets us read."""
        return self.now >= self._may_receive_at

    @property
    def may_send_chunk(self) -> bool:
        """Whether the rate lets us send a piece of a file."""
        return self.now >= self._may_send_at

    @property
    def idle_seconds(self) -> float:
        """For how long nothing but PINGs has come or gone."""
        return self.now - self._moved

    def tell(self, now: float) -> None:
        """Take note of the time, which never goes back."""
        self.now = max(self.now, now)

    def opened(self) -> None:
        """The handshake is done."""
        self._received = self._sent = self._moved = self.now
        self.unsent_since = None

    def bytes_received(self) -> None:
        """Something arrived, whatever it is."""
        self._received = self.now

    def envelope_began(self) -> None:
        """The first bytes of an envelope arrived, and not its last."""
        self._began = self.now

    def message_received(self) -> None:
        """A message is complete."""
        rate = self.settings.rx_per_second_count
        if rate:
            self._may_receive_at = max(self._may_receive_at, self.now) + 1 / rate

    def messages_sent(self) -> None:
        """Messages were handed over."""
        self._sent = self.now

    def taken(self) -> None:
        """What was handed over goes on to the peer, slowly perhaps."""
        self._moved = self.now
        if self.unsent_since is not None:
            self.unsent_since = self.now

    def held(self) -> None:
        """We do not read: the peer's time does not run."""
        self._may_receive_at = max(self._may_receive_at, self.now)

    def moved(self) -> None:
        """More than a PING came or went."""
        self._moved = self.now

    def chunk_reserved(self) -> None:
        """A piece of a file is on its way."""
        rate = self.settings.tx_per_second_count
        if rate:
            self._may_send_at = max(self._may_send_at, self.now) + 1 / rate

    def deadlines(self, situation: Situation) -> Iterator[tuple[float, Due]]:
        """Everything that will be due if nothing happens."""
        settings = self.settings
        if settings.longest_seconds:
            yield self._started + settings.longest_seconds, Due.LONGEST
        if not situation.is_open:
            yield self._started + settings.handshake_seconds, Due.HANDSHAKE
            return
        yield from self._stalls(situation.inside_bytes)
        if settings.silence_seconds:
            yield self._listening_since(self._received) + settings.silence_seconds, Due.SILENCE
        if settings.ping_seconds and self.unsent_since is None:
            yield self._sent + settings.ping_seconds, Due.PING
        if not situation.is_busy:
            yield self._rest(situation)
        yield from ((at, Due.WAKE) for at in (self._may_receive_at, self._may_send_at) if at > self.now)

    def ended(self, due: Due) -> Ended:
        """The end that something due brings."""
        reason, text = _ENDS[due]
        return Ended(reason, text.format(self.settings))

    def _stalls(self, inside_bytes: int) -> Iterator[tuple[float, Due]]:
        seconds = self.settings.stall_seconds
        if self.unsent_since is not None:
            yield self.unsent_since + seconds, Due.UNSENT
        if inside_bytes:
            yield self._listening_since(self._received) + seconds, Due.INSIDE
            whole_seconds = seconds + inside_bytes / SLOWEST_BYTES_PER_SECOND
            yield self._listening_since(self._began) + whole_seconds, Due.SLOW

    def _rest(self, situation: Situation) -> tuple[float, Due]:
        settings = self.settings
        since = self._listening_since(self._moved)
        if not situation.is_winding_down:
            return since + settings.idle_seconds, Due.IDLE
        # What is on its way to us is worth waiting for, and nothing tells which was the last.
        grace = min(settings.idle_seconds, settings.stall_seconds) if situation.is_awaiting else 0
        return since + grace, Due.BUDGET

    def _listening_since(self, since: float) -> float:
        return max(since, self._may_receive_at)
