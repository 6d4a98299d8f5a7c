"""How news stands, as text for people and as JSON for programs (docs/reference/status.md)."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from gateway.spool.sizes import ibytes
from gateway.status.greeting import Greeting
from gateway.status.news import FeedStatus, NewsStatus
from gateway.status.phrases import age_text, clean

HEADING = "news"
_LABEL_CHARS = 16


def news_lines(status: NewsStatus) -> Iterator[str]:
    """A heading, and below it a line for each thing that is known."""
    yield f"{HEADING} at {clean(status.pathhost)}"
    for label, text in _facts(status):
        yield f"  {label + ':':{_LABEL_CHARS}} {text}"


def news_json(status: NewsStatus) -> str:
    """The same as a JSON object."""
    told = {
        "pathhost": status.pathhost,
        "endpoint": [asdict(greeting) for greeting in status.greetings],
        "sources": [
            {
                "name": name,
                "article_count": 0 if found is None else found.article_count,
                "last_age_seconds": None if found is None else found.last_age_seconds,
            }
            for name, found in status.sources.items()
        ],
        "others_count": status.others_count,
        "feeds": [_feed_object(feed) for feed in status.feeds],
        "history_count": status.history_count,
        "quarantine_count": status.quarantine_count,
        "store": None if status.store is None else asdict(status.store),
    }
    return json.dumps(told, indent=2)


def _facts(status: NewsStatus) -> Iterator[tuple[str, str]]:
    if not status.greetings:
        yield "endpoint", "none is configured ([nntp] listen)"
    for greeting in status.greetings:
        yield "endpoint", _greeting(greeting)
    for name, found in status.sources.items():
        came = "nothing that is still listed"
        if found is not None:
            came = f"{_articles(found.article_count)}, the last {age_text(found.last_age_seconds)} ago"
        yield f"from {clean(name)}", came
    if status.others_count:
        yield "from others", _articles(status.others_count)
    for feed in status.feeds:
        yield f"to {clean(feed.name)}", "; ".join(_feed(feed))
    yield "history", f"{status.history_count} Message-IDs"
    if status.quarantine_count:
        yield "in quarantine", f"{status.quarantine_count}, until somebody decides"
    if status.store is not None:
        store = status.store
        oldest = (
            "" if store.oldest_age_seconds is None else f", the oldest {age_text(store.oldest_age_seconds)}"
        )
        sizes = f"{_articles(store.article_count)}, {ibytes(store.size_bytes)}"
        yield "store", f"{store.group_count} groups, {sizes}{oldest}"


def _greeting(greeting: Greeting) -> str:
    if greeting.error:
        return f"{clean(greeting.address)} does not answer: {clean(greeting.error)}"
    said = f": {clean(greeting.line)}" if greeting.line else ", in TLS"
    return f"{clean(greeting.address)} answers{said}"


def _feed(status: FeedStatus) -> Iterator[str]:
    figures = status.figures
    if status.feed is None:
        yield "no feed of the configuration any more"
    if status.is_paused:
        yield "paused by its operator"
    if figures.waiting_count:
        oldest = age_text(figures.oldest_age_seconds or 0)
        sizes = f"{_articles(figures.waiting_count)}, {ibytes(figures.waiting_bytes)}"
        yield f"{sizes}, the oldest {oldest} old"
    else:
        yield "nothing waits"
    if figures.held_count:
        yield f"{figures.held_count} held"
    if figures.dead_count:
        yield f"{figures.dead_count} dead"
    if figures.done_age_seconds is not None:
        yield f"{figures.done_count} done, the last {age_text(figures.done_age_seconds)} ago"
    if figures.next_try_seconds is not None:
        yield f"next try in {age_text(figures.next_try_seconds)}: {clean(figures.text)}"


def _feed_object(status: FeedStatus) -> dict[str, object]:
    return {
        "name": status.name,
        "groups": None if status.feed is None else status.feed.groups.text,
        "node": None if status.feed is None or status.feed.node is None else status.feed.node.text,
        "is_paused": status.is_paused,
        **asdict(status.figures),
    }


def _articles(count: int) -> str:
    return f"{count} article{'' if count == 1 else 's'}"
