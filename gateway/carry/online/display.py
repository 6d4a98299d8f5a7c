"""How far the packets of a session are, on the terminal: the one that moved last."""

from gateway.ids import PacketId
from gateway.spool.progress import Bar, Progress


class Display:
    """Shows what moves.

    Args:
        progress: shows it, or nothing.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown: tuple[str, PacketId] | None = None
        self._bar: Bar | None = None

    def moved(self, xx: str, packet: PacketId, size_bytes: int, total_bytes: int) -> None:
        """Some bytes of a packet came (``rx``) or went (``tx``)."""
        if not self._progress.is_shown:
            return
        if self._shown != (xx, packet):
            self.end()
            self._shown = (xx, packet)
            self._bar = self._progress.bar(f"{xx} {packet}", total_bytes)
        if self._bar is not None:
            self._bar.add(size_bytes)

    def end(self) -> None:
        """Show nothing."""
        if self._bar is not None:
            self._bar.end()
        self._bar = self._shown = None
