"""What readers ask for, answered from the articles that are kept.

Contract: looking things up blocks, so it is done in threads; a long list goes out page by page, as fast as
the client reads, and no more than a page of it is in memory.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from gateway.nntp.dates import parse_command_date
from gateway.nntp.events import (
    ArticleRequested,
    GroupFigures,
    GroupRequested,
    HdrRequested,
    ListKeyword,
    ListRequested,
    NeighbourRequested,
    NewgroupsRequested,
    NewnewsRequested,
    OverRequested,
    Range,
    ReaderEvent,
    Retrieved,
    Selection,
)
from gateway.nntp.server import ServerDialogue
from gateway.reader.store import ReaderStore
from gateway.reader.values import GroupLine

PAGE_COUNT = 1000
"""Numbers of articles, or lines, that are looked up and sent together."""

Pages = Iterator[list[bytes]]
T = TypeVar("T")


class ReadingRoom:
    """Answers readers.

    Args:
        store: what is kept.
        executor: looks things up.
        wall: seconds since 1970.
    """

    def __init__(self, store: ReaderStore, executor: Executor, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._executor = executor
        self._wall = wall

    async def answer(
        self, dialogue: ServerDialogue, event: ReaderEvent, drain: Callable[[], Awaitable[None]]
    ) -> None:
        """Answer one command.

        Args:
            dialogue: where.
            event: the command.
            drain: sends what there is, and waits until the client has read most of it.

        Raises:
            StoreError: what is kept can't be read.
        """
        ticket, store = event.ticket, self._store
        match event:
            case GroupRequested():
                figures, numbers = await self._ask(self._look_at_group, event)
                dialogue.answer_group(ticket, figures, numbers)
            case ArticleRequested():
                dialogue.answer_retrieval(ticket, await self._ask(self._retrieve, event))
            case NeighbourRequested():
                found = await self._ask(
                    partial(store.neighbour, is_next=event.is_next), event.group, event.number
                )
                dialogue.answer_neighbour(ticket, found)
            case _:
                await self._list(dialogue, ticket, self._pages(event), drain)
                return
        await drain()

    async def _ask(self, question: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, question, *args)

    async def _list(
        self, dialogue: ServerDialogue, ticket: int, pages: Pages, drain: Callable[[], Awaitable[None]]
    ) -> None:
        page = await self._ask(next, pages, None)
        if page is None:
            dialogue.answer_lines(ticket, None)
            return
        dialogue.begin_lines(ticket)
        while page is not None:
            dialogue.more_lines(ticket, page)
            await drain()
            page = await self._ask(next, pages, None)
        dialogue.end_lines(ticket)

    def _look_at_group(self, event: GroupRequested) -> tuple[GroupFigures | None, list[int]]:
        figures = self._store.group(event.group)
        if figures is None or event.numbers is None:
            return figures, []
        return figures, self._store.numbers(event.group, event.numbers)

    def _retrieve(self, event: ArticleRequested) -> Retrieved | None:
        selection = event.selection
        if selection.message_id is not None:
            return self._store.retrieve_id(selection.message_id, event.part)
        group, numbers = _in_group(selection)
        return self._store.retrieve(group, numbers.first, event.part)

    def _pages(self, event: ReaderEvent) -> Pages:
        """The lines of a list, in pages; no page at all: there is no such article."""
        # A generator: nothing is looked up before a thread asks for the first page.
        match event:
            case OverRequested():
                yield from self._over(event.selection)
            case HdrRequested():
                yield from self._hdr(event)
            case ListRequested():
                yield from _paged(_list_lines(event.keyword, self._store.groups(event.pattern)))
            case NewgroupsRequested():
                groups = self._store.new_groups(self._since(event))
                yield from _paged(_list_lines(ListKeyword.ACTIVE, groups))
            case NewnewsRequested():
                found = self._store.new_articles(event.pattern, self._since(event))
                yield from _paged(message_id.encode() for message_id in found)
            case _:
                raise AssertionError(f"internal error: {type(event).__name__} is no list")

    def _since(self, event: NewgroupsRequested | NewnewsRequested) -> float:
        return parse_command_date(event.date, event.time, self._wall()) or 0.0

    def _over(self, selection: Selection) -> Pages:
        if selection.message_id is not None:
            line = self._store.overview_id(selection.message_id)
            yield from [] if line is None else [[line]]
            return
        yield from self._by_numbers(selection, self._store.overview)

    def _hdr(self, event: HdrRequested) -> Pages:
        selection, pattern, store = event.selection, event.pattern, self._store
        if selection.message_id is None:
            yield from self._by_numbers(
                selection, lambda group, numbers: store.header(event.field, group, numbers, pattern)
            )
            return
        value = store.header_id(event.field, selection.message_id, pattern)
        if value is not None:
            place = selection.message_id if event.is_id_shown else "0"
            yield [place.encode() + b" " + value]

    def _by_numbers(self, selection: Selection, look: Callable[[str, Range], Iterable[bytes]]) -> Pages:
        group, numbers = _in_group(selection)
        figures = self._store.group(group)
        if figures is None:
            return
        first = max(numbers.first, figures.low)
        last = figures.high if numbers.last is None else min(numbers.last, figures.high)
        for start in range(first, last + 1, PAGE_COUNT):
            page = list(look(group, Range(start, min(start + PAGE_COUNT - 1, last))))
            if page:
                yield page


def _in_group(selection: Selection) -> tuple[str, Range]:
    if selection.group is None or selection.numbers is None:
        raise AssertionError("internal error: a selection of nothing")
    return selection.group, selection.numbers


def _paged(lines: Iterable[bytes]) -> Pages:
    """Lines in pages; an empty list has one empty page."""
    left = iter(lines)
    page = list(itertools.islice(left, PAGE_COUNT))
    yield page
    while page := list(itertools.islice(left, PAGE_COUNT)):
        yield page


def _list_lines(keyword: ListKeyword, groups: Iterable[GroupLine]) -> Iterator[bytes]:
    write = _LINES[keyword]
    for group in groups:
        yield write(group).encode()


def _active_times(group: GroupLine) -> str:
    return f"{group.name} {int(group.created_seconds)} nncp-gateway"


_LINES: dict[ListKeyword, Callable[[GroupLine], str]] = {
    ListKeyword.ACTIVE: lambda group: f"{group.name} {group.high:010} {group.low:010} {group.status}",
    ListKeyword.ACTIVE_TIMES: _active_times,
    ListKeyword.COUNTS: lambda group: f"{group.name} {group.high} {group.low} {group.count} {group.status}",
    ListKeyword.NEWSGROUPS: lambda group: f"{group.name}\t{group.description}",
}
