"""Which article goes where: to neighbours, to areas, to what is here. Pure.

A feed is one place that articles go to. An article goes to each feed whose groups it is in, unless one
of the feed's limits, its distributions, or the article's own Path keeps it back. What a feed is
told to leave out is left out for good: news is a flood, and nobody is told.

Spec: RFC 3977 section 4 (wildmat); RFC 5536 sections 3.1.5 and 3.2.4; RFC 5537 section 3.6;
newsfeeds(5) of INN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import ConfigError
from gateway.ids import NICE_BULK, NodeId
from gateway.nntp.article import Article
from gateway.nntp.path import hop_count, is_in_path
from gateway.nntp.wildmat import Verdict, Wildmat, are_meant

NOT = "!"


@dataclass(frozen=True, slots=True)
class Distributions:
    """Which distributions a feed carries.

    Args:
        wanted: in lower case; empty: all that are not excluded.
        excluded: in lower case.
    """

    wanted: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, words: Sequence[str]) -> "Distributions":
        """Read words such as ``world`` and ``!local``.

        Raises:
            ConfigError: an empty word.
        """
        names = [word.removeprefix(NOT).lower() for word in words]
        if not all(names):
            raise ConfigError("a distribution is empty, allowed: names such as world, or !local")
        wanted = {name for name, word in zip(names, words, strict=True) if not word.startswith(NOT)}
        return cls(frozenset(wanted), frozenset(names) - wanted)

    def take(self, distributions: Sequence[str]) -> bool:
        """Whether an article with these distributions is carried; one without any always is."""
        if not distributions:
            return True
        names = {name.lower() for name in distributions}
        return not names & self.excluded and (not self.wanted or bool(names & self.wanted))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a neighbour asked for itself, of what it may ask for.

    Args:
        groups: patterns; the last that matches a group decides.
        is_paused: it wants nothing for now.
    """

    groups: Wildmat = field(default_factory=lambda: Wildmat("", ()))
    is_paused: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """One place that articles go to. It equals itself alone, and is looked up quickly for that.

    Args:
        name: for logs, and the recipient in the queue.
        groups: what it gets; an article in a group with a poison pattern does not go there.
        node: the neighbour, or the area, that gets packets; None: what is here.
        nice: niceness of the packets, 1 to 255.
        path_names: its names in Path: what has been there does not go there.
        distributions: what it gets of them.
        max_article_bytes: of an article with CRLF line ends; None: no limit.
        max_groups_count: newsgroups of an article; None: no limit.
        max_hops_count: hosts in its Path; None: no limit.
        is_control_fed: whether control messages go there.
        remote: the groups whose feeding the neighbour decides itself; None: none.
        rescan_count: articles that it may have once more by one request.
    """

    name: str
    groups: Wildmat
    node: NodeId | None = None
    nice: int = NICE_BULK
    path_names: tuple[str, ...] = ()
    distributions: Distributions = Distributions()
    max_article_bytes: int | None = None
    max_groups_count: int | None = None
    max_hops_count: int | None = None
    is_control_fed: bool = True
    remote: Wildmat | None = None
    rescan_count: int = 0

    def takes(self, article: Article, wishes: Wishes | None = None) -> bool:
        """Whether an article goes there.

        Args:
            article: which.
            wishes: of the neighbour, where it has any.
        """
        return (
            self._takes_groups(article.newsgroups, wishes or _NO_WISHES)
            and self.distributions.take(article.distributions)
            and (self.is_control_fed or article.control is None)
            and _is_within(article.size_bytes, self.max_article_bytes)
            and _is_within(len(article.newsgroups), self.max_groups_count)
            and (self.max_hops_count is None or hop_count(article.path) <= self.max_hops_count)
            and not is_in_path(article.path, self.path_names)
        )

    def verdict(self, group: str, wishes: Wishes) -> Verdict:
        """Whether a group is fed: as its neighbour wishes where it may wish, and never where it is poison."""
        own = self.groups.verdict(group)
        if own is Verdict.POISON or self.remote is None or not self.remote.matches(group):
            return own
        return wishes.groups.decision(group) or own

    def _takes_groups(self, groups: tuple[str, ...], wishes: Wishes) -> bool:
        if wishes.is_paused:
            return False
        if self.remote is None:
            return self.groups.takes(groups)
        return are_meant(self.verdict(group, wishes) for group in groups)


@dataclass(frozen=True, slots=True)
class Feeds:
    """All feeds.

    Args:
        feeds: with different names.
    """

    feeds: tuple[Feed, ...] = ()

    @property
    def has_remote(self) -> bool:
        """Whether any neighbour may wish for anything."""
        return any(feed.remote is not None for feed in self.feeds)

    def targets(
        self, article: Article, came_from: str, wishes: Mapping[str, Wishes] | None = None
    ) -> tuple[Feed, ...]:
        """Where an article goes.

        Args:
            article: as it came, with the Path it came with.
            came_from: name of the feed it came by: it does not go back there.
            wishes: of neighbours, by the names of their feeds.
        """
        known = wishes or {}
        return tuple(
            [
                feed
                for feed in self.feeds
                if feed.name != came_from and feed.takes(article, known.get(feed.name))
            ]
        )


_NO_WISHES = Wishes()


def _is_within(figure: int, limit: int | None) -> bool:
    return limit is None or figure <= limit
