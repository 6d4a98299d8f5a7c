"""Delivery of news to a program that reads a batch, such as ``rnews``.

The batch is staged in a file that is the program's standard input. Its exit status decides for all
articles: 0 is delivered, anything else is tried again, since nothing says which article is to blame. INN's
rnews ends with 0 for what its server refuses, and keeps by itself what it can't hand on.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.batch.rnews_body import article_in_batch
from gateway.deliver.news_target import Delivery, ReadBody
from gateway.deliver.outcome import of_exit, of_os_error
from gateway.deliver.sendmail_command import ENVIRONMENT
from gateway.durable import Disk
from gateway.errors import ConfigError
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.msgqueue.payload import Payload, stage_payload

BATCH_LIMIT_BYTES = 1 << 50
"""Its articles were all taken in already."""


@dataclass(frozen=True, slots=True)
class RnewsTargetSettings:
    """Which program, and how patient to be with it.

    Args:
        command: its words, the absolute path first.
        timeout_seconds: for one batch; then it is killed and the batch tried again.
    """

    command: tuple[str, ...]
    timeout_seconds: float = 300.0


class RnewsTarget:
    """Delivers by a program.

    Args:
        settings: which.
        directory: the queue's, where batches are staged.
        disk: how they are.

    Raises:
        ConfigError: the command has no absolute path.
    """

    def __init__(self, settings: RnewsTargetSettings, directory: Path, disk: Disk) -> None:
        if not settings.command or not Path(settings.command[0]).is_absolute():
            raise ConfigError(f"the rnews command {settings.command!r} must begin with an absolute path")
        self._settings = settings
        self._name = Path(settings.command[0]).name
        self._directory = directory
        self._disk = disk

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        """See ``NewsTarget``."""
        with stage_payload(self._directory, self._disk) as payload:
            for article in articles:
                payload.fill(article_in_batch(article, read_body), BATCH_LIMIT_BYTES, _has_room)
            outcome = self._run(payload)
        if outcome.verdict is Verdict.REFUSED:
            outcome = Outcome(Verdict.DEFERRED, "4.3.0", outcome.text)
        return Delivery([outcome] * len(articles), is_down=outcome.verdict is not Verdict.DELIVERED)

    def close(self) -> None:
        """Nothing is kept between batches."""

    def _run(self, payload: Payload) -> Outcome:
        argv = self._settings.command
        try:
            with payload.open() as batch:
                done = subprocess.run(
                    argv,
                    stdin=batch,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                    timeout=self._settings.timeout_seconds,
                    check=False,
                )
        except OSError as error:
            return of_os_error(f"cannot start {argv[0]}", error)
        except subprocess.TimeoutExpired:
            text = (
                f"{self._name} did not end within {self._settings.timeout_seconds:g} seconds, and was killed"
            )
            return Outcome(Verdict.DEFERRED, "4.4.7", text)
        return of_exit(self._name, done.returncode, done.stdout)


def _has_room(_size_bytes: int) -> None:
    """What is staged is removed again at once."""
