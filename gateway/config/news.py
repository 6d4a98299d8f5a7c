"""From the tables about news to the settings of the stages that carry it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.config.gateway_place import resolve_beside
from gateway.config.toml_news import (
    FeedKeys,
    NeighbourNewsSection,
    NewsPeerSection,
    NewsReaderSection,
    NewsSection,
    PacketFeedKeys,
)
from gateway.config.toml_schema import GatewayFile
from gateway.config.toml_values import DAY_SECONDS
from gateway.deliver.news_deliverer import NewsDeliverSettings
from gateway.deliver.nntp import NntpTargetSettings
from gateway.deliver.retry import RetrySchedule
from gateway.deliver.rnews_command import RnewsTargetSettings
from gateway.errors import ConfigError
from gateway.ids import NodeId
from gateway.msgqueue.entry import Form
from gateway.newsdesk.desk import DeskRules, Origin
from gateway.newsdesk.remote import RemoteRules
from gateway.nntp.article import ArticleLimits
from gateway.nntp.feeder import FeedSettings
from gateway.nntp.rnews_batch import RnewsLimits
from gateway.nntp.wildmat import Wildmat
from gateway.nodes import Book, Node
from gateway.reader.values import ReaderRules
from gateway.routing.feeds import Distributions, Feed, Feeds

DIRECTORY_NAME = "news"
RNEWS_NAME = "rnews"
READER_NAME = "reader"
AREA_PREFIX = "area:"
_NOTHING = "!*"


@dataclass(frozen=True, slots=True)
class NewsConfig:
    """Everything about news.

    Args:
        directory: of the state of news.
        rules: what is taken, and where it goes.
        origins: who may send news in packets.
        batch: how batches are made.
        batch_limits: of batches that come.
        max_batch_bytes: of one, decompressed.
        max_quarantine_bytes: of what is set aside.
        peers: servers that are fed, by their names.
        connection_counts: how many connections each of them is fed by at a time.
        rnews: a program that is fed, or None.
        reader: what is kept for newsreaders, or None.
        remote: which neighbours decide about their feeds.
        remote_address: mailbox that takes their requests, or "".
        deliver: retries.
        history_seconds: how long Message-IDs are known.
        keep_finished_seconds: how long articles that left stay listed.
        keep_dead_seconds: how long those that nobody took are kept.
    """

    directory: Path
    rules: DeskRules
    origins: Mapping[NodeId, Origin]
    batch: BatchSettings
    batch_limits: RnewsLimits
    max_batch_bytes: int
    max_quarantine_bytes: int
    peers: Mapping[str, NntpTargetSettings]
    connection_counts: Mapping[str, int]
    rnews: RnewsTargetSettings | None
    reader: ReaderRules | None
    remote: RemoteRules
    remote_address: str
    deliver: NewsDeliverSettings
    history_seconds: float
    keep_finished_seconds: float
    keep_dead_seconds: float

    @property
    def queue_directory(self) -> Path:
        """Where the queue of news is."""
        return self.directory / "queue"

    @property
    def reader_directory(self) -> Path:
        """Where the store is that newsreaders read."""
        return self.directory / "reader"

    def feed_of(self, name: str) -> Feed | None:
        """The feed with a name."""
        return next((feed for feed in self.rules.feeds.feeds if feed.name == name), None)


@dataclass(frozen=True, slots=True)
class _PacketFeed:
    name: str
    id: NodeId
    section: PacketFeedKeys
    accept: str
    max_receive_bytes: int | None


def news_settings(
    path: Path, state_directory: Path, file: GatewayFile, neighbours: Mapping[str, Node], book: Book
) -> NewsConfig | None:
    """The settings, or None: there is no news.

    Args:
        path: of ``gateway.toml``.
        state_directory: ours.
        file: what stands in it.
        neighbours: those that have a table there, by name.
        book: for the areas.

    Raises:
        ConfigError: the tables do not fit together; the text begins with the key.
    """
    section = file.news
    packet_feeds = [
        _PacketFeed(name, node.id, keys, keys.accept, keys.max_receive_bytes)
        for name, node in neighbours.items()
        if (keys := file.neighbour[name].news) is not None
    ]
    if section.pathhost is None:
        _refuse_halves(section, packet_feeds)
        return None
    packet_feeds += _areas(section, book)
    _refuse_same_names(section, packet_feeds)
    limits = ArticleLimits(article_bytes=section.max_article_bytes)
    rules = DeskRules(
        pathhost=section.pathhost,
        aliases=tuple(section.aliases),
        groups=Wildmat.parse(section.groups or _NOTHING),
        limits=limits,
        max_age_seconds=section.max_age_days * DAY_SECONDS,
        feeds=Feeds((*_local_feeds(section), *map(_packet_feed, packet_feeds))),
    )
    return NewsConfig(
        directory=state_directory / DIRECTORY_NAME,
        rules=rules,
        origins={
            feed.id: Origin(
                feed.name,
                feed.name,
                tuple(feed.section.path_names),
                Wildmat.parse(feed.accept),
                max_article_bytes=feed.max_receive_bytes,
            )
            for feed in packet_feeds
            if feed.accept
        },
        batch=BatchSettings(by_node={feed.id: _policy(feed.section) for feed in packet_feeds}),
        batch_limits=RnewsLimits(
            section.max_article_bytes, section.max_batch_articles, file.receive.max_batch_bytes
        ),
        max_batch_bytes=file.receive.max_batch_bytes,
        max_quarantine_bytes=file.receive.max_quarantine_bytes,
        peers={
            peer.name: _peer(path, number, peer, peer.address)
            for number, peer in enumerate(section.peer, 1)
            if peer.address is not None
        },
        connection_counts={peer.name: peer.connections for peer in section.peer if peer.address is not None},
        rnews=_rnews(section),
        reader=_reader(section, limits, file.nntp.moderated),
        remote=_remote(packet_feeds, limits),
        remote_address=section.remote_control_address.lower(),
        deliver=_deliver(section),
        history_seconds=section.history_days * DAY_SECONDS,
        keep_finished_seconds=section.keep_finished_days * DAY_SECONDS,
        keep_dead_seconds=section.keep_dead_days * DAY_SECONDS,
    )


def _refuse_halves(section: NewsSection, packet_feeds: Sequence[_PacketFeed]) -> None:
    wants = [f"neighbour.{feed.name}.news" for feed in packet_feeds]
    wants += ["news.peer"] if section.peer else []
    wants += ["news.area"] if section.area else []
    if wants:
        raise ConfigError(f"news.pathhost: is missing, but there is {wants[0]}; allowed: our name in Path")


def _refuse_same_names(section: NewsSection, packet_feeds: Sequence[_PacketFeed]) -> None:
    reserved = {RNEWS_NAME, READER_NAME}
    neighbours = {feed.name for feed in packet_feeds}
    if own := sorted(neighbours & reserved):
        raise ConfigError(
            f"neighbour.{own[0]}.news: {own[0]!r} is the name of a feed of our own; allowed: another name for"
            " the neighbour"
        )
    for number, peer in enumerate(section.peer, 1):
        if peer.name in neighbours | reserved:
            raise ConfigError(
                f"news.peer[{number}].name: {peer.name!r} is the name of another feed; allowed: a name that"
                " no neighbour has"
            )


def _areas(section: NewsSection, book: Book) -> list[_PacketFeed]:
    found = []
    for number, keys in enumerate(section.area, 1):
        area = book.areas.get(keys.area)
        if area is None or area.pub is None or area.prv is None:
            what = "is no area" if area is None else "has no keys here"
            raise ConfigError(
                f"news.area[{number}].area: {keys.area!r} {what}; allowed: an area of the NNCP configuration"
                " with its keys"
            )
        name = f"{AREA_PREFIX}{area.name}"
        found.append(_PacketFeed(name, area.id, keys, keys.accept, keys.max_receive_bytes))
    return found


def _local_feeds(section: NewsSection) -> list[Feed]:
    feeds = [_feed(peer.name, peer) for peer in section.peer if peer.address is not None]
    if section.rnews.command is not None:
        feeds.append(_feed(RNEWS_NAME, section.rnews))
    if _is_reader_on(section):
        feed = _feed(READER_NAME, section.reader)
        feeds.append(replace(feed, groups=_groups_kept(section.reader)))
    return feeds


def _packet_feed(feed: _PacketFeed) -> Feed:
    made = _feed(feed.name, feed.section, feed.id, feed.section.nice)
    keys = feed.section
    if not isinstance(keys, NeighbourNewsSection) or not keys.remote_control:
        return made
    return replace(made, remote=Wildmat.parse(keys.remote_control), rescan_count=keys.rescan_max_articles)


def _remote(packet_feeds: Sequence[_PacketFeed], limits: ArticleLimits) -> RemoteRules:
    feeds = {feed.id: made for feed in packet_feeds if (made := _packet_feed(feed)).remote is not None}
    contacts = {
        feed.name: feed.section.contact
        for feed in packet_feeds
        if isinstance(feed.section, NeighbourNewsSection)
    }
    return RemoteRules(feeds, contacts, limits)


def _feed(name: str, keys: FeedKeys, node: NodeId | None = None, nice: int = 0) -> Feed:
    return Feed(
        name=name,
        groups=Wildmat.parse(keys.feed or _NOTHING),
        node=node,
        nice=nice,
        path_names=tuple(keys.path_names),
        distributions=Distributions.parse(keys.distributions),
        max_article_bytes=keys.max_article_bytes,
        max_groups_count=keys.max_groups,
        max_hops_count=keys.max_hops,
        is_control_fed=keys.control,
    )


def _policy(keys: PacketFeedKeys) -> LanePolicy:
    return LanePolicy(
        form=Form.RNEWS,
        max_count=keys.max_messages,
        max_bytes=keys.max_bytes,
        max_age_seconds=keys.max_age_seconds,
        level=keys.level,
        window_log=keys.window_log,
        minsize_bytes=keys.packet_min_bytes,
    )


def _peer(path: Path, number: int, peer: NewsPeerSection, address: str) -> NntpTargetSettings:
    host, _, port = address.rpartition(":")
    if address.startswith("/"):
        host, port = address, "0"
    feed = FeedSettings(
        window_count=peer.window,
        is_streaming_wanted=peer.streaming,
        is_check_skipped=not peer.check,
        name=peer.user,
        password=_password(path, number, peer.password_file),
    )
    return NntpTargetSettings(host.strip("[]"), int(port), feed, reply_seconds=peer.timeout_seconds)


def _password(path: Path, number: int, name: str | None) -> str:
    if name is None:
        return ""
    file = resolve_beside(path, name)
    try:
        return file.read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"news.peer[{number}].password_file: {file} cannot be read: {error}") from None


def _rnews(section: NewsSection) -> RnewsTargetSettings | None:
    rnews = section.rnews
    return None if rnews.command is None else RnewsTargetSettings(tuple(rnews.command), rnews.timeout_seconds)


def _is_reader_on(section: NewsSection) -> bool:
    return bool(section.reader.feed or section.reader.groups)


def _groups_kept(reader: NewsReaderSection) -> Wildmat:
    """Those that are fed, and those that are named."""
    return Wildmat.parse(",".join((reader.feed or _NOTHING, *reader.groups)))


def _reader(section: NewsSection, limits: ArticleLimits, moderated: str) -> ReaderRules | None:
    reader = section.reader
    if not _is_reader_on(section) or section.pathhost is None:
        return None
    return ReaderRules(
        host=section.pathhost,
        groups=_groups_kept(reader),
        created=Wildmat.parse(reader.new_groups or _NOTHING),
        configured=reader.groups,
        moderated=Wildmat.parse(moderated or _NOTHING),
        unposted=Wildmat.parse(reader.no_posting or _NOTHING),
        keep_seconds=reader.keep_days * DAY_SECONDS,
        max_bytes=reader.max_bytes,
        limits=limits,
    )


def _deliver(section: NewsSection) -> NewsDeliverSettings:
    keys = section.deliver
    return NewsDeliverSettings(
        RetrySchedule(
            first_wait_seconds=keys.first_wait_seconds,
            longest_wait_seconds=max(keys.first_wait_seconds, keys.longest_wait_seconds),
            max_age_seconds=keys.max_age_seconds,
        )
    )
