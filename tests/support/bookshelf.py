"""A store for newsreaders, and articles for it."""

from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.nntp.events import Range
from gateway.reader.store import ReaderStore
from gateway.reader.values import ReaderRules
from tests.support.news import article
from tests.support.newsroom import crlf

EVERY = Range(1, None)


def open_store(directory: Path, disk: Disk | None = None, *, clock: Any = None, **rules: Any) -> ReaderStore:
    """A store of the host gw.test."""
    more = {} if clock is None else {"clock": clock}
    return ReaderStore(directory, disk or Disk(is_syncing=False), ReaderRules("gw.test", **rules), **more)


def written(number: int | str, **values: str) -> bytes:
    """An article as the store gets it."""
    return crlf(article(number, **values))


def marks(store: ReaderStore) -> dict[str, tuple[int, int, int]]:
    """Low mark, high mark and count of each group."""
    return {line.name: (line.low, line.high, line.count) for line in store.groups()}


def message_ids(store: ReaderStore, group: str) -> list[tuple[int, str]]:
    """Number and Message-ID of what is in a group, by number."""
    return [
        (int(words[0]), words[4].decode())
        for words in (line.split(b"\t") for line in store.overview(group, EVERY))
    ]
