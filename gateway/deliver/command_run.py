"""One run of a command that takes mail on its standard input: feeds it, hears what it says, ends it in time.

Contract: the end of input makes such a command act. So when the input can't be read to its end the command is
killed, with its children, before its input is closed. No shell is involved.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Self

from gateway.handover.frames import LOOP_VARIABLE

OUTPUT_LIMIT_BYTES = 4096
"""What is kept of a command's output; the rest is read and thrown away."""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", LOOP_VARIABLE: "1"}

_PIPE_BYTES = 1 << 16
_REAP_SECONDS = 10.0
_POLL_SECONDS = 0.2
"""How soon it is noticed that a command has ended while a child of its own holds its output open."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Args:
        status: its exit status, or the negative number of the signal that killed it.
        output: the beginning of what it wrote.
        is_fed: it took all of its input.
        is_late: it ran too long and was killed.
    """

    status: int
    output: bytes
    is_fed: bool
    is_late: bool


def run_command(argv: Sequence[str], chunks: Iterator[bytes], timeout_seconds: float) -> Ended:
    """Run a command to its end.

    Args:
        argv: its words, the first an absolute path.
        chunks: its standard input.
        timeout_seconds: longest run.

    Raises:
        OSError: it can't be started.
        GatewayError: the input can't be read; the command was killed before it saw the end.
    """
    child = subprocess.Popen(
        argv,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    with _Run(child, timeout_seconds) as run:
        is_fed = run.exchange(chunks)
        status = run.wait()
    return Ended(status, bytes(run.output), is_fed, run.is_late)


class _Run:
    """One running command: feeds it, collects what it says, and ends it in time.

    Leaving the ``with`` block on an error kills it with its input still open.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", timeout_seconds: float) -> None:
        self._child = child
        self._deadline = time.monotonic() + timeout_seconds
        self._input: IO[bytes] = _present(child.stdin)
        self._output: IO[bytes] = _present(child.stdout)
        self.output = bytearray()
        self.is_late = False

    def __enter__(self) -> Self:
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.returncode is None:
            self._kill()
            self._child.wait(_REAP_SECONDS)
        with contextlib.suppress(OSError):
            self._input.close()
        self._output.close()

    def exchange(self, chunks: Iterator[bytes]) -> bool:
        """Feed the command and read it until it says no more; whether it took all of its input."""
        left = memoryview(b"")
        is_complete = False
        with selectors.DefaultSelector() as ready:
            ready.register(self._output, selectors.EVENT_READ)
            ready.register(self._input, selectors.EVENT_WRITE)
            while ready.get_map():
                events = ready.select(_POLL_SECONDS)
                if self._is_over(events):
                    break
                for key, _ in events:
                    if key.fileobj is self._output:
                        if not self._read():
                            ready.unregister(self._output)
                        continue
                    chunk = left or memoryview(next(chunks, b""))
                    is_complete = not chunk
                    left = self._write(chunk)
                    if is_complete or left is _BROKEN:
                        ready.unregister(self._input)
                        self._close_input()
        return is_complete

    def _is_over(self, events: Sequence[object]) -> bool:
        """Whether to stop the exchange: the time is up, or only others still hold the output open."""
        if time.monotonic() >= self._deadline:
            self.is_late = True
            self._kill()
            return True
        # Exim goes on to deliver in the background, with the same standard error.
        return not events and self._child.poll() is not None

    def wait(self) -> int:
        """Wait for its end; the exit status, or the negative number of a signal."""
        try:
            return self._child.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.is_late = True
            self._kill()
            return self._child.wait(_REAP_SECONDS)

    def _read(self) -> bool:
        data = self._output.read(_PIPE_BYTES)
        if data:
            self.output += data[: OUTPUT_LIMIT_BYTES - len(self.output)]
        return data != b""

    def _write(self, chunk: memoryview) -> memoryview:
        try:
            return chunk[os.write(self._input.fileno(), chunk[:_PIPE_BYTES]) :]
        except BlockingIOError:
            return chunk
        except BrokenPipeError:
            return _BROKEN

    def _close_input(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._input.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)


_BROKEN = memoryview(b"")
"""What is left to write to a command that reads no more."""


def _present(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("internal error: the command was started without pipes")
    return pipe
