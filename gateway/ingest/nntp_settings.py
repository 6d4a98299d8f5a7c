"""What the endpoint for news is told: where it listens, who may feed, read and post, and its limits."""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigError
from gateway.ingest.certificates import CertificateFiles
from gateway.ingest.listeners import Places
from gateway.newsdesk.desk import Origin
from gateway.nntp.injection import MODERATORS
from gateway.nntp.wildmat import Wildmat
from gateway.routing.access import AccessList

NOBODY = AccessList(())


@dataclass(frozen=True, slots=True)
class NntpPeer:
    """A news server that may bring articles.

    Args:
        origin: how its articles are judged; the name of the feed to it, if there is one.
        hosts: addresses it connects from.
        login: a name it may log in with instead, or "".
        max_connections: of its, at a time.
    """

    origin: Origin
    hosts: AccessList = NOBODY
    login: str = ""
    max_connections: int = 20


@dataclass(frozen=True, slots=True)
class Moderators:
    """Who moderates.

    Args:
        groups: that are moderated, whatever the reader's store knows of them.
        addresses: by pattern of group, where its articles are mailed to; the first that matches counts.
    """

    groups: Wildmat | None = None
    addresses: tuple[tuple[Wildmat, str], ...] = field(
        default_factory=lambda: ((Wildmat.parse("*"), MODERATORS),)
    )


@dataclass(frozen=True, slots=True)
class NntpSettings:
    """Settings of the endpoint.

    Args:
        hostname: our name in the greeting.
        places: where it listens.
        passwords: the file of users.
        certificate: for TLS, or None: there is none.
        peers: who may feed; the first whose address fits counts.
        read_from: clients that may read without a password.
        post_from: clients that may post without a password.
        is_cleartext_local: a password may come in clear from this machine.
        is_newnews_on: NEWNEWS is served.
        moderators: of moderated groups.
        complaints_to: an address for Injection-Info, or "".
        max_article_bytes: of one article.
        max_inflight_bytes: of articles in memory, all connections together.
        max_connections: served at a time; one more is told to come back.
        idle_seconds: how long a client may be silent.
        data_seconds: how long one article may take.
        stop_seconds: how long a stop waits for articles that are being taken in.
        max_failures: passwords that are wrong until the connection is closed.
        failure_seconds: how long the first wrong one is made to wait; each further one twice as long.
        bar_failures: wrong passwords of one client after which it is not listened to.
        bar_seconds: for how long, and how long a wrong password counts.

    Raises:
        ConfigError: values that do not fit together.
    """

    hostname: str
    places: Places
    passwords: Path
    certificate: CertificateFiles | None = None
    peers: tuple[NntpPeer, ...] = ()
    read_from: AccessList = field(default_factory=AccessList)
    post_from: AccessList = field(default_factory=AccessList)
    is_cleartext_local: bool = False
    is_newnews_on: bool = False
    moderators: Moderators = field(default_factory=Moderators)
    complaints_to: str = ""
    max_article_bytes: int = 1_000_000
    max_inflight_bytes: int = 64 << 20
    max_connections: int = 100
    idle_seconds: float = 600.0
    data_seconds: float = 7200.0
    stop_seconds: float = 30.0
    max_failures: int = 3
    failure_seconds: float = 2.0
    bar_failures: int = 20
    bar_seconds: float = 900.0

    def __post_init__(self) -> None:
        section = self.places.section
        if self.places.listen_tls and self.certificate is None:
            raise ConfigError(f"{section}.listen_tls needs a certificate; allowed: certificate = the path")
        if self.max_inflight_bytes < self.max_article_bytes:
            raise ConfigError(
                f"{section}.max_inflight_bytes is {self.max_inflight_bytes}: allowed: at least"
                f" news.max_article_bytes, which is {self.max_article_bytes}"
            )
        logins = [peer for peer in self.peers if peer.login]
        if logins and self.certificate is None and not self.is_cleartext_local:
            raise ConfigError(
                f"{section} has no certificate, so {logins[0].origin.name} could not log in; allowed:"
                " certificate = the path, or cleartext_on_loopback = true"
            )
