"""Standard input as a stream of pieces."""

import os
import sys
from collections.abc import Iterator

from gateway.errors import StoreError

READ_BYTES = 256 * 1024


def read_stdin() -> Iterator[bytes]:
    """Read standard input to its end, whatever its size.

    Raises:
        StoreError: it can't be read.
    """
    fd = sys.stdin.fileno()
    while True:
        try:
            piece = os.read(fd, READ_BYTES)
        except OSError as error:
            raise StoreError(f"cannot read standard input: {error.strerror}") from error
        if not piece:
            return
        yield piece
