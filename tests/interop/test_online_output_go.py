"""What our call and our daemon print, log and end with, beside what Go's do in the same situation."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS
from tests.support.online import OnlinePair
from tests.support.online_packets import TINY

_VARYING = (
    (re.compile(r"^\S+Z ", re.MULTILINE), ""),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\(\d+:\d+:\d+\): .*"), "(TIME): COUNTED"),
    # Go's slip.
    (re.compile(r"retreived"), "retrieved"),
)
_COUNTED = {"When", "Duration", "RxBytes", "RxSpeed", "TxBytes", "TxSpeed"}
"""Fields of a log record that no two sessions share."""
_NOTHING = "0 packets, 0 B"
"""Go tells this sum at times, we never."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a side said, without what varies; sorted, since two tasks may tell in either order."""

    status: int | None
    printed: list[str]
    logged: list[list[str]]


class Theatre:
    """The same scene, played by one cast after the other: same keys, same packets, same spools."""

    def __init__(self, place: Path) -> None:
        self.pair = OnlinePair(place / "pair")
        self._kept = place / "kept"
        for name in ("a", "b"):
            self.pair.fill(name, 3, mix=TINY)

    def play(self, caller: str, daemon: str, *words: str) -> tuple[Said, Said]:
        """Call once; returns what caller and daemon said."""
        pair = self.pair
        with pair.listening(daemon, "b") as (port, program):
            done = pair.call(caller, "a", *words, "--", pair.address("b", port), is_checked=False)
            for name in ("a", "b"):
                pair.wait_unlocked(name)
            printed = done.stderr.decode()
        return self._said("a", done.returncode, printed), self._said("b", None, program.log.read_text())

    def keep(self) -> None:
        """Remember how the spools are."""
        for name in ("a", "b"):
            shutil.copytree(self.pair.spools[name].root, self._kept / name, symlinks=True)

    def reset(self) -> None:
        """Make the spools as they were kept, and forget what was said."""
        for name in ("a", "b"):
            root = self.pair.spools[name].root
            shutil.rmtree(root)
            shutil.copytree(self._kept / name, root, symlinks=True)
        self.forget()

    def forget(self) -> None:
        """Forget what was said so far."""
        for path in (*self.pair.logs.values(), *self.pair.directory.glob("*.out")):
            path.unlink(missing_ok=True)

    def _said(self, name: str, status: int | None, printed: str) -> Said:
        records = [
            sorted(line for line in _plain(record).split("\n") if line.split(":")[0] not in _COUNTED)
            for record in self.pair.log_text(name).strip("\n").split("\n\n")
            if _NOTHING not in record
        ]
        lines = [line for line in _plain(printed).splitlines() if _NOTHING not in line]
        return Said(status, sorted(lines), sorted(records))


def _plain(text: str) -> str:
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


@pytest.mark.parametrize("words", [(), ("-list",), ("-nock",)], ids=" ".join)
def test_call_and_daemon_tell_the_same_as_go(place: Path, words: tuple[str, ...]) -> None:
    """In one and the same session our call and our daemon print and log what Go's do, with Go's status."""
    theatre = Theatre(place)
    theatre.keep()
    go_caller, go_daemon = theatre.play(GO, GO, *words)
    theatre.reset()
    our_caller, _ = theatre.play(OURS, GO, *words)
    theatre.reset()
    _, our_daemon = theatre.play(GO, OURS, *words)
    assert our_caller == go_caller
    assert our_daemon == go_daemon


@pytest.mark.parametrize(
    "words",
    [
        ("-nice", "0", "b"),
        ("-rx", "-tx", "b"),
        ("nobody",),
        ("b:nowhere",),
        ("b",),
        (),
        ("-nothing",),
    ],
    ids=" ".join,
)
def test_wrong_use_has_the_same_status_as_go(place: Path, words: tuple[str, ...]) -> None:
    """What Go's call refuses ours refuses too, with the same status, and before it connects."""
    pair = OnlinePair(place / "pair")
    statuses = {who: pair.run(who, "a", "call", *words, is_checked=False).returncode for who in (OURS, GO)}
    assert statuses[OURS] == statuses[GO]
    assert statuses[OURS] != 0
