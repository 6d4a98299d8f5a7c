"""What private mail servers have in common: they are started, end, and put local mail into one Maildir."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from tests.support import maildir
from tests.support.processes import Running, is_listening

START_SECONDS = 60


class MailServer(ABC):
    """One mail server; as a context manager it is started and, at the end, killed.

    Attributes:
        port: of 127.0.0.1, where it speaks SMTP.
        maildir: where local mail is.
    """

    port: int
    maildir: Path
    _running: Running | None = None

    @abstractmethod
    def log_text(self) -> str:
        """The end of its log."""

    @abstractmethod
    def launch(self) -> Running:
        """Start its program, and wait for nothing."""

    def explain(self) -> str:
        """Why it did not start."""
        return self.log_text()

    def start(self) -> None:
        """Start it and wait until it accepts SMTP connections."""
        assert self._running is None, "already started"
        self._running = self.launch()
        try:
            self._running.wait_ready(
                lambda: is_listening(self.port), START_SECONDS, f"listening on port {self.port}"
            )
        except AssertionError as error:
            error.add_note(self.explain())
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order; what is queued stays queued. Idempotent."""
        if self._running is not None:
            self._running.stop()
            self.kill()

    def kill(self) -> None:
        """End it with all its processes at once. Idempotent."""
        if self._running is not None:
            self._running.kill_group()
            self._running = None

    def messages(self) -> list[Path]:
        """The messages in the Maildir, the oldest first."""
        return maildir.messages(self.maildir)

    def wait_for_messages(self, count: int, deadline_seconds: float = 60) -> list[Path]:
        """Wait until ``count`` messages or more are delivered; returns them all."""
        return maildir.wait_for_messages(self.maildir, count, deadline_seconds, self.log_text)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
