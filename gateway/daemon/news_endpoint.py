"""The endpoint for news as a stage of the daemon, in an event loop of its own: mail never waits for it."""

import asyncio
from collections.abc import Callable

from gateway.config.gateway_toml import GatewayConfig
from gateway.daemon.event_loop import run_in_loop
from gateway.daemon.news_parts import NewsParts
from gateway.daemon.own_loop import OwnLoop
from gateway.daemon.parts import Parts
from gateway.ingest.nntp_posting import Groups, Posting
from gateway.ingest.nntp_server import NntpServer
from gateway.ingest.nntp_settings import NntpSettings
from gateway.reader.store import ReaderStore

Ports = tuple[int, ...]


class NewsEndpoint:
    """Serves news servers and newsreaders, where that is configured.

    Args:
        parts: of the node.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._loop: OwnLoop[Ports] = OwnLoop(self._serve, (), run_in_loop)

    def run(self) -> None:
        """Run until told to end.

        Raises:
            ConfigError: an address can't be listened on, or a certificate can't be used.
        """
        self._loop.run()

    def ask_end(self) -> None:
        """End the run that is under way, and any later one at once; callable from any thread."""
        self._loop.ask_end()

    def wait_listening(self) -> list[str]:
        """Wait until it listens, or will not; returns where, for people.

        Raises:
            GatewayError: the first try failed.
        """
        ports = self._loop.wait_begun()
        settings = self._parts.config.nntp
        if settings is None:
            return []
        places = settings.places
        addresses = [
            *((host, "") for host, _ in places.listen),
            *((host, " in TLS") for host, _ in places.listen_tls),
        ]
        told = [
            f"NNTP{tls} on {f'[{host}]' if ':' in host else host}:{port}"
            for (host, tls), port in zip(addresses, ports, strict=False)
        ]
        return [*told, *([] if places.unix is None else [f"NNTP on {places.unix.path}"])]

    async def _serve(self, tell_listening: Callable[[Ports], None]) -> None:
        settings, news = self._parts.config.nntp, self._parts.news
        if settings is None or news is None:
            return
        server = NntpServer(settings, self._posting(settings, news), news.reader)
        try:
            await server.start()
            tell_listening(server.ports)
            await asyncio.Event().wait()
        finally:
            await server.stop()

    def _posting(self, settings: NntpSettings, news: NewsParts) -> Posting:
        return Posting(
            news.desk(),
            self._parts.pipe_intake(),
            _groups(self._parts.config, news.reader),
            settings.moderators,
            settings.complaints_to,
            news.config.rules.limits,
        )


def _groups(config: GatewayConfig, store: ReaderStore | None) -> Groups:
    """What is known of groups: by the store; without one every group that is carried is there."""
    if store is not None:
        return Groups(store.is_group_known, store.is_moderated, store.is_posting_allowed)
    if config.news is None:
        raise AssertionError("internal error: an endpoint for news without news")
    return Groups(config.news.rules.groups.matches, lambda _: False, lambda _: True)
