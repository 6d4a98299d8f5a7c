"""Daemons that are killed at random moments under a feed of news, all the way to an INN."""

import sys
from pathlib import Path

import pytest

from tests.support.killed_news import KilledNews

ROUNDS = 25
SOAK_SERIES = 20


def run(place: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """So many rounds, and a line that says what happened."""
    with KilledNews(place, seed) as site:
        taken_count = site.run(ROUNDS)
    assert taken_count > ROUNDS
    kills = f"{site.kills['a']} kills of the sender, {site.kills['b']} of the receiver"
    with capsys.disabled():
        sys.stdout.write(
            f"\nseed {seed}: {ROUNDS} rounds, {kills}: {taken_count} articles taken, none lost, none twice\n"
        )


def test_nothing_is_lost_and_nothing_comes_twice(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every article that was answered with 239 is in the far INN, once."""
    run(place, 7, capsys)


@pytest.mark.soak
def test_five_hundred_rounds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, over and over, with the figures printed."""
    for seed in range(100, 100 + SOAK_SERIES):
        directory = place / str(seed)
        directory.mkdir()
        directory.chmod(0o755)
        run(directory, seed, capsys)
