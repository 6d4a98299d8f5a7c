"""Run a handler: an outside command that gets a payload on its standard input.

    FEEDING ──→ WAITING ──→ ended, status 0 ──→ its output
       │           └──────→ ended otherwise ──→ HandlerFailed
       └─ payload fails, time is up ──→ killed, reaped, and only then its input is closed

Contract: no shell. A handler that was not given all of its input never sees the end of it, since at
the end of its input a mailer sends: it is killed with its whole process group first. One that ends
with 0 before it has read everything is satisfied. Standard output and standard error are captured
together, as far as the limit goes.
"""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.errors import GatewayError

READ_BYTES = 64 * 1024
PIPE_BYTES = 64 * 1024
"""What a pipe holds by itself."""
WIDE_PIPE_BYTES = 1024 * 1024
"""What it may hold for everybody (fs.pipe-max-size)."""
KILLED_WAIT_SECONDS = 30.0
OUTPUT_CUT = b"\n[more output was dropped]"
Meanwhile = Callable[[], None]


class HandlerFailed(GatewayError):
    """A handler ended with something else than 0, or did not end, or could not be started.

    Args:
        text: how it ended.
        output: what it had written so far, cut at the limit.
    """

    status = "4.3.0"

    def __init__(self, text: str, output: bytes = b"") -> None:
        super().__init__(text)
        self.output = output


@dataclass(frozen=True, slots=True)
class Command:
    """What to run.

    Args:
        argv: the command and its arguments; a name without a slash is looked up in our own PATH.
        env: the whole environment.
    """

    argv: tuple[bytes, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HandlerLimits:
    """How far a handler may go.

    Args:
        timeout_seconds: from its start to its end.
        output_limit_bytes: of its output that are kept; it may write more.
    """

    timeout_seconds: float
    output_limit_bytes: int


def do_nothing() -> None:
    """Stand in where nothing else is to be done."""


def run_handler(
    command: Command,
    payload: Iterable[bytes | memoryview],
    limits: HandlerLimits,
    meanwhile: Meanwhile = do_nothing,
) -> bytes:
    """Run a handler on a payload and wait for its end.

    Args:
        command: what to run.
        payload: its standard input; an error that it raises kills the handler and comes through.
        limits: how far it may go.
        meanwhile: called once, when the handler has all of its input; short, and raises nothing.

    Returns:
        Its output.

    Raises:
        HandlerFailed: it could not be started, did not end in time, or did not end with 0.
    """
    child = _spawn(command)
    conversation = _Conversation(child, iter(payload), limits)
    try:
        conversation.hold(meanwhile)
    except BaseException:
        conversation.kill()
        raise
    finally:
        conversation.close()
    if child.returncode:
        raise HandlerFailed(_describe(child.returncode), conversation.output)
    return conversation.output


def _spawn(command: Command) -> "subprocess.Popen[bytes]":
    name = command.argv[0]
    program = shutil.which(name)
    if program is None:
        where = "" if b"/" in name else " in PATH"
        raise HandlerFailed(f"command not found{where}, or not executable: {os.fsdecode(name)}")
    try:
        return subprocess.Popen(
            command.argv,
            executable=program,
            env=command.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # Ours are close-on-exec, but those that we were started with (a log on FD:N) are not.
            close_fds=True,
            # A group of its own, to be killed as a whole: a shell's children hold its input too.
            start_new_session=True,
        )
    except OSError as error:
        raise HandlerFailed(f"cannot start {os.fsdecode(program)}: {error.strerror}") from error


def _describe(returncode: int) -> str:
    if returncode > 0:
        return f"exit status {returncode}"
    with contextlib.suppress(ValueError):
        return f"killed by signal {-returncode} ({signal.Signals(-returncode).name})"
    return f"killed by signal {-returncode}"


class _Conversation:
    """Feeds a child's input and drains its output until it has ended."""

    def __init__(
        self, child: "subprocess.Popen[bytes]", payload: Iterator[bytes | memoryview], limits: HandlerLimits
    ) -> None:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("internal error: a handler without pipes")
        self._child = child
        self._payload = payload
        self._limits = limits
        self._deadline = time.monotonic() + limits.timeout_seconds
        self._captured = bytearray()
        self._is_cut = False
        self._stdin, self._stdout = child.stdin, child.stdout
        self._pidfd = os.pidfd_open(child.pid)
        self._pending = memoryview(b"")
        self._is_widened = False
        self._is_feeding = True
        self._has_ended = False
        self._poll = select.poll()
        self._actions: dict[int, Callable[[], None]] = {}
        for fd, events, action in (
            (self._stdin.fileno(), select.POLLOUT, self._feed),
            (self._stdout.fileno(), select.POLLIN, self._drain),
            (self._pidfd, select.POLLIN, self._reap),
        ):
            self._poll.register(fd, events)
            self._actions[fd] = action
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)

    @property
    def output(self) -> bytes:
        """What the child wrote, as far as it was kept."""
        return bytes(self._captured) + (OUTPUT_CUT if self._is_cut else b"")

    def hold(self, meanwhile: Meanwhile) -> None:
        """Feed and drain until the child has ended and needs no more input.

        Args:
            meanwhile: what to do when the child has all of its input.

        Raises:
            HandlerFailed: the time is up.
        """
        self._converse(lambda: self._is_feeding)
        meanwhile()
        self._converse(lambda: not self._has_ended)
        if not self._stdout.closed:
            self._drain()

    def _converse(self, is_wanted: Callable[[], bool]) -> None:
        while is_wanted():
            left_seconds = self._deadline - time.monotonic()
            if left_seconds <= 0:
                raise HandlerFailed(f"did not end within {self._limits.timeout_seconds:g} s", self.output)
            for fd, _events in self._poll.poll(left_seconds * 1000 + 1):
                self._actions[fd]()

    def kill(self) -> None:
        """Kill the child and all of its group, and wait until it is gone; its input is still open."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(KILLED_WAIT_SECONDS)

    def close(self) -> None:
        """Close our ends."""
        os.close(self._pidfd)
        self._stdout.close()
        self._stdin.close()

    def _feed(self) -> None:
        """Write what the pipe takes of one piece; the others, and the clock, get their turn then."""
        try:
            if self._next_piece():
                self._pending = self._pending[os.write(self._stdin.fileno(), self._pending) :]
                if self._next_piece():
                    return
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It wants no more; whether that is right is for its exit status to say.
            pass
        self._end_feeding()

    def _next_piece(self) -> bool:
        while not self._pending:
            piece = next(self._payload, None)
            if piece is None:
                return False
            self._pending = memoryview(piece)
            if len(piece) > PIPE_BYTES:
                self._widen_pipe()
        return True

    def _widen_pipe(self) -> None:
        """Let much go through at a time; without it the two sides wake each other for every 64 KiB."""
        if not self._is_widened:
            self._is_widened = True
            # Refused when the user has too many wide pipes: then it stays as it is.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._stdin.fileno(), fcntl.F_SETPIPE_SZ, WIDE_PIPE_BYTES)

    def _end_feeding(self) -> None:
        if self._is_feeding:
            self._is_feeding = False
            self._forget(self._stdin.fileno())
            self._stdin.close()

    def _drain(self) -> None:
        """Read what the child has written; the end of it may come long after the child's own."""
        while True:
            try:
                data = os.read(self._stdout.fileno(), READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._forget(self._stdout.fileno())
                self._stdout.close()
                return
            room_bytes = self._limits.output_limit_bytes - len(self._captured)
            self._captured += data[:room_bytes]
            self._is_cut = self._is_cut or len(data) > room_bytes

    def _reap(self) -> None:
        self._child.wait()
        self._has_ended = True
        self._forget(self._pidfd)
        if self._is_feeding and self._child.returncode != 0:
            # What it left behind may still read its input, and must not see the end of it.
            self.kill()
            self._end_feeding()

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)
        del self._actions[fd]
