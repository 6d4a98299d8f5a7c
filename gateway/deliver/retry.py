"""When a deferred delivery is tried again, and when it is given up. Pure.

The waits double from the first to the longest. The last try is made when the message reaches its
greatest age, on the queue's own clock, so a jump of the wall clock gives up nothing.
"""

from dataclasses import dataclass

from gateway.deliver.outcome import one_line
from gateway.msgqueue.entry import Outcome, Verdict

EXPIRED_STATUS = "5.4.7"
"""RFC 3463: delivery time expired."""

_DOUBLINGS_LIMIT = 40
"""Past any sensible wait; keeps the power of two small."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How long and how often to try.

    Args:
        first_wait_seconds: after the first try.
        longest_wait_seconds: where doubling stops.
        max_age_seconds: of a message; the last try is made then.
        max_attempts: tries at most, or None: only the age counts.
    """

    first_wait_seconds: float = 60.0
    longest_wait_seconds: float = 4 * 3600.0
    max_age_seconds: float = 5 * 86_400.0
    max_attempts: int | None = None

    def wait_seconds(self, attempts: int) -> float:
        """The wait after a try, by the number of tries made, this one among them (1 or more)."""
        doublings = min(max(attempts - 1, 0), _DOUBLINGS_LIMIT)
        return min(self.first_wait_seconds * 2.0**doublings, self.longest_wait_seconds)

    def settle(self, outcome: Outcome, attempts: int, age_seconds: float) -> tuple[Outcome, float]:
        """Decide what an outcome comes to.

        Args:
            outcome: of the try just made.
            attempts: tries made, this one among them.
            age_seconds: of the message, on the queue's clock.

        Returns:
            The outcome to record, which is a refusal once there are no more tries, and the seconds
            until the next try if it is still deferred.
        """
        if outcome.verdict is not Verdict.DEFERRED:
            return outcome, 0.0
        has_tries = self.max_attempts is None or attempts < self.max_attempts
        left_seconds = self.max_age_seconds - age_seconds
        if has_tries and left_seconds > 0:
            return outcome, min(self.wait_seconds(attempts), left_seconds)
        tries = "1 try" if attempts == 1 else f"{attempts} tries"
        text = one_line(f"given up after {tries}; the last: {outcome.status} {outcome.text}")
        return outcome._replace(verdict=Verdict.REFUSED, status=EXPIRED_STATUS, text=text), 0.0
