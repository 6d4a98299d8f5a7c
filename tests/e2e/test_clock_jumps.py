"""A real daemon whose wall clock is set years ahead, or back to 1970, while it runs and while it does not."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gateways import CHILD_SECONDS, START_SECONDS, GatewayNode, clean_environ, mail, pair
from tests.support.peers import PROJECT
from tests.support.ports import free_port
from tests.support.processes import Running, wait_until

ALICE, BOB, EVE = "alice@a.test", "bob@b.test", "eve@here.test"
YEAR_SECONDS = 365 * 86_400
JUMPS = {"ten years ahead": 10 * YEAR_SECONDS, "back to 1970": -int(time.time()) + YEAR_SECONDS // 2}


class Clocked:
    """A node whose mail can go nowhere: neither to its neighbour nor to its mail server."""

    def __init__(self, place: Path) -> None:
        self.ahead = place / "ahead"
        self.ahead.write_text("0")
        self.a = GatewayNode(place / "a", "here.test", "--deliver", f"smtp:127.0.0.1:{free_port()}")
        pair(self.a, GatewayNode(place / "b", "b.test"))
        self.a.set_toml("neighbour.b", "in_service = false\n")

    def argv(self, *words: str) -> list[str]:
        """A command of the node under the clock that the test sets."""
        program = [sys.executable, "-m", "tests.support.wall_clock", str(self.ahead)]
        return [*program, "-c", str(self.a.config_path), *words]

    def run(self, *words: str) -> None:
        """Run a command to its end."""
        done = subprocess.run(
            self.argv(*words), check=False, capture_output=True, timeout=CHILD_SECONDS, env=environ()
        )
        assert b"Traceback" not in done.stderr, done.stderr

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The daemon."""
        before = len(self.a.log_text())
        with Running(self.argv("serve"), self.a.log_path, env=environ()) as daemon:
            daemon.wait_ready(lambda: "ready: " in self.a.log_text()[before:], START_SECONDS, "ready")
            yield
            assert daemon.stop() == 0

    def hand_in(self, number: int) -> None:
        """One mail for the neighbour and one for here; the log then has the time that the daemon believes."""
        year = time.gmtime(time.time() + int(self.ahead.read_text())).tm_year
        before = len(self.a.log_text())
        for recipient in (BOB, EVE):
            self.a.submit(ALICE, [recipient], mail(number, ALICE, recipient))
        wait_until(
            lambda: (
                self.a.log_text()[before:].count("event=received") == 2
                and "event=deferred" in self.a.log_text()[before:]
            ),
            60,
            "both mails",
            explain=self.a.log_text,
        )
        assert self.a.log_text()[before:].startswith(str(year))


def environ() -> dict[str, str]:
    return clean_environ(PYTHONPATH=os.pathsep.join((str(PROJECT), os.environ.get("PYTHONPATH", ""))))


@pytest.mark.parametrize("jump", JUMPS)
def test_nothing_expires_and_nobody_is_told_when_the_wall_clock_jumps(place: Path, jump: str) -> None:
    """Mail that waits goes on waiting, in the outbox and in the inbox, through a jump and a restart."""
    site = Clocked(place)
    with site.serving():
        site.hand_in(1)
        site.ahead.write_text(str(JUMPS[jump]))
        site.hand_in(2)
        assert site.a.states() == ["queued"] * 4
    with site.serving():
        site.hand_in(3)
    for command in ("report", "deliver", "toss"):
        site.run(command)
    assert site.a.states() == ["queued"] * 6
    log = site.a.log_text()
    assert not [word for word in ("event=dead", "event=report", "event=delayed") if word in log]
    # And back again: what came in the other time is as old as it is.
    site.ahead.write_text("0")
    with site.serving():
        site.hand_in(4)
    site.run("report")
    assert site.a.states() == ["queued"] * 8
