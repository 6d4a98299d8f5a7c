"""What may stand in the tables of ``gateway.toml`` that are about news."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from gateway.config.toml_values import (
    DAY_SECONDS,
    KIB,
    CommandWords,
    Mailbox,
    Network,
    Nice,
    Section,
    bytes_field,
    count_field,
    days_field,
    level_field,
    seconds_field,
)
from gateway.errors import GatewayError
from gateway.ids import NICE_ALLOWED, NICE_BULK
from gateway.nntp.article import ARTICLE_LIMIT_BYTES
from gateway.nntp.feeder import WINDOW_COUNT
from gateway.nntp.path import is_path_identity
from gateway.nntp.wildmat import Wildmat, is_newsgroup_name
from gateway.routing.feeds import Distributions

WILDMAT_ALLOWED = 'patterns of newsgroups such as "comp.*,!comp.binaries.*,@alt.spam.*"'
_FEED_NAME_DESCRIPTION = "a name of 1 to 64 letters, digits, dots, hyphens and underscores"


def _check_wildmat(text: str) -> str:
    _told(lambda: Wildmat.parse(text) if text else None)
    return text


def _check_path_name(text: str) -> str:
    if not is_path_identity(text):
        raise ValueError("is not a name for Path")
    return text


def _check_distribution(text: str) -> str:
    _told(lambda: Distributions.parse([text]))
    return text


def _check_place(text: str) -> str:
    host, mark, port = text.rpartition(":")
    if not text.startswith("/") and not (mark and host and port.isascii() and port.isdigit()):
        raise ValueError("is neither HOST:PORT nor the absolute path of a socket")
    return text


def _told(read: Callable[[], object]) -> None:
    try:
        read()
    except GatewayError as error:
        raise ValueError(str(error).partition("allowed:")[0].rstrip("; ")) from None


def _check_group_name(text: str) -> str:
    if not is_newsgroup_name(text):
        raise ValueError("is not the name of a newsgroup")
    return text


def _check_description(text: str) -> str:
    if not text.isprintable():
        raise ValueError("is not one printable line")
    return text


GroupName = Annotated[str, AfterValidator(_check_group_name)]
GroupDescription = Annotated[str, Field(max_length=500), AfterValidator(_check_description)]
Groups = Annotated[str, AfterValidator(_check_wildmat)]
PathName = Annotated[str, AfterValidator(_check_path_name)]
Distribution = Annotated[str, AfterValidator(_check_distribution)]
NewsPlace = Annotated[str, AfterValidator(_check_place)]


def _receive_field() -> Any:
    """The key ``max_receive_bytes`` of whoever brings articles."""
    return Field(
        default=None,
        ge=1,
        le=1 << 40,
        description="a number of bytes; left out: as max_article_bytes of [news]",
    )


class FeedKeys(Section):
    """What a feed gets."""

    path_names: list[PathName] = Field(
        default_factory=list,
        description='a list of names in Path, such as ["news.example.org"]; what has been there is not fed',
    )
    feed: Groups = Field(default="", description=f'{WILDMAT_ALLOWED}; "": nothing')
    distributions: list[Distribution] = Field(
        default_factory=list,
        description='a list of names such as ["world", "!local"]; empty: all',
    )
    max_article_bytes: int | None = Field(
        default=None, ge=1, le=1 << 40, description="a number of bytes; left out: no limit"
    )
    max_groups: int | None = Field(
        default=None, ge=1, le=1_000_000, description="newsgroups of an article, from 1; left out: no limit"
    )
    max_hops: int | None = Field(
        default=None, ge=1, le=1_000_000, description="names in Path, from 1; left out: no limit"
    )
    control: bool = Field(default=True, description="true or false: whether control messages are fed")


class PacketFeedKeys(FeedKeys):
    """What a feed gets in packets, and how they are made."""

    nice: Nice = Field(default=NICE_BULK, description=f"a niceness: {NICE_ALLOWED}")
    max_messages: int = count_field(1000, 1, 100_000)
    max_bytes: int = bytes_field(1 << 20, KIB)
    max_age_seconds: float = seconds_field(300.0, 0)
    level: int = level_field(19)
    window_log: int | None = Field(
        default=None, ge=10, le=29, description="a power of two from 10 to 29; the zstd window is that large"
    )
    packet_min_bytes: int = bytes_field(0, 0)


class NeighbourNewsSection(PacketFeedKeys):
    """``[neighbour.NAME.news]``: news to and from a neighbour."""

    accept: Groups = Field(default="", description=f'{WILDMAT_ALLOWED} it may send; "": nothing')
    max_receive_bytes: int | None = _receive_field()
    remote_control: Groups = Field(
        default="", description=f'{WILDMAT_ALLOWED} whose feeding it decides itself; "": none'
    )
    rescan_max_articles: int = count_field(500, 0, 100_000)
    contact: Mailbox = Field(
        default="", description='a mailbox for answers to requests that name none; "": none'
    )


class AreaNewsSection(PacketFeedKeys):
    """``[[news.area]]``: one feed for all who subscribe to an area of NNCP."""

    area: str = Field(min_length=1, description="the name of an area in the NNCP configuration")
    accept: Groups = Field(default="", description=f'{WILDMAT_ALLOWED} that may come by it; "": nothing')
    max_receive_bytes: int | None = _receive_field()


class NewsPeerSection(FeedKeys):
    """``[[news.peer]]``: a news server that is fed by NNTP, that feeds us, or both."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description=_FEED_NAME_DESCRIPTION)
    address: NewsPlace | None = Field(
        default=None,
        description="HOST:PORT, or the absolute path of a unix socket; left out: it is not fed",
    )
    hosts: list[Network] = Field(
        default_factory=list,
        description='a list of addresses and networks it connects from, such as ["192.0.2.7"]; empty: none',
    )
    login: str = Field(
        default="", max_length=64, description='the name it logs in with here; "": it does not'
    )
    accept: Groups = Field(default="*", description=f'{WILDMAT_ALLOWED} it may bring; "": nothing')
    max_receive_bytes: int | None = _receive_field()
    max_connections: int = count_field(20, 1, 1000)
    feed: Groups = Field(default="*", description=f'{WILDMAT_ALLOWED}; "": nothing')
    user: str = Field(default="", max_length=128, description='a name to log in with; "": none')
    password_file: str | None = Field(
        default=None,
        min_length=1,
        description="path of a file with the password, beside this file if relative",
    )
    streaming: bool = Field(default=True, description="true or false: whether to ask for MODE STREAM")
    check: bool = Field(
        default=True, description="true or false: whether to ask by CHECK before an article is sent"
    )
    window: int = count_field(WINDOW_COUNT, 1, 1000)
    connections: int = count_field(1, 1, 32)
    timeout_seconds: float = seconds_field(300.0, 1, DAY_SECONDS)

    @model_validator(mode="after")
    def _login_is_whole(self) -> "NewsPeerSection":
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("has one of user and password_file; allowed: both or none")
        if self.address is None and not self.hosts and not self.login:
            raise ValueError("has no address, hosts or login; allowed: one of them, or more")
        return self


class RnewsCommandSection(FeedKeys):
    """``[news.rnews]``: a program that takes batches."""

    command: CommandWords | None = Field(
        default=None, description='a list, the absolute path of a program such as "/usr/bin/rnews" first'
    )
    feed: Groups = Field(default="*", description=f'{WILDMAT_ALLOWED}; "": nothing')
    timeout_seconds: float = seconds_field(300.0, 1, DAY_SECONDS)


class NewsReaderSection(FeedKeys):
    """``[news.reader]``: what is kept here for newsreaders."""

    control: bool = Field(
        default=False, description="true or false: whether control messages are kept, in groups control.*"
    )
    groups: dict[GroupName, GroupDescription] = Field(
        default_factory=dict,
        description='a table of groups that are there from the beginning, such as "local.talk" = "Anything"',
    )
    new_groups: Groups = Field(
        default="*", description=f"{WILDMAT_ALLOWED}: what comes to be with its first article"
    )
    no_posting: Groups = Field(default="", description=f'{WILDMAT_ALLOWED}; "": one may post in all')
    keep_days: float = days_field(30)
    max_bytes: int = bytes_field(1 << 30, 1 << 20)


class NewsDeliverSection(Section):
    """``[news.deliver]``: when what waits for the servers beside us is tried again, and given up."""

    first_wait_seconds: float = seconds_field(60.0)
    longest_wait_seconds: float = seconds_field(900.0)
    max_age_seconds: float = seconds_field(30.0 * DAY_SECONDS, 0)


class NewsSection(Section):
    """``[news]``: articles; without a ``pathhost`` there is no news at all."""

    pathhost: PathName | None = Field(
        default=None, description="our name in Path, such as news.example.org; left out: no news"
    )
    aliases: list[PathName] = Field(
        default_factory=list,
        description="a list of other names of ours; an article with one of them in Path went round",
    )
    groups: Groups = Field(default="*", description=f"{WILDMAT_ALLOWED}: what is carried at all")
    remote_control_address: Mailbox = Field(
        default="", description='a mailbox here that takes requests of neighbours; "": none'
    )
    max_article_bytes: int = bytes_field(ARTICLE_LIMIT_BYTES, KIB, 1 << 30)
    max_batch_articles: int = count_field(100_000, 1, 10_000_000)
    max_age_days: float = days_field(30, 1)
    history_days: float = days_field(40, 1)
    keep_finished_days: float = days_field(1)
    keep_dead_days: float = days_field(7)
    peer: list[NewsPeerSection] = Field(default_factory=list, description="tables headed [[news.peer]]")
    area: list[AreaNewsSection] = Field(default_factory=list, description="tables headed [[news.area]]")
    rnews: RnewsCommandSection = Field(default_factory=RnewsCommandSection, description="a table")
    reader: NewsReaderSection = Field(default_factory=NewsReaderSection, description="a table")
    deliver: NewsDeliverSection = Field(default_factory=NewsDeliverSection, description="a table")

    @model_validator(mode="after")
    def _history_is_long(self) -> "NewsSection":
        if self.history_days < self.max_age_days:
            raise ValueError("has history_days below max_age_days; allowed: at least as much")
        names = [peer.name for peer in self.peer]
        if len(set(names)) != len(names):
            raise ValueError("has two [[news.peer]] of one name; allowed: different names")
        return self
