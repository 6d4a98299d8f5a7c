"""Sessions of two gateways over lines as radio and satellites have them, with a TCP of the kernel's own."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS
from tests.support.network import Machine
from tests.support.online import OnlinePair
from tests.support.online_packets import KIB, Mix
from tests.support.processes import wait_until
from tests.support.slow_line import Line, machines_on, passed_bytes

SATELLITE = Line(delay_seconds=0.3, loss_share=0.05)
SHORT_WAVE = Line(delay_seconds=5, bits_per_second=1200)
SATELLITE_SECONDS = 30
SHORT_WAVE_SECONDS = 1500
"""For 2 times 12 KiB, of which each direction takes 82 seconds alone."""
MAILS = Mix((600, 2 * KIB), large_share=0)
THIN = {"thin": True}
PATIENCE_SECONDS = 900
"""Of all deadlines of Go: its handshake alone takes 472 seconds there."""


@contextmanager
def neighbours(
    place: Path, line: Line, deadline_seconds: int | None = None
) -> Iterator[tuple[OnlinePair, Machine]]:
    """Nodes a and b, each on a machine; yields a's machine too."""
    environ = {} if deadline_seconds is None else {"NNCPDEADLINE": str(deadline_seconds)}
    with machines_on(line) as (a, b):
        machines = {"a": a, "b": b}
        yield OnlinePair(place, deadline_seconds=deadline_seconds, machines=machines, environ=environ), a


def exchange(pair: OnlinePair, who: str, seconds: float) -> float:
    """Call until everything is exchanged; returns how long it took."""
    with pair.listening(who, "b", "-quiet") as (port, _):
        began = time.monotonic()
        deadline = began + seconds
        while not pair.has_all():
            with pair.start_call(who, "a", "-quiet", "--", pair.address("b", port)) as call:
                wait_until(
                    lambda call=call: call.returncode is not None or pair.has_all(),  # type: ignore[misc]
                    deadline - time.monotonic(),
                    "all packets",
                    explain=pair.explain,
                )
        took_seconds = time.monotonic() - began
    pair.check_all()
    return took_seconds


def test_satellite_line_that_loses_packets(place: Path) -> None:
    """At 600 ms a round trip and 5 % loss everything arrives in half a minute, in one session."""
    with neighbours(place / "pair", SATELLITE) as (pair, _):
        for name in ("a", "b"):
            pair.fill(name, 10, mix=MAILS)
        exchange(pair, OURS, SATELLITE_SECONDS)
        assert pair.log_text("a").count("Who: call-started") == 1


@pytest.mark.soak
def test_short_wave_line_between_thin_neighbours(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At 1,200 bit/s and 10 s a round trip mails come through with few bytes besides."""
    payload_bytes, taken = 0, {}
    for who in (OURS, GO):
        deadline_seconds = PATIENCE_SECONDS if who == GO else None
        with neighbours(place / who, SHORT_WAVE, deadline_seconds) as (pair, a):
            for name in ("a", "b"):
                pair.change(name, link=THIN)
                pair.fill(name, 10, mix=MAILS)
            payload_bytes = sum(made.size_bytes for name in ("a", "b") for made in pair.sent[name])
            before = passed_bytes(a)
            try:
                seconds = exchange(pair, who, SHORT_WAVE_SECONDS)
            except AssertionError:
                # Go's handshake is longer than what its own deadlines allow; that is no fault of ours.
                assert who == GO
                continue
            taken[who] = (passed_bytes(a) - before, seconds)
    our_bytes, our_seconds = taken[OURS]
    with capsys.disabled():
        for who, (line_bytes, seconds) in taken.items():
            figures = f"{line_bytes} bytes on the line in {seconds:.0f} s"
            sys.stdout.write(f"\nshort wave, {who}: {payload_bytes} bytes of packets, {figures}\n")
    assert our_bytes < 1.7 * payload_bytes
    if GO in taken:
        assert our_bytes < taken[GO][0]
        assert our_seconds < taken[GO][1]
