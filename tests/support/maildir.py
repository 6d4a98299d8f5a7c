"""Read the Maildirs that peers deliver into."""

from collections.abc import Callable
from pathlib import Path

from tests.support.processes import wait_until


def messages(maildir: Path) -> list[Path]:
    """The delivered messages, the oldest first; none while the Maildir does not exist."""
    new = maildir / "new"
    if not new.is_dir():
        return []
    return sorted(new.iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.name))


def wait_for_messages(
    maildir: Path, count: int, deadline_seconds: float, explain: Callable[[], str] | None = None
) -> list[Path]:
    """Wait until ``count`` messages or more are there, and return all of them."""
    return wait_until(
        lambda: found if len(found := messages(maildir)) >= count else [],
        deadline_seconds,
        f"{count} messages in {maildir}",
        explain=lambda: f"there are {len(messages(maildir))}\n{explain() if explain else ''}",
    )
