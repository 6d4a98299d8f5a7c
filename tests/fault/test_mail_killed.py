"""Daemons that are killed at random moments while mail is handed in, carried and delivered."""

import sys
from itertools import product
from pathlib import Path

import pytest

from tests.support.killed_mail import Figures, KilledMail

CARRIERS, TARGETS = ("xfer", "online"), ("smtp", "maildir")
SOAK_SERIES, SOAK_ROUNDS = 20, 25


@pytest.mark.parametrize(
    ("seed", "carrier", "to", "rounds"), [(1, "xfer", "maildir", 12), (2, "online", "smtp", 13)]
)
def test_nothing_is_lost_and_little_comes_twice(
    place: Path, seed: int, carrier: str, to: str, rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was answered with 250 arrives unchanged whoever dies; twice comes only what the documents say."""
    with KilledMail(place, seed, carrier, to) as site:
        site.run(rounds)
    say(capsys, f"{carrier}, {to}, seed {seed}: {site.figures}")


@pytest.mark.soak
def test_five_hundred_rounds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same with every carrier and every target, over and over, with the figures printed."""
    total = Figures()
    ways = list(product(CARRIERS, TARGETS))
    for seed in range(SOAK_SERIES):
        carrier, to = ways[seed % len(ways)]
        directory = place / str(seed)
        directory.mkdir()
        with KilledMail(directory, 1000 + seed, carrier, to) as site:
            site.run(SOAK_ROUNDS)
        total.add(site.figures)
        say(capsys, f"{carrier}, {to}, seed {1000 + seed}: {site.figures}")
    say(capsys, f"all: {total}")


def say(capsys: pytest.CaptureFixture[str], figures: str) -> None:
    """Tell the figures whether or not the test goes well."""
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
        sys.stdout.flush()
