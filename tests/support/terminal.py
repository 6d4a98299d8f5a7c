"""A pseudo-terminal on which somebody types passphrases."""

import contextlib
import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import slowness

WAIT_SECONDS = 60
POLL_SECONDS = 0.05
_PROMPT = re.compile(rb"(?:passphrase|password|yes or no):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Typed:
    """How a command ended that asked on its terminal.

    Attributes:
        returncode: its exit status.
        stdout: what it wrote to standard output, which is a file.
        shown: what the terminal showed: prompts, messages and whatever was echoed.
    """

    returncode: int
    stdout: bytes
    shown: bytes


def open_pty() -> tuple[int, int]:
    """Our end and the far end of a new pseudo-terminal; skips the test where there can be none."""
    try:
        return pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal ({error}): mount -t devpts devpts /dev/pts")


def type_at(
    argv: Sequence[str],
    answers: Sequence[str],
    place: Path,
    *,
    environ: Mapping[str, str] | None = None,
    stdin: Path | None = None,
) -> Typed:
    """Run a command with a terminal of its own and answer each of its questions.

    Args:
        argv: the command.
        answers: a line for each prompt that ends with a colon.
        place: a directory for its output.
        environ: its whole environment, or None for ours.
        stdin: a file instead of the terminal; the terminal still controls the command.
    """
    output = place / "typed-stdout"
    ours, theirs = open_pty()
    with output.open("wb") as stdout, contextlib.ExitStack() as stack:
        source = theirs if stdin is None else stack.enter_context(stdin.open("rb"))
        child = subprocess.Popen(
            argv,
            stdin=source,
            stdout=stdout,
            stderr=theirs,
            env=None if environ is None else dict(environ),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )
    try:
        shown = _answer(child, ours, [answer.encode() + b"\n" for answer in answers])
    finally:
        child.kill()
        child.wait()
        os.close(theirs)
        os.close(ours)
    return Typed(child.returncode, output.read_bytes(), shown)


def _answer(child: "subprocess.Popen[bytes]", fd: int, answers: list[bytes]) -> bytes:
    """Type an answer behind each prompt until the command ends; what was shown."""
    shown, seen_count = b"", 0
    deadline = time.monotonic() + WAIT_SECONDS * slowness()
    while time.monotonic() < deadline:
        has_ended = child.poll() is not None
        readable, _, _ = select.select([fd], [], [], 0 if has_ended else POLL_SECONDS)
        if readable:
            shown += os.read(fd, 4096)
        elif has_ended:
            return shown
        if answers and len(_PROMPT.findall(shown)) > seen_count:
            seen_count += 1
            os.write(fd, answers.pop(0))
    raise AssertionError(f"the command did not end; shown: {shown!r}")
