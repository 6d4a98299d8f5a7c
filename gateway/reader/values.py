"""What goes into the store of a newsreader, and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.nntp.article import ArticleLimits
from gateway.nntp.wildmat import Wildmat

DAY_SECONDS = 86_400.0
NO_DESCRIPTION = "?"
"""What INN says of a group that nothing is known of."""


class Status(StrEnum):
    """Whether one may post in a group, as LIST ACTIVE says it: RFC 3977 section 7.6.3."""

    POSTING = "y"
    NO_POSTING = "n"
    MODERATED = "m"


class Filing(StrEnum):
    """What became of an article that was brought to the store."""

    FILED = "filed"
    KNOWN = "known"
    """It is there already."""
    UNWANTED = "unwanted"
    """It is in no group that is kept, or can't be read."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an article, with a line that says why."""

    filing: Filing
    text: str


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group as lists show it.

    Args:
        name: of the group.
        low: number of its first article; of an empty group ``high`` + 1.
        high: number of its last article, there or not.
        count: of articles.
        status: y, n or m.
        description: one line.
        created_seconds: when it came to be, in unix seconds as the machine believed.
    """

    name: str
    low: int
    high: int
    count: int
    status: Status
    description: str
    created_seconds: float


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """How much is kept.

    Args:
        group_count: groups that lists show.
        article_count: articles.
        size_bytes: of them together.
        oldest_age_seconds: since the first of them came; None: there is none.
    """

    group_count: int
    article_count: int
    size_bytes: int
    oldest_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class ReaderRules:
    """What is kept, and for how long.

    Args:
        host: our name in Xref.
        groups: in which an article is filed.
        created: groups that come to be with their first article.
        configured: groups that are there from the beginning, with their descriptions.
        moderated: groups whose status is moderated.
        unposted: groups that take no posts of readers.
        keep_seconds: how long articles are kept, from when they came.
        max_bytes: articles together; above that the oldest go.
        limits: of an article.
    """

    host: str
    groups: Wildmat = field(default_factory=lambda: Wildmat.parse("*"))
    created: Wildmat = field(default_factory=lambda: Wildmat.parse("*"))
    configured: Mapping[str, str] = field(default_factory=dict)
    moderated: Wildmat = field(default_factory=lambda: Wildmat.parse(""))
    unposted: Wildmat = field(default_factory=lambda: Wildmat.parse(""))
    keep_seconds: float = 30 * DAY_SECONDS
    max_bytes: int = 1 << 30
    limits: ArticleLimits = field(default_factory=ArticleLimits)

    def is_wanted(self, name: str) -> bool:
        """Whether a group is there by itself, or would come to be."""
        return name in self.configured or (self.groups.matches(name) and self.created.matches(name))

    def status(self, name: str) -> Status:
        """Whether one may post in a group."""
        if self.unposted.matches(name):
            return Status.NO_POSTING
        return Status.MODERATED if self.moderated.matches(name) else Status.POSTING
