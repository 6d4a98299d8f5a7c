"""An endpoint of ours in a process of its own that kills itself at one step of the disk.

``python -m tests.support.doomed KIND DIRECTORY STEP NUMBER`` serves, says so in ``DIRECTORY/ready``, and ends
by SIGKILL at the NUMBER-th STEP (of ``gateway.durable`` or of the queue's writer) after that. STEP ``never``
serves until it is killed from outside.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.durable import Disk
from tests.support.endpoint import Endpoint
from tests.support.handing_in import PipeEndpoint
from tests.support.nntp_endpoint import NntpEndpoint
from tests.support.peers import PROJECT
from tests.support.processes import Running
from tests.support.server_thread import ServerThread

KINDS: dict[str, Callable[[Path, Disk], ServerThread]] = {
    "smtp": lambda directory, disk: Endpoint(directory, disk=disk),
    "nntp": lambda directory, disk: NntpEndpoint(directory, disk=disk),
    "pipe": lambda directory, disk: PipeEndpoint(directory, disk=disk),
}
START_SECONDS = 60


@contextmanager
def doomed(
    kind: str, directory: Path, step: str = "never", number: int = 1, *front: str
) -> Iterator[tuple[Running, int]]:
    """Run one, and kill it in the end.

    Args:
        kind: of ``KINDS``.
        directory: of the endpoint; made if there is none.
        step: at which it dies.
        number: how often the step comes until then, from 1.
        front: a command in front of it, such as a tracer.

    Yields:
        The process, and the port at which it listens; 0: at none.
    """
    directory.mkdir(exist_ok=True)
    ready = directory / "ready"
    ready.unlink(missing_ok=True)
    argv = [*front, sys.executable, "-m", "tests.support.doomed", kind, str(directory), step, str(number)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    running = Running(argv, directory / "child.log", env=env, cwd=PROJECT)
    try:
        running.wait_ready(ready.exists, START_SECONDS, "serving")
        yield running, int(ready.read_text())
    finally:
        running.kill_group()


def main() -> None:
    """Serve until the step comes."""
    kind, directory, wanted, left_count = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    is_ready = False

    def hook(step: str, _path: Path) -> None:
        nonlocal left_count
        if is_ready and step == wanted:
            left_count -= 1
            if left_count == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    with KINDS[kind](directory, Disk(hook=hook)) as serving:
        is_ready = True
        temporary = directory / "ready.new"
        temporary.write_text(str(getattr(serving, "port", 0)))
        temporary.rename(directory / "ready")
        threading.Event().wait()


if __name__ == "__main__":
    main()
