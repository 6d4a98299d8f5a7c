"""Pipes: what a mail server pays for each message that it hands over through a pipe.

The peer is ``nncp-exec``, which is what sites with Go NNCP pipe their mail into: one process a message,
which ends when its packet is on disk. Ours hands the same message to the daemon and ends when it is in
the queue, on disk. Both sync as they do by default. Whole runs are timed, from the start of the process to
its end, in turn; the figures are medians.
"""

import base64
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import BenchError, Figure, side_by_side
from bench.mail_site import scaled, wait_for
from bench.packet_nodes import Pair
from bench.places import place_in

ROUNDS_COUNT = scaled(100)
SMALL_BYTES = 4096
LARGE_BYTES = 1 << 20
START_SECONDS = 60
PROGRAM = [sys.executable, "-m", "gateway.cli.main"]
ENVIRONMENT = {"PATH": os.defpath}
"""What a mail server leaves to a command."""
SENDER, RECIPIENT = "alice@a.test", "bob@b.test"
HEADER = b"From: alice@a.test\nTo: bob@b.test\nSubject: x\nDate: x\nMessage-ID: <1@a.test>\n\n"


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    if shutil.which("nncp-exec") is None:
        raise BenchError("nncp-exec is not installed")
    with place_in() as place:
        peer = Pair(place / "peer", ["/bin/true"])
        with _serving(place / "ours") as names:
            yield from _figures(names, peer)


def _figures(names: Path, peer: Pair) -> Iterator[Figure]:
    small, large = (_message(size) for size in (SMALL_BYTES, LARGE_BYTES))
    batch = f"MAIL FROM:<{SENDER}>\nRCPT TO:<{RECIPIENT}>\nDATA\n".encode() + small + b".\n"
    theirs = ["nncp-exec", "-quiet", "-noprogress", "-cfg", str(peer.paths["a"]), "b", "run", RECIPIENT]
    sendmail = [str(names / "sendmail"), "-G", "-i", "-f", SENDER, "--", RECIPIENT]
    for name, ours, body, peers_body in (
        ("sendmail_4KiB", sendmail, small, small),
        ("rsmtp_4KiB", [str(names / "rsmtp")], batch, small),
        ("uux_4KiB", [str(names / "uux"), "-", "-r", "b!rmail", RECIPIENT], small, small),
        ("sendmail_1MiB", sendmail, large, large),
    ):
        _seconds(ours, body)
        mine, its = side_by_side(
            lambda _, argv=ours, stdin=body: _seconds(argv, stdin),  # type: ignore[misc]
            lambda _, stdin=peers_body: _seconds(theirs, stdin),  # type: ignore[misc]
            best=statistics.median,
            repeats=ROUNDS_COUNT,
        )
        yield Figure(f"mail.{name}_ms", mine * 1000, its * 1000, 1.0, is_less_better=True)


def _seconds(argv: list[str], stdin: bytes) -> float:
    start = time.perf_counter()
    done = subprocess.run(argv, input=stdin, capture_output=True, check=False, env=ENVIRONMENT)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise BenchError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return seconds


@contextmanager
def _serving(place: Path) -> Iterator[Path]:
    """A node whose daemon runs; the directory of the names that mail servers call."""
    for name in ("a", "b"):
        _program(place / name, "init", "--directory", str(place / name), "--hostname", f"mail.{name}.test",
                 "--deliver", f"maildir:{place}/mail", "--smtp-listen", "none")  # fmt: skip
    block = _program(place / "b", "invite")
    _program(place / "a", "accept", "b", "--domain", "b.test", stdin=block)
    _program(place / "a", "links", "--mail", str(place / "bin"))
    with (place / "log").open("wb") as log:
        serve = subprocess.Popen([*PROGRAM, "-c", str(place / "a/gateway.toml"), "serve"], stderr=log)
    try:
        wait_for((place / "a/state/pipe.sock").exists, "the daemon's socket", START_SECONDS)
        yield place / "bin"
    finally:
        serve.terminate()
        serve.wait(START_SECONDS)


def _program(home: Path, *words: str, stdin: bytes = b"") -> bytes:
    argv = [*PROGRAM, "-c", str(home / "gateway.toml"), *words]
    done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return done.stdout


def _message(size_bytes: int) -> bytes:
    """A message as with an attachment: it compresses a little."""
    lines = base64.encodebytes(os.urandom(size_bytes))
    return HEADER + lines[: size_bytes - len(HEADER) - 1] + b"\n"
