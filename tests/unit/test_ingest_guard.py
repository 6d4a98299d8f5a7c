"""Whoever guesses passwords is not listened to for a while."""

import pytest

from gateway.ingest import guard as module
from gateway.ingest.guard import Guard


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_failures_count_for_a_time() -> None:
    clock = Clock()
    guard = Guard(3, 100, clock)
    for number in (1, 2, 3):
        assert not guard.is_barred("192.0.2.1")
        assert guard.failed("192.0.2.1") == number
        clock.seconds += 10
    assert guard.is_barred("192.0.2.1")
    assert not guard.is_barred("192.0.2.2")
    clock.seconds = 100.5
    assert not guard.is_barred("192.0.2.1")
    assert guard.failed("192.0.2.1") == 3
    assert guard.is_barred("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_whose_failures_count_together(one: str, other: str, *, is_same: bool) -> None:
    guard = Guard(1, 100)
    guard.failed(one)
    assert guard.is_barred(other) == is_same


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLIENTS_LIMIT_COUNT", 5)
    guard = Guard(1, 100)
    for number in range(8):
        guard.failed(f"192.0.2.{number}")
    assert [guard.is_barred(f"192.0.2.{number}") for number in range(8)] == [False] * 3 + [True] * 5
