"""``nncp cronexpr`` against nncp-cronexpr."""

import os
import random
import subprocess
from datetime import datetime

import pytest

from gateway.errors import ConfigError
from gateway.schedule.cron import parse_cron
from tests.support.nncp_verbs import run_verb_process
from tests.support.peers import require

COUNT = 8
RUN_SECONDS = 60
MONTHS = ("JAN", "feb", "October")
WEEKDAYS = ("SUN", "mon", "Friday")


def go_cronexpr(expression: str) -> subprocess.CompletedProcess[str]:
    argv = [require("nncp-cronexpr"), "-num", str(COUNT), expression]
    environ = {**os.environ, "TZ": "UTC"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=RUN_SECONDS, env=environ)


def any_values(rng: random.Random, low: int, high: int, names: tuple[str, ...] = ()) -> str:
    first, last = sorted((rng.randint(low, high), rng.randint(low, high)))
    one = rng.choice((*names, str(first)))
    forms = ("*", "*", f"*/{rng.randint(1, high)}", one, f"{first}-{last}", f"{first}-{last}/2", f"{one}/3",
             f"{one},{last}", f"{one},*/{rng.randint(1, 9)}")  # fmt: skip
    return rng.choice(forms)


def any_expression(rng: random.Random) -> str:
    day = rng.choice(("*", "?", "L", "LW", f"{rng.randint(1, 31)}W", f"L,{rng.randint(1, 28)}W"))
    weekday = rng.choice(("*", "?", f"{rng.randint(0, 7)}L", f"FRI#{rng.randint(1, 5)}", "1#2,3", "7", "L"))
    fields = [
        any_values(rng, 0, 59),
        any_values(rng, 0, 23),
        rng.choice((day, any_values(rng, 1, 31))),
        any_values(rng, 1, 12, MONTHS),
        # nncp-cronexpr knows no range that ends with Sunday.
        rng.choice((weekday, any_values(rng, 0, 6, WEEKDAYS))),
    ]
    year = rng.choice(("*", "2027", "2026-2040", "*/2", "2030/3", "1999"))
    return " ".join(rng.choice((fields, [*fields, year], [any_values(rng, 0, 59), *fields, year])))


def times_of(expression: str, start: str) -> list[str]:
    cron = parse_cron(expression)
    moment: datetime | None = datetime.fromisoformat(start[:19])
    found: list[str] = []
    while moment is not None and len(found) < COUNT:
        moment = cron.next_after(moment)
        if moment is not None:
            found.append(f"{moment.isoformat()}Z")
    return found


@pytest.mark.parametrize("seed", range(4))
def test_generated_expressions_mean_the_same(seed: int) -> None:
    """What nncp-cronexpr understands, we do, with the same times; what it refuses, we refuse."""
    rng = random.Random(seed)
    for _ in range(60):
        expression = any_expression(rng)
        done = go_cronexpr(expression)
        if done.returncode != 0:
            with pytest.raises(ConfigError):
                parse_cron(expression)
            continue
        now, *times = [line.split("\t")[1] for line in done.stdout.splitlines()]
        assert times_of(expression, now) == times, expression


def test_output_and_status_are_the_same() -> None:
    """The printed lines have the same form, and a bad expression the same status."""
    ours = run_verb_process("cronexpr", "-num", str(COUNT), "0 0 1 1 *").stdout.decode()
    theirs = go_cronexpr("0 0 1 1 *").stdout
    assert ours.splitlines()[1:] == theirs.splitlines()[1:]
    assert ours.startswith("Now:\t20")
    for bad in ("", "60 * * * *", "@reboot", "* * * * L"):
        assert go_cronexpr(bad).returncode == 1
        assert run_verb_process("cronexpr", bad, is_checked=False).returncode == 1
