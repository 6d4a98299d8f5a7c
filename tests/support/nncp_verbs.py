"""Run ``nncp VERB`` within the test's own process, or as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.cli.nncp.main import main

PROJECT = Path(__file__).resolve().parents[2]
_START = "import os, sys; from gateway.cli.nncp.main import main; sys.exit(main(sys.argv[1:], os.environ))"


class Verbs:
    """Runs verbs; standard input is a file, and what is printed is left to ``capfdbinary``."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._input = directory / "stdin"
        self._monkeypatch = monkeypatch

    def run(
        self, *arguments: str | Path, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> int:
        self._input.write_bytes(stdin)
        with self._input.open() as source:
            self._monkeypatch.setattr(sys, "stdin", source)
            return main([str(argument) for argument in arguments], environ or {})


def verb_argv(*arguments: str | Path) -> list[str]:
    """The command line that runs a verb as a process of its own."""
    return [sys.executable, "-c", _START, *map(str, arguments)]


def verb_environ(**more: str) -> dict[str, str]:
    """The environment for ``verb_argv``: ours, without NNCP's variables."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("NNCP")}
    return {**ours, "PYTHONPATH": str(PROJECT), **more}


def run_verb_process(
    *arguments: str | Path, stdin: bytes = b"", is_checked: bool = True, stdout_closed: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a verb as a process of its own and wait for its end.

    Args:
        arguments: the verb and its own.
        stdin: its input.
        is_checked: whether a status other than 0 fails the test.
        stdout_closed: its output is a pipe that nobody reads.
    """
    out = subprocess.PIPE
    if stdout_closed:
        read_end, out = os.pipe()
        os.close(read_end)
    try:
        done = subprocess.run(
            verb_argv(*arguments),
            input=stdin,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
            env=verb_environ(),
        )
    finally:
        if stdout_closed:
            os.close(out)
    if is_checked and done.returncode != 0:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stderr.decode()}")
    return done
