"""What the benchmarks of mail share: two nodes of ours, and waiting."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import BenchError
from bench.places import place_in
from tests.support import peers
from tests.support.gateways import GatewayNode

WAIT_SECONDS = 120.0
POLL_SECONDS = 0.02
IDLE_SECONDS = 0.3
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def scaled(count: int) -> int:
    """A count, smaller for a quick look: ``BENCH_MAIL_SCALE`` in the environment, such as 0.1."""
    return max(1, round(count * float(os.environ.get("BENCH_MAIL_SCALE", "1"))))


def need(*programs: str) -> None:
    """Leave the part out unless it runs as root and has its programs.

    Raises:
        BenchError: it can't run here.
    """
    missing = [name for name in programs if peers.find(name) is None]
    if missing:
        raise BenchError(f"{', '.join(missing)} not installed: ./run test as root installs it")
    if os.geteuid() != 0:
        raise BenchError("needs root, as Postfix does")


class Nodes:
    """Two nodes of ours that know each other: mail for b.test goes from a to b.

    Args:
        place: every user must be able to enter it.
        options: more options of ``init`` for each node.
        batch: lines for the neighbour b at a.
    """

    def __init__(self, place: Path, options: Sequence[Sequence[str]] = ((), ()), batch: str = "") -> None:
        self.a, self.b = (
            GatewayNode(place / name, f"{name}.test", *words)
            for name, words in zip("ab", options, strict=True)
        )
        self.a.accept(self.b, "--understands", "gateway")
        self.b.accept(self.a, "--understands", "gateway")
        for node in (self.a, self.b):
            # As on a server: mail lines in a file, not in the daemon's standard error.
            node.set_toml("log", f'mail = "{node.home}/mail.log"\n')
        if batch:
            self.set_neighbour(batch)

    def set_neighbour(self, lines: str) -> None:
        """Put lines into a's table of the neighbour b, which must not have them yet."""
        self.a.set_toml("neighbour.b", lines)


@contextmanager
def open_place() -> Iterator[Path]:
    """A directory that every user may enter, as the servers' users must; removed afterwards."""
    with place_in() as place:
        place.chmod(0o755)
        yield place


def wait_for(predicate: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition.

    Raises:
        BenchError: it did not come.
    """
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(POLL_SECONDS)


def wait_idle(pid: int) -> None:
    """Wait until a process has nothing to do, so that it disturbs no other measurement."""
    deadline = time.monotonic() + WAIT_SECONDS
    before, since = cpu_seconds(pid), time.monotonic()
    while time.monotonic() - since < IDLE_SECONDS:
        if time.monotonic() > deadline:
            raise BenchError(f"process {pid} never rests")
        time.sleep(POLL_SECONDS)
        now = cpu_seconds(pid)
        if now > before + 2 * _TICK_SECONDS:
            before, since = now, time.monotonic()


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_SECONDS


def file_count(directory: Path) -> int:
    """How many entries a directory has, 0 if there is none."""
    try:
        return len(os.listdir(directory))  # noqa: PTH208 - names only, many times a second
    except FileNotFoundError:
        return 0
