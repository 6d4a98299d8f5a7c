"""What the benchmarks of mail share: two nodes of ours, and waiting."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bench.figures import BenchError
from bench.places import place_in
from gateway.batch.policy import LanePolicy
from gateway.msgqueue.store import DATABASE_NAME
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


def wait_for(
    predicate: Callable[[], object],
    what: str,
    seconds: float = WAIT_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Wait for a condition.

    Args:
        predicate: whether it holds.
        what: is waited for, for people.
        seconds: at most.
        poll_seconds: between two looks; what is looked at costs time that is measured.

    Raises:
        BenchError: it did not come.
    """
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(poll_seconds)


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


def wait_packed(queue: Path) -> None:
    """Wait until a node has made packets of what it took in, but for less than a batch.

    Else a burst that came before would be packed in the middle of a measurement, whoever's.

    Args:
        queue: its directory.
    """
    default = LanePolicy()

    def is_packed() -> bool:
        with closing(sqlite3.connect(f"file:{queue}/{DATABASE_NAME}?mode=ro", uri=True)) as connection:
            (count, size_bytes, claimed_count) = connection.execute(
                "SELECT count(*), coalesce(sum(m.size_bytes), 0), coalesce(sum(d.state = 'claimed'), 0)"
                " FROM delivery d JOIN message m ON m.seq = d.message WHERE d.state IN ('queued', 'claimed')"
            ).fetchone()
        return not claimed_count and count < default.max_count and size_bytes < default.max_bytes

    wait_for(is_packed, "packets")


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
