"""From the tables about NNTP to the settings of the endpoint for news."""

from collections.abc import Sequence
from pathlib import Path

from gateway.config.endpoints import address_of, certificate_of, unix_socket_of
from gateway.config.gateway_place import resolve_beside
from gateway.config.toml_news import NewsPeerSection, NewsSection
from gateway.config.toml_nntp import NntpSection
from gateway.errors import ConfigError
from gateway.ingest.listeners import Places
from gateway.ingest.nntp_settings import Moderators, NntpPeer, NntpSettings
from gateway.newsdesk.desk import Origin
from gateway.nntp.wildmat import Wildmat
from gateway.routing.access import AccessList

SECTION = "nntp"
PASSWORDS_NAME = "news-passwords"
"""A file of its own: a news server that logs in to bring articles is no user who may submit mail."""
_NOTHING = "!*"


def nntp_settings(
    path: Path, state_directory: Path, section: NntpSection, news: NewsSection
) -> NntpSettings | None:
    """The endpoint for news, or None: there is none.

    Args:
        path: of ``gateway.toml``.
        state_directory: ours.
        section: the table of the endpoint.
        news: the tables about news.

    Raises:
        ConfigError: values that do not fit together.
    """
    if not section.listen and not section.listen_tls and section.socket is None:
        return None
    if news.pathhost is None:
        raise ConfigError(f"{SECTION}: there is no news; allowed: beside news.pathhost, our name in Path")
    return NntpSettings(
        hostname=news.pathhost,
        places=Places(
            SECTION,
            tuple(map(address_of, section.listen)),
            tuple(map(address_of, section.listen_tls)),
            unix_socket_of(path, section),
        ),
        passwords=_passwords(path, state_directory, section),
        certificate=certificate_of(path, section),
        peers=_peers(news.peer),
        read_from=AccessList.parse(section.read_from),
        post_from=AccessList.parse(section.post_from),
        is_cleartext_local=section.cleartext_on_loopback,
        is_newnews_on=section.newnews,
        moderators=_moderators(section),
        complaints_to=section.complaints_to,
        max_article_bytes=news.max_article_bytes,
        max_inflight_bytes=section.max_inflight_bytes,
        max_connections=section.max_connections,
        idle_seconds=section.idle_seconds,
        data_seconds=section.data_seconds,
        stop_seconds=section.stop_seconds,
        max_failures=section.max_failures,
        failure_seconds=section.failure_delay_seconds,
        bar_failures=section.bar_after_failures,
        bar_seconds=section.bar_seconds,
    )


def _passwords(path: Path, state_directory: Path, section: NntpSection) -> Path:
    if section.passwords is None:
        return state_directory / PASSWORDS_NAME
    return resolve_beside(path, section.passwords)


def _peers(peers: Sequence[NewsPeerSection]) -> tuple[NntpPeer, ...]:
    return tuple(
        NntpPeer(
            Origin(
                peer.name,
                peer.name,
                tuple(peer.path_names),
                Wildmat.parse(peer.accept or _NOTHING),
                max_article_bytes=peer.max_receive_bytes,
            ),
            AccessList.parse(peer.hosts),
            peer.login,
            peer.max_connections,
        )
        for peer in peers
        if peer.hosts or peer.login
    )


def _moderators(section: NntpSection) -> Moderators:
    addresses = []
    for text in section.moderators:
        groups, _, address = text.partition(":")
        addresses.append((Wildmat.parse(groups), address))
    return Moderators(Wildmat.parse(section.moderated) if section.moderated else None, tuple(addresses))
