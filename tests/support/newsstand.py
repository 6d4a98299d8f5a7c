"""Groups of articles in memory, for a reader at our server's dialogue."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from gateway.nntp.article import field_value
from gateway.nntp.events import (
    ArticleRequested,
    Event,
    GroupFigures,
    GroupRequested,
    HdrRequested,
    ListKeyword,
    ListRequested,
    NeighbourRequested,
    NewgroupsRequested,
    OverRequested,
    Retrieved,
    Selection,
)
from gateway.nntp.overview import clean, overview_fields, overview_line
from gateway.nntp.server import ServerDialogue


class Newsstand:
    """What can be read.

    Args:
        groups: name, and articles by number.
    """

    def __init__(self, groups: dict[str, dict[int, bytes]]) -> None:
        self.groups = groups

    def can_answer(self, event: Event) -> bool:
        """Whether it is about groups and articles."""
        return type(event) in self._ANSWERS

    def answer(self, server: ServerDialogue, event: Event) -> None:
        """Answer one event."""
        self._ANSWERS[type(event)](self, server, event)

    def _figures(self, name: str) -> GroupFigures:
        numbers = self.groups[name]
        return GroupFigures(name, min(numbers, default=1), max(numbers, default=0), len(numbers))

    def _selected(self, selection: Selection) -> Iterator[tuple[int, bytes]]:
        if selection.message_id is not None:
            found = {
                data: None
                for articles in self.groups.values()
                for data in articles.values()
                if _name_of(data) == selection.message_id
            }
            yield from ((0, data) for data in found)
            return
        numbers = selection.numbers
        assert numbers is not None
        for number, data in self.groups[selection.group or ""].items():
            if number >= numbers.first and (numbers.last is None or number <= numbers.last):
                yield number, data

    def _group(self, server: ServerDialogue, event: GroupRequested) -> None:
        if event.group not in self.groups:
            server.answer_group(event.ticket, None)
            return
        numbers = (
            [number for number, _ in self._selected(Selection(None, event.group, event.numbers))]
            if event.numbers
            else []
        )
        server.answer_group(event.ticket, self._figures(event.group), numbers)

    def _retrieval(self, server: ServerDialogue, event: ArticleRequested) -> None:
        found = next(self._selected(event.selection), None)
        retrieved = None if found is None else Retrieved(found[0], _name_of(found[1]), found[1])
        server.answer_retrieval(event.ticket, retrieved)

    def _neighbour(self, server: ServerDialogue, event: NeighbourRequested) -> None:
        articles = self.groups[event.group]
        step = 1 if event.is_next else -1
        places = sorted(
            (number for number in articles if (number - event.number) * step > 0), key=lambda n: n * step
        )
        found = (places[0], _name_of(articles[places[0]])) if places else None
        server.answer_neighbour(event.ticket, found)

    def _over(self, server: ServerDialogue, event: OverRequested) -> None:
        lines = [
            overview_line(number, overview_fields(data), field_value(data, "Xref") or b"")
            for number, data in self._selected(event.selection)
        ]
        server.answer_lines(event.ticket, lines or None)

    def _hdr(self, server: ServerDialogue, event: HdrRequested) -> None:
        lines = []
        is_any = False
        for number, data in self._selected(event.selection):
            is_any = True
            value = _value(data, event.field)
            if event.pattern is None or event.pattern.matches(value.decode("utf-8", "replace")):
                place = event.selection.message_id if event.is_id_shown else str(number)
                lines.append(f"{place} ".encode() + value)
        server.answer_lines(event.ticket, lines if is_any else None)

    def _list(self, server: ServerDialogue, event: ListRequested) -> None:
        names = [name for name in self.groups if event.pattern is None or event.pattern.matches(name)]
        figures = map(self._figures, names)
        lines = {
            ListKeyword.ACTIVE: [f"{of.name} {of.high:010} {of.low:010} y" for of in figures],
            ListKeyword.COUNTS: [
                f"{of.name} {of.high} {of.low} {of.count} y" for of in map(self._figures, names)
            ],
        }.get(event.keyword, [])
        server.answer_lines(event.ticket, [line.encode() for line in lines])

    def _newgroups(self, server: ServerDialogue, event: NewgroupsRequested) -> None:
        server.answer_lines(event.ticket, [])

    _ANSWERS: ClassVar[dict[type, Callable[["Newsstand", ServerDialogue, Any], None]]] = {
        GroupRequested: _group,
        ArticleRequested: _retrieval,
        NeighbourRequested: _neighbour,
        OverRequested: _over,
        HdrRequested: _hdr,
        ListRequested: _list,
        NewgroupsRequested: _newgroups,
    }


def _name_of(data: bytes) -> str:
    return (field_value(data, "Message-ID") or b"").decode()


def _value(data: bytes, field: str) -> bytes:
    metadata = dict(zip((b":bytes", b":lines"), overview_fields(data).split(b"\t")[5:], strict=True))
    return metadata.get(field.encode(), clean(field_value(data, field) or b""))
