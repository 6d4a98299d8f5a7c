"""Sessions that are cut, and programs that are killed, at random bytes until everything has arrived."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS
from tests.support.online_rounds import Round, Setting

PAIRINGS = ((OURS, OURS), (OURS, GO), (GO, OURS))
ROUNDS = 25
SOAK_ROUNDS = 300
AT_ONCE = 4
"""Much of a round is waiting for locks that the Go tools hold for a while."""


def settings_of(pairing: int, count: int) -> list[Setting]:
    """Every third seed belongs to a pairing."""
    return [Setting(*PAIRINGS[pairing], seed) for seed in range(count) if seed % len(PAIRINGS) == pairing]


def run_rounds(place: Path, settings: list[Setting]) -> None:
    """Run rounds, some at once; the first that fails tells."""

    def run(setting: Setting) -> None:
        Round(place / f"round-{setting.seed}", setting).run()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for running in [pool.submit(run, setting) for setting in settings]:
            running.result()


@pytest.mark.parametrize("pairing", range(len(PAIRINGS)), ids=[f"{a}-{b}" for a, b in PAIRINGS])
def test_every_packet_arrives_once_whatever_is_cut_or_killed(place: Path, pairing: int) -> None:
    """Whatever byte a session ends at, all packets arrive whole, and no half ones stay."""
    run_rounds(place, settings_of(pairing, ROUNDS))


@pytest.mark.soak
@pytest.mark.parametrize("pairing", range(len(PAIRINGS)), ids=[f"{a}-{b}" for a, b in PAIRINGS])
def test_every_packet_arrives_once_in_hundreds_of_rounds(place: Path, pairing: int) -> None:
    """The same, three hundred times."""
    run_rounds(place, settings_of(pairing, SOAK_ROUNDS))
