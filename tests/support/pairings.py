"""Runs a test in several pairings of callers and daemons at once: most of such a test is waiting."""

import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.both_nncp import GO, OURS

Pairing = tuple[str, str]
Test = Callable[..., None]

ALL: tuple[Pairing, ...] = ((OURS, OURS), (OURS, GO), (GO, OURS))
WITH_GO: tuple[Pairing, ...] = ((OURS, GO), (GO, OURS))


def at_once(*pairings: Pairing) -> Callable[[Test], Test]:
    """Run a test with every pairing as its ``caller`` and ``daemon``, each in its own part of ``place``.

    The first failure counts, and tells its pairing.
    """

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run_all(place: Path, **fixtures: Any) -> None:
            def run(pairing: Pairing) -> None:
                caller, daemon = pairing
                own_place = place / f"{caller}-{daemon}"
                own_place.mkdir()
                try:
                    test(own_place, caller, daemon, **fixtures)
                except BaseException as error:
                    error.add_note(f"{caller} calls {daemon}")
                    raise

            with ThreadPoolExecutor(len(pairings)) as pool:
                for running in [pool.submit(run, pairing) for pairing in pairings]:
                    running.result()

        signature = inspect.signature(test)
        kept = [each for each in signature.parameters.values() if each.name not in {"caller", "daemon"}]
        # What pytest takes for fixtures.
        run_all.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return run_all

    return decorate
