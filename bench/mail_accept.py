"""Taking mail in: messages per second that are accepted and synced, beside Postfix's own smtpd.

Both are fed by the same smtp-source, which speaks without pipelining, in alternating runs. Postfix takes
the mail into its queue and hands it to its discard transport; ours takes it into its queue and makes
packets of it, all in the one daemon, once the burst is over. Each acknowledges a message when it is on disk.
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.figures import BenchError, Figure, side_by_side
from bench.mail_letters import RECIPIENT, SENDER
from bench.mail_site import Nodes, need, open_place, scaled, wait_for, wait_idle, wait_packed
from tests.support.peers import require
from tests.support.postfix import PostfixInstance

ROUNDS = scaled(5)
RUN_SECONDS = 300
SMALL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Load:
    """What smtp-source sends in one run."""

    name: str
    count: int
    size_bytes: int
    sessions: int
    target: float
    is_kept: bool = True
    is_rate_of_bytes: bool = False

    def send(self, port: int) -> float:
        """Run it; returns messages, or MB, per second."""
        argv = [require("smtp-source"), *(["-d"] if self.is_kept else []), "-s", str(self.sessions)]
        argv += ["-m", str(self.count), "-l", str(self.size_bytes), "-f", SENDER, "-t", RECIPIENT]
        start = time.perf_counter()
        done = subprocess.run(
            [*argv, f"127.0.0.1:{port}"], capture_output=True, check=False, timeout=RUN_SECONDS
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise BenchError(f"smtp-source ended with {done.returncode}: {done.stderr.decode()[-500:]}")
        return self.count * (self.size_bytes / 1e6 if self.is_rate_of_bytes else 1) / seconds


_LOADS = (
    _Load("kept_connections_per_second", scaled(2000), SMALL_BYTES, 10, 2.0),
    _Load("new_connections_per_second", scaled(1000), SMALL_BYTES, 10, 1.3, is_kept=False),
    _Load("large_1MiB_MB_per_second", scaled(150), 1 << 20, 4, 0.8, is_rate_of_bytes=True),
    _Load("large_10MiB_MB_per_second", scaled(20), 10 << 20, 4, 0.8, is_rate_of_bytes=True),
)


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    need("smtp-source", "postfix", "postconf")
    with open_place() as place:
        nodes = Nodes(place)
        postfix = PostfixInstance(place / "pf", "mx.a.test")
        for setting in ("relay_domains = b.test", "relay_transport = discard:bench"):
            postfix.set(setting)
        with postfix, nodes.a.serving() as daemon:
            port = nodes.a.port()

            def rest() -> None:
                wait_packed(nodes.a.home / "state/queue")
                wait_idle(daemon.pid)
                wait_for(lambda: not postfix.queued(), "Postfix's empty queue")

            for load in _LOADS:
                yield _figure(load, port, postfix.port, rest)


def _figure(load: _Load, port: int, its_port: int, rest: Callable[[], None]) -> Figure:
    def side(where: int) -> Callable[[int], float]:
        def one_round(_number: int) -> float:
            rest()
            return load.send(where)

        return one_round

    side(port)(0)
    side(its_port)(0)
    ours, its = side_by_side(side(port), side(its_port), best=statistics.median, repeats=ROUNDS)
    return Figure(f"mail.accept_{load.name}", ours, its, load.target)
