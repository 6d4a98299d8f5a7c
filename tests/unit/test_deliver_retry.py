"""Waits double up to a limit; then there is one last try, and no more."""

import pytest

from gateway.deliver.retry import EXPIRED_STATUS, RetrySchedule
from gateway.msgqueue.entry import Outcome, Verdict

DEFERRED = Outcome(Verdict.DEFERRED, "4.2.1", "mailbox locked")
SCHEDULE = RetrySchedule(first_wait_seconds=60, longest_wait_seconds=900, max_age_seconds=86_400)


def test_waits_double_up_to_the_longest() -> None:
    waits = [SCHEDULE.wait_seconds(attempts) for attempts in range(1, 8)]
    assert waits == [60, 120, 240, 480, 900, 900, 900]


def test_a_great_number_of_attempts_is_no_great_number() -> None:
    assert SCHEDULE.wait_seconds(10**9) == 900


@pytest.mark.parametrize("verdict", [Verdict.DELIVERED, Verdict.REFUSED])
def test_what_is_decided_stays_decided(verdict: Verdict) -> None:
    outcome = Outcome(verdict, "2.0.0" if verdict is Verdict.DELIVERED else "5.1.1", "so")
    assert SCHEDULE.settle(outcome, 99, 1e9) == (outcome, 0.0)


def test_the_last_try_is_made_at_the_greatest_age() -> None:
    assert SCHEDULE.settle(DEFERRED, 9, 86_000) == (DEFERRED, 400)
    outcome, wait_seconds = SCHEDULE.settle(DEFERRED, 10, 86_400)
    assert (outcome.verdict, outcome.status, wait_seconds) == (Verdict.REFUSED, EXPIRED_STATUS, 0.0)
    assert outcome.text == "given up after 10 tries; the last: 4.2.1 mailbox locked"


def test_tries_may_be_limited() -> None:
    schedule = RetrySchedule(max_attempts=1)
    outcome, _ = schedule.settle(DEFERRED, 1, 0)
    assert outcome.verdict is Verdict.REFUSED
    assert "after 1 try;" in outcome.text
