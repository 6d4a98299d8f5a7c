"""The endpoints that speak SMTP or LMTP, put together, started and stopped as one."""

import logging
from collections.abc import Collection

from gateway.daemon import stages
from gateway.daemon.parts import Parts
from gateway.ingest.lmtp import LmtpSession
from gateway.ingest.server import SmtpServer, Speak
from gateway.ingest.settings import SmtpSettings
from gateway.ingest.smtp import SmtpSession

_LOG = logging.getLogger(__name__)


class MailEndpoints:
    """What takes mail in over connections, as far as it is configured.

    Args:
        parts: of the node.
        only: names of the stages that run.
    """

    def __init__(self, parts: Parts, only: Collection[str]) -> None:
        self._parts = parts
        self._servers: list[tuple[SmtpSettings, SmtpServer]] = []
        for name, settings, speak in (
            (stages.SMTP, parts.config.smtp, SmtpSession),
            (stages.LMTP, parts.config.lmtp, LmtpSession),
        ):
            if settings is not None and name in only:
                self._servers.append((settings, self._make(settings, speak)))

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

    def tell(self) -> None:
        """Say in the log where mail is taken."""
        for settings, server in self._servers:
            name = settings.section.upper()
            for (host, _), port in zip(settings.listen, server.ports, strict=True):
                _LOG.info("%s on %s:%d", name, host, port)
            if settings.unix is not None:
                _LOG.info("%s on %s", name, settings.unix.path)

    def _make(self, settings: SmtpSettings, speak: Speak) -> SmtpServer:
        config = self._parts.config
        return SmtpServer(settings, self._parts.queue, config.table, self._parts.find_lane, speak=speak)
