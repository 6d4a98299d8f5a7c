"""What is shown of the progress, and when nothing is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.spool.progress import SILENT, Progress, open_progress
from tests.support.terminal import open_pty


class Screen:
    """A terminal that keeps what was written, with a clock that moves by hand."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        self.text = ""
        self.seconds = 100.0
        self.progress = Progress(self.write, is_terminal=is_terminal, now=lambda: self.seconds)

    def write(self, text: str) -> None:
        self.text += text


def test_a_quick_step_is_not_shown() -> None:
    screen = Screen()
    with screen.progress.bar("quick", 100) as bar:
        screen.seconds += 0.4
        bar.add(100)
    assert screen.text == ""


def test_a_long_step_is_shown_and_erased() -> None:
    screen = Screen()
    with screen.progress.bar("checking X", 4096) as bar:
        screen.seconds += 2
        bar.add(1024)
        assert screen.text == "\r\x1b[K 25% 1.0 KiB / 4.0 KiB 512 B/s checking X"
        screen.seconds += 0.1
        bar.add(1024)
        assert screen.text.count("\r") == 1
        screen.seconds += 1.9
        bar.add(1024)
        assert screen.text.endswith("\r\x1b[K 75% 3.0 KiB / 4.0 KiB 768 B/s checking X")
    assert screen.text.endswith("\r\x1b[K")


def test_without_a_total_there_is_no_percentage() -> None:
    screen = Screen()
    with screen.progress.bar("reading") as bar:
        screen.seconds += 1
        bar.add(5)
    assert screen.text == "\r\x1b[K5 B 5 B/s reading\r\x1b[K"


def test_more_than_the_total_is_100_percent() -> None:
    screen = Screen()
    with screen.progress.bar("x", 10) as bar:
        screen.seconds += 1
        bar.add(30)
    assert "100% 30 B / 10 B" in screen.text


def test_without_a_terminal_each_state_is_a_line_and_they_are_few() -> None:
    screen = Screen(is_terminal=False)
    with screen.progress.bar("x", 10) as bar:
        for _ in range(10):
            screen.seconds += 1
            bar.add(1)
    assert screen.text == " 10% 1 B / 10 B 1 B/s x\n 60% 6 B / 10 B 1 B/s x\n"


def test_a_long_line_and_a_name_that_would_steer_the_terminal_stay_one_line() -> None:
    screen = Screen()
    with screen.progress.bar("\x1b[2J\n" + "x" * 500) as bar:
        screen.seconds += 1
        bar.add(1)
        assert "\x1b[2J" not in screen.text
        assert "\n" not in screen.text
        assert len(screen.text) < 200


def test_following_hands_on_every_piece() -> None:
    screen = Screen()
    with screen.progress.bar("x") as bar:
        screen.seconds += 1
        assert list(bar.follow([b"abc", b"d"])) == [b"abc", b"d"]
    assert screen.text.startswith("\r\x1b[K3 B")


def test_the_silent_one_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with SILENT.bar("x", 1) as bar:
        bar.add(1)
    assert not SILENT.is_shown
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("is_wanted", "is_forced", "is_shown"), [(False, False, False), (True, False, False), (True, True, True)]
)
def test_without_a_terminal_it_must_be_forced(*, is_wanted: bool, is_forced: bool, is_shown: bool) -> None:
    assert open_progress(is_wanted=is_wanted, is_forced=is_forced).is_shown is is_shown


@pytest.mark.parametrize(("is_wanted", "answer"), [(True, "True"), (False, "False")])
def test_on_a_terminal_it_is_shown_if_wanted(is_wanted: object, answer: str) -> None:
    script = (
        "from gateway.spool.progress import open_progress; "
        f"print(open_progress(is_wanted={is_wanted}, is_forced=False).is_shown)"
    )
    near, far = open_pty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=far,
            check=True,
            timeout=60,
            cwd=Path(__file__).resolve().parents[2],
        )
    finally:
        os.close(near)
        os.close(far)
    assert done.stdout.decode().strip() == answer


def test_a_stderr_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    progress = open_progress(is_wanted=True, is_forced=True)
    bar = Progress(progress.bar("x")._write, now=lambda: seconds[0]).bar("x")
    with Path(os.devnull).open("w", encoding="ascii") as closed:
        monkeypatch.setattr(sys, "stderr", closed)
    seconds[0] = 10.0
    bar.add(1)
    bar.end()
    assert sys.stderr.closed
