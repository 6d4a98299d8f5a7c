"""The endpoints that speak SMTP or LMTP, put together, started and stopped as one."""

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from gateway.daemon import stages
from gateway.daemon.parts import Parts
from gateway.ingest.certificates import Certificates
from gateway.ingest.door import Door
from gateway.ingest.guard import Guard
from gateway.ingest.lmtp import LmtpSession
from gateway.ingest.passwords import Passwords
from gateway.ingest.server import SmtpServer, Speak
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.smtp import SmtpSession
from gateway.ingest.submission import speak_submission
from gateway.ingest.submission_settings import SubmissionSettings

PASSWORD_THREADS_COUNT = 2
"""Checking passwords must not take all processors from mail."""

_LOG = logging.getLogger(__name__)


class MailEndpoints:
    """What takes mail in over connections, as far as it is configured.

    Args:
        parts: of the node.
        only: names of the stages that run.

    Raises:
        ConfigError: a certificate can't be used.
    """

    def __init__(self, parts: Parts, only: Collection[str]) -> None:
        self._parts = parts
        self._servers: list[tuple[SmtpSettings, SmtpServer]] = []
        self._executor = ThreadPoolExecutor(PASSWORD_THREADS_COUNT, thread_name_prefix="password")
        config = parts.config
        if config.smtp is not None and stages.SMTP in only:
            self._add(config.smtp, SmtpSession)
        if config.lmtp is not None and stages.LMTP in only:
            self._add(config.lmtp, LmtpSession)
        if config.submission is not None and stages.SUBMISSION in only:
            self._add_submission(config.submission)

    async def start(self) -> None:
        """Listen everywhere.

        Raises:
            ConfigError: an address can't be listened on; ``stop`` is to be called all the same.
        """
        for _, server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Take no more and end all sessions in good order. Idempotent."""
        for _, server in self._servers:
            await server.stop()
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    def tell(self) -> None:
        """Say in the log where mail is taken."""
        for settings, server in self._servers:
            name = settings.section.upper()
            addresses = (*settings.listen, *settings.listen_tls)
            for place, ((host, _), port) in enumerate(zip(addresses, server.ports, strict=True)):
                tls = " in TLS" if place >= len(settings.listen) else ""
                _LOG.info("%s%s on %s:%d", name, tls, host, port)
            if settings.unix is not None:
                _LOG.info("%s on %s", name, settings.unix.path)

    def _add(self, settings: SmtpSettings, speak: Speak, certificates: Certificates | None = None) -> None:
        parts = self._parts
        server = SmtpServer(
            settings,
            parts.queue,
            parts.config.table,
            parts.find_choices,
            speak=speak,
            certificates=certificates,
        )
        self._servers.append((settings, server))

    def _add_submission(self, settings: SubmissionSettings) -> None:
        certificates = None if settings.certificate is None else Certificates(settings.certificate)
        door = Door(
            passwords=Passwords(settings.passwords),
            executor=self._executor,
            guard=Guard(settings.bar_failures, settings.bar_seconds),
            certificates=certificates,
            senders=settings.senders,
            is_cleartext_local=settings.is_cleartext_local,
            max_failures=settings.max_failures,
            failure_seconds=settings.failure_seconds,
        )
        self._add(settings.endpoint, speak_submission(door), certificates)
