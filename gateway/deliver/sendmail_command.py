"""Delivery by the sendmail command of the local mail server, one run a message.

The command gets ``-f SENDER -- RECIPIENT...`` behind its own arguments, and the message with LF line
ends on its standard input. No shell is involved, and an address that could be read as an option is
refused, although ``--`` stands in front: what the mail server calls next may not have it.

Contract: the end of input makes sendmail send. So a message that can't be read to its end kills the
command before its input is closed. A command that runs too long is killed with its children.

Spec: sendmail(1) of Postfix and Exim; sysexits(3).
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from gateway.deliver.outcome import of_exit, of_os_error
from gateway.deliver.target import Body, same_for_all
from gateway.errors import ConfigError
from gateway.handover.frames import LOOP_VARIABLE
from gateway.message.address import RECIPIENT_STATUS, SENDER_STATUS, is_option_like
from gateway.message.lines import lf_chunks
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict

OUTPUT_LIMIT_BYTES = 4096
"""What is kept of a command's output; the rest is read and thrown away."""
ARGUMENTS_LIMIT_BYTES = 32 << 10
"""Recipients of one run; far below the kernel's limit, which the environment shares."""
RECIPIENT_LIMIT_COUNT = 100
"""Recipients of one run; RFC 5321 section 4.5.3.1.8 makes every server take so many."""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", LOOP_VARIABLE: "1"}
OWN_PROGRAMS = frozenset({"nncp-gateway", "nncp-gateway-pipe"})
"""What a command of ours is called, once links are followed. One that a script starts finds LOOP_VARIABLE."""

_PIPE_BYTES = 1 << 16
_REAP_SECONDS = 10.0
_POLL_SECONDS = 0.2
"""How soon it is noticed that a command has ended while a child of its own holds its output open."""


@dataclass(frozen=True, slots=True)
class SendmailTargetSettings:
    """Which command.

    Args:
        command: absolute path and fixed arguments; ``-i`` must be among them, or a line with a lone
            dot ends the message.
        timeout_seconds: longest run.
    """

    command: tuple[str, ...] = ("/usr/sbin/sendmail", "-i")
    timeout_seconds: float = 300.0


def refuse_own_program(program: str) -> None:
    """Make sure that a command is not this program under another name: it would get its own mail again.

    Raises:
        ConfigError: it is.
    """
    if Path(program).resolve().name in OWN_PROGRAMS:
        raise ConfigError(
            f"deliver.command: {program} is nncp-gateway itself, and mail would go round; allowed: the mail"
            " server's own command, such as /usr/sbin/sendmail"
        )


class SendmailTarget:
    """Delivers by a command.

    Args:
        settings: which.

    Raises:
        ConfigError: the command has no absolute path, or is this program under another name.
    """

    def __init__(self, settings: SendmailTargetSettings) -> None:
        if not settings.command or not Path(settings.command[0]).is_absolute():
            raise ConfigError(f"the sendmail command {settings.command!r} must begin with an absolute path")
        refuse_own_program(settings.command[0])
        self._settings = settings
        self._name = Path(settings.command[0]).name

    def deliver(self, message: QueuedMessage, body: Body) -> Sequence[Outcome]:
        """Try to deliver one message; see ``Target``."""
        sender = message.envelope.sender
        if is_option_like(sender):
            text = f"sender {sender} could be taken for an option"
            return same_for_all(message, Outcome(Verdict.REFUSED, SENDER_STATUS, text))
        outcomes: dict[str, Outcome] = {}
        for recipient in message.envelope.recipients:
            if is_option_like(recipient):
                text = f"recipient {recipient} could be taken for an option"
                outcomes[recipient] = Outcome(Verdict.REFUSED, RECIPIENT_STATUS, text)
        accepted = [recipient for recipient in message.envelope.recipients if recipient not in outcomes]
        for group in _groups(accepted):
            outcome = self._run([*self._settings.command, "-f", sender or "<>", "--", *group], body)
            outcomes.update(dict.fromkeys(group, outcome))
        return [outcomes[recipient] for recipient in message.envelope.recipients]

    def close(self) -> None:
        """Nothing is kept between messages."""

    def _run(self, argv: Sequence[str], body: Body) -> Outcome:
        try:
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
        except OSError as error:
            return of_os_error(f"cannot start {argv[0]}", error)
        with _Run(child, self._settings.timeout_seconds) as run:
            is_complete = run.exchange(lf_chunks(body()))
            status = run.wait()
        if run.is_late:
            text = (
                f"{self._name} did not end within {self._settings.timeout_seconds:g} seconds and was killed"
            )
            return Outcome(Verdict.DEFERRED, "4.4.7", text)
        if status == 0 and not is_complete:
            return Outcome(Verdict.DEFERRED, "4.3.0", f"{self._name} ended before it had read the message")
        return of_exit(self._name, status, bytes(run.output))


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


def _groups(recipients: Sequence[str]) -> Iterator[list[str]]:
    """The recipients in runs of bounded length."""
    group: list[str] = []
    used_bytes = 0
    for recipient in recipients:
        size_bytes = len(recipient.encode("utf-8")) + 1
        if group and (len(group) >= RECIPIENT_LIMIT_COUNT or used_bytes + size_bytes > ARGUMENTS_LIMIT_BYTES):
            yield group
            group, used_bytes = [], 0
        group.append(recipient)
        used_bytes += size_bytes
    if group:
        yield group
