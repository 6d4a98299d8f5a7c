"""An endpoint for news in a process of its own that kills itself at one step of the disk.

Run as ``python -m tests.support.nntp_child DIRECTORY STEP NUMBER``; as ``smtp_child``.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from gateway.durable import Disk
from tests.support.nntp_endpoint import NntpEndpoint


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

    with NntpEndpoint(directory, disk=Disk(hook=hook)) as endpoint:
        is_ready = True
        temporary = directory / "port.new"
        temporary.write_text(str(endpoint.port))
        temporary.rename(directory / "port")
        threading.Event().wait()


if __name__ == "__main__":
    main()
