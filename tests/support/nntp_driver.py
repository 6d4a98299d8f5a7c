"""A driver that answers every question of the NNTP dialogue at once, by rules that tests know."""

from collections.abc import Callable, Iterable
from typing import Any

from gateway.nntp.events import (
    Access,
    ArticleReceived,
    ArticleRefused,
    ArticleRequested,
    AuthenticationRequested,
    CheckRequested,
    DateRequested,
    DialogueLimits,
    Event,
    GroupFigures,
    GroupRequested,
    IhaveRequested,
    NeighbourRequested,
    PostRequested,
    Retrieved,
    Stored,
    TlsRequested,
    Wanted,
)
from gateway.nntp.server import ServerDialogue, ServerSettings

ALL = Access(may_feed=True, may_read=True, may_post=True)
DATA = b"A: b\r\n\r\n.dot\r\n"


def wanted(message_id: str) -> Wanted:
    """What is said to an offer."""
    return list(Wanted)[len(message_id) % 3]


def stored(data: bytes) -> Stored:
    """What becomes of an article."""
    return Stored.YES if len(data) % 2 else Stored.NO


def answer(server: ServerDialogue, event: Event) -> None:
    """Answer one event."""
    if isinstance(event, ArticleRefused):
        return
    _ANSWERS.get(type(event), _lines)(server, event)


def _lines(server: ServerDialogue, event: Any) -> None:
    server.answer_lines(event.ticket, [b".x", b"y"])


def _group(server: ServerDialogue, event: GroupRequested) -> None:
    is_known = len(event.group) % 2 == 1
    figures = GroupFigures(event.group, 1, 3, 3) if is_known else None
    server.answer_group(event.ticket, figures, (1, 2, 3))


def _retrieval(server: ServerDialogue, event: ArticleRequested) -> None:
    numbers = event.selection.numbers
    number = 0 if numbers is None else numbers.first
    server.answer_retrieval(event.ticket, Retrieved(number, "<1@a>", DATA) if number < 3 else None)


def _neighbour(server: ServerDialogue, event: NeighbourRequested) -> None:
    number = event.number + (1 if event.is_next else -1)
    server.answer_neighbour(event.ticket, (number, "<1@a>") if 0 < number < 4 else None)


def _tls(server: ServerDialogue, _: TlsRequested) -> None:
    server.tls_started()


def _authentication(server: ServerDialogue, event: AuthenticationRequested) -> None:
    server.answer_authentication(event.ticket, ALL if event.name == event.password else None)


_ANSWERS: dict[type, Callable[[ServerDialogue, Any], None]] = {
    CheckRequested: lambda server, event: server.answer_check(event.ticket, wanted(event.message_id)),
    IhaveRequested: lambda server, event: server.answer_ihave(event.ticket, wanted(event.message_id)),
    ArticleReceived: lambda server, event: server.answer_article(event.ticket, stored(event.data), "x"),
    PostRequested: lambda server, event: server.answer_post(event.ticket, None),
    DateRequested: lambda server, event: server.answer_date(event.ticket, 0.0),
    TlsRequested: _tls,
    GroupRequested: _group,
    ArticleRequested: _retrieval,
    NeighbourRequested: _neighbour,
    AuthenticationRequested: _authentication,
}


def settle(server: ServerDialogue, data: bytes) -> list[Event]:
    """Feed bytes, and answer until nothing more comes of them."""
    seen: list[Event] = []
    events = server.receive_data(data)
    while events:
        seen += events
        for event in events:
            answer(server, event)
        events = server.receive_data(b"")
    return seen


def serve(
    pieces: Iterable[bytes], limits: DialogueLimits | None = None, access: Access = ALL
) -> tuple[list[Event], bytes, bool]:
    """A whole connection: what was asked, what was answered, and whether it was closed."""
    settings = ServerSettings(
        "us.test",
        limits or DialogueLimits(),
        is_auth_offered=True,
        is_clear_auth_allowed=True,
        is_newnews_on=True,
    )
    server = ServerDialogue(settings, access)
    server.greet()
    seen: list[Event] = []
    output = server.data_to_send()
    for piece in pieces:
        seen += settle(server, piece)
        output += server.data_to_send()
    return seen, output, server.is_closing
