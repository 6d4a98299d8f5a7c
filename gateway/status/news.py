"""How news stands at this node: the endpoint, who brings articles, what waits for each feed, what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.msgqueue.news_figures import (
    FeedFigures,
    SourceFigures,
    feed_figures,
    history_count,
    source_figures,
)
from gateway.msgqueue.store import Queue
from gateway.newsdesk.desk import DeskRules
from gateway.reader.values import StoreFigures
from gateway.routing.feeds import Feed, Wishes
from gateway.status.greeting import Greeting


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How one feed stands.

    Args:
        name: of the feed; of one that the configuration does not have any more as well.
        feed: as it is configured; None: it is not any more.
        is_paused: its neighbour wants nothing for now.
        figures: what stands in the queue for it.
    """

    name: str
    feed: Feed | None
    is_paused: bool
    figures: FeedFigures


@dataclass(frozen=True, slots=True)
class NewsStatus:
    """How news stands.

    Args:
        pathhost: our name in Path.
        greetings: of each place of the endpoint; none: there is no endpoint.
        sources: who may bring articles, and what came from them; None: nothing that is still listed.
        others_count: articles that came from anybody else.
        feeds: where articles go.
        history_count: Message-IDs that are known.
        quarantine_count: payloads that could not be read.
        store: what newsreaders find; None: there is no store, or it can't be looked at.
    """

    pathhost: str
    greetings: Sequence[Greeting]
    sources: Mapping[str, SourceFigures | None]
    others_count: int
    feeds: Sequence[FeedStatus]
    history_count: int
    quarantine_count: int
    store: StoreFigures | None


def news_status(
    queue: Queue,
    rules: DeskRules,
    source_names: Sequence[str],
    wishes: Mapping[str, Wishes],
    greetings: Sequence[Greeting],
    *,
    quarantine_count: int,
    store: StoreFigures | None,
) -> NewsStatus:
    """Look at everything.

    Args:
        queue: that of news.
        rules: of the desk.
        source_names: neighbours, areas and servers that may bring articles.
        wishes: of neighbours, by the names of their feeds.
        greetings: of the endpoint.
        quarantine_count: payloads that could not be read.
        store: what newsreaders find.

    Raises:
        StoreError: the queue can't be read.
    """
    came, figures = source_figures(queue), feed_figures(queue)
    configured = {feed.name: feed for feed in rules.feeds.feeds}
    return NewsStatus(
        pathhost=rules.pathhost,
        greetings=greetings,
        sources={name: came.get(name) for name in source_names},
        others_count=sum(found.article_count for name, found in came.items() if name not in source_names),
        feeds=[
            FeedStatus(
                name,
                configured.get(name),
                wishes.get(name, Wishes()).is_paused,
                figures.get(name, FeedFigures()),
            )
            for name in [*configured, *sorted(figures.keys() - configured.keys())]
        ],
        history_count=history_count(queue),
        quarantine_count=quarantine_count,
        store=store,
    )
