"""The endpoint for local programs in a process of its own that kills itself at one step of the disk.

Run as ``python -m tests.support.pipe_child DIRECTORY STEP NUMBER``: writes ``DIRECTORY/ready``, serves, and
ends by SIGKILL at the NUMBER-th STEP (of ``gateway.durable`` or of the queue's writer) after that. STEP
``never`` serves until it is killed from outside.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from gateway.durable import Disk
from tests.support.handing_in import PipeEndpoint


def main() -> None:
    """Serve until the step comes."""
    directory, wanted, left_count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    is_ready = False

    def hook(step: str, _path: Path) -> None:
        nonlocal left_count
        if is_ready and step == wanted:
            left_count -= 1
            if left_count == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    with PipeEndpoint(directory, disk=Disk(hook=hook)):
        is_ready = True
        (directory / "ready").touch()
        threading.Event().wait()


if __name__ == "__main__":
    main()
