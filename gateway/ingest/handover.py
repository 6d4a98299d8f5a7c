"""What takes in the body that a local program hands over, piece by piece."""

from concurrent.futures import Future
from typing import Protocol


class Handover(Protocol):
    """One body on its way in.

    Contract: ``write`` its pieces, then ``close`` once; when the future of ``close`` is resolved, what
    was in it is on disk, synced. ``discard`` at any time before ``close`` has returned: nothing is left, but
    for articles of a plain batch of news. After an error only ``discard``.
    """

    def may_block(self, size_bytes: int) -> bool:
        """Whether the next call may wait for the disk, if it writes so much."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            GatewayError: what was wrong with them, or with the disk.
        """

    def close(self) -> "Future[None]":
        """Say that the body is whole; returns what is resolved when it is taken in.

        Raises:
            GatewayError: it is not, or can't be.
        """

    def done(self) -> str:
        """Write the log once the future is resolved; returns what a person may be told."""

    def discard(self) -> None:
        """Forget what came. Idempotent."""
