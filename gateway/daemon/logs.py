"""Where the lines of this process go: standard error, and the mail log to a file of its own if asked."""

import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.errors import ConfigError
from gateway.maillog import LineHandler

MAIL_LOGGER = "gateway.mail"
LOOK_SECONDS = 0.5
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JOURNAL_FORMAT = "%(levelname)s %(name)s: %(message)s"
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S%z"


class _MailLogFile(LineHandler, logging.handlers.WatchedFileHandler):
    """Writes lines that come together by one call; looks now and then whether its file was moved away."""

    def __init__(self, path: Path) -> None:
        self._look_at = 0.0
        self._second = -1
        self._front = ""
        super().__init__(path, encoding="utf-8")

    def reopenIfNeeded(self) -> None:  # noqa: N802 - the library's name
        """Open the file again if it was moved away."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            super().reopenIfNeeded()

    def take_lines(self, lines: Sequence[str]) -> None:
        """See ``LineHandler``."""
        self.acquire()
        try:
            second = int(time.time())
            if second != self._second:
                self._second = second
                self._front = f"{time.strftime(_DATE_FORMAT, time.localtime(second))} {os.getpid()} "
            front = self._front
            self.reopenIfNeeded()
            self.stream = self.stream or self._open()
            self.stream.write("".join([f"{front}{line}\n" for line in lines]))
            self.flush()
        except (OSError, ValueError):
            # As the library does it: a log that can't be written keeps nothing else from being done.
            self.handleError(logging.makeLogRecord({"msg": "mail log"}))
        finally:
            self.release()


def set_up_logging(
    level: str, mail_log: Path | None, environ: Mapping[str, str], *, is_pipe: bool = False
) -> None:
    """Send the log to standard error and the mail log where it is wanted.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; the mail log has no level.
        mail_log: a file, reopened soon after it is moved away; None: standard error.
        environ: under systemd's journal the time is left out, the journal has it.
        is_pipe: a mail server reads our standard error and takes it for the reason of a failure: the
            mail log goes there never.

    Raises:
        ConfigError: the file can't be opened.
    """
    text_format = _JOURNAL_FORMAT if "JOURNAL_STREAM" in environ else _FORMAT
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter(text_format, _DATE_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level.upper())
    # Every connection and slow callback: of no use to an operator.
    for name in ("asyncio", "mail"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mail = logging.getLogger(MAIL_LOGGER)
    mail.setLevel(logging.INFO)
    mail.handlers.clear()
    mail.propagate = mail_log is None and not is_pipe
    if mail_log is None:
        mail.addHandler(logging.NullHandler())
    else:
        try:
            file = _MailLogFile(mail_log)
        except OSError as error:
            raise ConfigError(f"log.mail: cannot open {mail_log}: {error.strerror}") from None
        mail.addHandler(file)
