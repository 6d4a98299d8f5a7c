"""How news stands at a node, gathered from its parts for whoever looks."""

import logging
from collections.abc import Iterator

from gateway.config.gateway_toml import GatewayConfig
from gateway.daemon.news_parts import NewsParts
from gateway.errors import StoreError
from gateway.ingest.nntp_settings import NntpSettings
from gateway.msgqueue.remote import RemoteControl
from gateway.reader.values import StoreFigures
from gateway.receive.again import KeptPayloads
from gateway.status.greeting import Greeting, read_greeting, read_socket_greeting
from gateway.status.news import NewsStatus, news_status

_LOG = logging.getLogger(__name__)


def look_at_news(config: GatewayConfig, news: NewsParts) -> NewsStatus:
    """Look at the endpoint, the queue of news and the store.

    Raises:
        StoreError: the queue can't be read.
    """
    nntp = config.nntp
    servers = [] if nntp is None else [peer.origin.name for peer in nntp.peers]
    neighbours = [origin.name for origin in news.config.origins.values()]
    return news_status(
        news.queue,
        news.config.rules,
        [*servers, *neighbours],
        RemoteControl(news.queue).wishes(),
        [] if nntp is None else list(_greetings(nntp)),
        quarantine_count=len(KeptPayloads(news.queue, news.disk).list()),
        store=_store_figures(news),
    )


def _greetings(nntp: NntpSettings) -> Iterator[Greeting]:
    places = nntp.places
    for host, port in places.listen:
        yield read_greeting(host, port)
    for host, port in places.listen_tls:
        yield read_greeting(host, port, is_tls=True)
    if places.unix is not None:
        yield read_socket_greeting(places.unix.path)


def _store_figures(news: NewsParts) -> StoreFigures | None:
    store = news.reader
    if store is None:
        return None
    try:
        return store.figures()
    except StoreError as error:
        # As for whoever feeds it: nothing else depends on the store.
        _LOG.error("the store for newsreaders can't be looked at: %s", error)
        return None
