"""Who a client of the news endpoint is, and what it may do.

A client is known by its address, by the unix socket it came through, or by the name it logs in with; who
logs in may do what its address allows as well. A name that belongs to a peer is a news server: it
feeds, and does not read or post by that name.
"""

from dataclasses import dataclass, replace

from gateway.ingest.nntp_settings import NntpPeer, NntpSettings
from gateway.newsdesk.desk import Origin
from gateway.nntp.events import Access
from gateway.nntp.injection import Poster
from gateway.routing.access import AccessList

LOOPBACK = AccessList()
LOCAL_HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client, as it is known now.

    Args:
        name: for people and logs.
        host: for what it posts.
        access: what it may do.
        origin: how its articles are judged; None: it may bring none.
        peer: which news server it is, or None.
        account: the name it logged in with, or "".
    """

    name: str
    host: str
    access: Access
    origin: Origin | None = None
    peer: NntpPeer | None = None
    account: str = ""

    @property
    def is_stranger(self) -> bool:
        """Whether it may do nothing, as things are."""
        return self.access == Access()

    @property
    def poster(self) -> Poster:
        """Who posts, as articles tell it."""
        return Poster(self.host, self.account)

    @property
    def posting_origin(self) -> Origin:
        """How what it posts is known in the queue and the log."""
        client = f"user {self.account} at {self.name}" if self.account else self.name
        return Origin("", client, None)


class Admittance:
    """What the settings let clients do.

    Args:
        settings: of the endpoint.
        is_reader_there: whether articles are kept for reading.
    """

    def __init__(self, settings: NntpSettings, *, is_reader_there: bool) -> None:
        self._settings = settings
        self._is_reader_there = is_reader_there

    def by_address(self, ip: str) -> Visitor:
        """A client by its address."""
        settings = self._settings
        peer = next((peer for peer in settings.peers if peer.hosts.permits(ip)), None)
        access = Access(
            may_feed=peer is not None,
            may_read=self._is_reader_there and settings.read_from.permits(ip),
            may_post=settings.post_from.permits(ip),
        )
        visitor = Visitor(ip, ip, access)
        return visitor if peer is None else _as_peer(visitor, peer)

    def local(self, name: str) -> Visitor:
        """A program of this machine, at the unix socket; its permissions let it in.

        Args:
            name: of its user, for people.
        """
        access = Access(may_feed=True, may_read=self._is_reader_there, may_post=True)
        return Visitor(name, LOCAL_HOST, access, Origin("", name, None))

    def logged_in(self, visitor: Visitor, name: str) -> Visitor:
        """The same client, when it has proved that a name is its own."""
        peer = next((peer for peer in self._settings.peers if peer.login == name), None)
        if peer is not None:
            return _as_peer(visitor, peer)
        access = replace(visitor.access, may_read=self._is_reader_there, may_post=True)
        return replace(visitor, access=access, account=name)

    def may_log_in_clear(self, ip: str) -> bool:
        """Whether a client may log in without TLS."""
        return self._settings.is_cleartext_local and LOOPBACK.permits(ip)


def _as_peer(visitor: Visitor, peer: NntpPeer) -> Visitor:
    return replace(
        visitor,
        access=replace(visitor.access, may_feed=True),
        origin=replace(peer.origin, client=visitor.name),
        peer=peer,
    )
