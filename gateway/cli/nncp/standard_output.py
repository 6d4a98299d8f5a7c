"""Standard output for bytes, without a buffer: what fails, fails here and not at the exit."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from gateway.durable import store_errors

Piece = bytes | memoryview


def write_stdout(pieces: Iterable[Piece]) -> None:
    """Write to standard output.

    Raises:
        StoreError: nobody reads it any more, or the disk refused.
    """
    fd = sys.stdout.fileno()
    for piece in pieces:
        view = memoryview(piece)
        while view:
            with store_errors(Path("standard output"), "write"):
                view = view[os.write(fd, view) :]
