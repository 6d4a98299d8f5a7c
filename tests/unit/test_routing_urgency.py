"""How urgent a message is, by what its sender said."""

import pytest

from gateway.routing.urgency import Urgency, urgency_of


@pytest.mark.parametrize(
    ("priority", "header", "urgency"),
    [
        (None, b"", Urgency.NORMAL),
        (None, b"Subject: x\r\n", Urgency.NORMAL),
        (None, b"Priority: urgent\r\n", Urgency.URGENT),
        (None, b"priority:  URGENT \r\n", Urgency.URGENT),
        (None, b"Priority:\r\n urgent\r\n", Urgency.URGENT),
        (None, b"Priority: normal\r\n", Urgency.NORMAL),
        (None, b"Priority: non-urgent\r\n", Urgency.BULK),
        (None, b"Priority: very urgent\r\n", Urgency.NORMAL),
        (None, b"Precedence: special-delivery\r\n", Urgency.URGENT),
        (None, b"Precedence: first-class\r\n", Urgency.NORMAL),
        (None, b"Precedence: list\r\n", Urgency.BULK),
        (None, b"Precedence: Bulk\r\n", Urgency.BULK),
        (None, b"Precedence: junk\r\n", Urgency.BULK),
        (None, b"Priority: urgent\r\nPrecedence: list\r\n", Urgency.BULK),
        (None, b"X-Priority: 1\r\nImportance: high\r\n", Urgency.NORMAL),
        (None, b"X: y\r\n\r\nPriority: urgent\r\n", Urgency.NORMAL),
        (0, b"Priority: urgent\r\n", Urgency.NORMAL),
        (4, b"Precedence: bulk\r\n", Urgency.URGENT),
        (1, b"", Urgency.URGENT),
        (9, b"", Urgency.URGENT),
        (-1, b"Priority: urgent\r\n", Urgency.BULK),
        (-9, b"", Urgency.BULK),
    ],
)
def test_envelope_before_header_and_less_urgent_before_more(
    priority: int | None, header: bytes, urgency: Urgency
) -> None:
    assert urgency_of(priority, header) is urgency
