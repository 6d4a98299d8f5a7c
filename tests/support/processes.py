"""Start, watch and stop other programs in tests.

Nothing here waits a fixed time: every wait polls a condition until a deadline, which is later on a
busy machine. Processes are ended by the process id or group that was started here, never by name.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 6000


def slowness() -> float:
    """How many times longer something may take now than on a machine with nothing else to do, from 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(
    predicate: Callable[[], T], seconds: float, what: str, *, explain: Callable[[], str] | None = None
) -> T:
    """Poll until ``predicate`` gives something true, and return it.

    Args:
        predicate: called at least once, also when the deadline has passed.
        seconds: the deadline, from now, on a machine with nothing else to do.
        what: names the awaited condition in the error.
        explain: called for more text when the deadline passes, a peer's log for instance.

    Raises:
        AssertionError: the deadline passed.
    """
    began = time.monotonic()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= began + seconds * slowness():
            more = f"\n{explain()}" if explain else ""
            raise AssertionError(f"waited {seconds} s in vain for {what}{more}")
        time.sleep(POLL_SECONDS)


def tail(path: Path) -> str:
    """The end of a log, or a sentence saying that there is none."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return f"({path}: {error.strerror})"
    return raw[-LOG_TAIL_BYTES:].decode("utf-8", "replace")


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections on a TCP port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _group_members(group: int) -> list[int]:
    """The processes of a group that run, those that only wait to be reaped left out."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                members.append(int(stat.parent.name))
    return members


class Running:
    """A program that runs in a session of its own, its output in a file.

    Args:
        argv: the command; no shell.
        log: standard output and standard error are appended here.
        env: the whole environment, or None for ours.
        cwd: working directory.
        user: user name to run as, with that user's groups; needs root.
    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | str = "/",
        user: str | None = None,
    ) -> None:
        self.log = log
        self.name = Path(argv[0]).name
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                as_user(user, argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self._child.poll()

    def wait_ready(self, predicate: Callable[[], object], seconds: float, what: str) -> None:
        """Wait for a condition; fail at once, with the log, when the program ends before it."""

        def is_ready() -> bool:
            if predicate():
                return True
            if self.returncode is not None:
                raise AssertionError(
                    f"{self.name} ended with {self.returncode} before {what}\n{tail(self.log)}"
                )
            return False

        wait_until(is_ready, seconds, f"{self.name}: {what}", explain=lambda: tail(self.log))

    def wait(self, seconds: float) -> int:
        """Wait for the program's own end; returns its exit status."""
        return self._child.wait(seconds * slowness())

    def send_signal(self, number: int) -> None:
        """Signal the program alone, not its children."""
        self._child.send_signal(number)

    def stop(self, seconds: float = 60) -> int:
        """End it with TERM, after ``seconds`` with KILL; returns the exit status. Idempotent."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(seconds * slowness())
            except subprocess.TimeoutExpired:
                self.kill_group()
        return self._child.wait(seconds * slowness())

    def kill_group(self) -> None:
        """KILL it and everything in its process group: what a power cut leaves. Idempotent."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait(60 * slowness())
        wait_until(
            lambda: not _group_members(self._child.pid), 60, f"the end of all processes of {self.name}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def as_user(user: str | None, argv: Sequence[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    """The command that runs ``argv`` as another user, without a login shell."""
    if user is None:
        return list(argv)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *argv]


@contextlib.contextmanager
def interruptible_children() -> Iterator[None]:
    """Children hear SIGINT, even if the tests run in the background of a shell, which has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
