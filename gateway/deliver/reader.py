"""Delivery of news to our own store, which newsreaders read.

Articles go in by groups that fit in memory, each group in one commit. The store knows articles by their
Message-IDs, so one that is brought again counts as delivered. Whatever ails the store says nothing about an
article: it is tried again.
"""

from collections.abc import Callable, Iterator, Sequence

from gateway.deliver.news_target import Delivery, ReadBody
from gateway.deliver.outcome import one_line
from gateway.errors import StoreError
from gateway.msgqueue.entry import Outcome, QueuedMessage, Verdict
from gateway.reader.store import ReaderStore
from gateway.reader.values import Added, Filing

GROUP_BYTES = 4 << 20
"""Articles that are in memory together; a single one may be larger."""
NOT_OPEN = "the store of articles for newsreaders can't be opened; the log says why"

_VERDICTS = {
    Filing.FILED: (Verdict.DELIVERED, "2.0.0"),
    Filing.KNOWN: (Verdict.DELIVERED, "2.0.0"),
    Filing.UNWANTED: (Verdict.REFUSED, "5.7.0"),
}


class ReaderTarget:
    """Delivers to the store.

    Args:
        opened: gives the store, or None: it can't be opened.
    """

    def __init__(self, opened: Callable[[], ReaderStore | None]) -> None:
        self._opened = opened

    def deliver(self, articles: Sequence[QueuedMessage], read_body: ReadBody) -> Delivery:
        """See ``NewsTarget``."""
        outcomes: list[Outcome] = []
        for group in _groups(articles):
            # A fault in reading the queue is one of its article, and goes to the caller.
            contents = [b"".join(read_body(article.seq)) for article in group]
            try:
                outcomes += map(_outcome, self._add(contents))
            except StoreError as error:
                later = Outcome(Verdict.DEFERRED, "4.3.0", one_line(str(error)))
                outcomes += [later] * (len(articles) - len(outcomes))
                return Delivery(outcomes, is_down=True)
        return Delivery(outcomes)

    def close(self) -> None:
        """The store stays open for readers."""

    def _add(self, contents: Sequence[bytes]) -> list[Added]:
        store = self._opened()
        if store is None:
            raise StoreError(NOT_OPEN)
        return store.add(contents)


def _groups(articles: Sequence[QueuedMessage]) -> Iterator[list[QueuedMessage]]:
    group: list[QueuedMessage] = []
    size_bytes = 0
    for article in articles:
        if group and size_bytes + article.size_bytes > GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
        group.append(article)
        size_bytes += article.size_bytes
    if group:
        yield group


def _outcome(added: Added) -> Outcome:
    verdict, status = _VERDICTS[added.filing]
    return Outcome(verdict, status, one_line(added.text))
