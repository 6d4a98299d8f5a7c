import json
from dataclasses import replace

import pytest

from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.views import DeliveryView, MessageView
from gateway.status.queue_text import as_json, list_lines, show_lines

WAITING = DeliveryView(
    recipient="bob@b.test",
    node="NODE",
    nice=96,
    state=State.QUEUED,
    batch="",
    packet="",
    attempts=2,
    next_try_seconds=90.0,
    status="4.4.1",
    text="no route to host",
    changed_wall=0.0,
    begun_count=0,
)
MESSAGE = MessageView(
    seq=1,
    id="0123456789abcdef",
    role=Role.OUTBOX,
    sender="",
    size_bytes=2048,
    has_body=True,
    message_id="<1@a>",
    origin="127.0.0.1",
    origin_node="",
    origin_batch="",
    origin_packet="",
    age_seconds=7200.0,
    arrived_wall=86_400.0,
    deliveries=(WAITING,),
)


def name_of(text: str) -> str:
    return {"NODE": "bob"}.get(text, text)


def test_a_list_line_has_what_an_operator_asks_first() -> None:
    first, second = list_lines([MESSAGE], name_of)
    assert first == "0123456789abcdef  outbox     2h   2.0 KiB  <>"
    assert second == (
        "    <bob@b.test>  queued  to node bob, niceness 96  next try in 2m  (4.4.1 no route to host)"
    )


def test_a_recipient_here_of_a_message_that_is_relayed_too_has_no_node() -> None:
    here = replace(WAITING, recipient="carl@a.test", node="", nice=0)
    lines = list_lines([replace(MESSAGE, deliveries=(here, WAITING))], name_of)
    assert ["to node" in line for line in lines] == [False, False, True]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (61, "1m"), (7200, "2h"), (1e6, "12d")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    (line, _) = list_lines([replace(MESSAGE, age_seconds=seconds)], name_of)
    assert line.split()[2] == text


def test_all_that_is_known_is_shown() -> None:
    sent = replace(WAITING, state=State.SENT, batch="b" * 32, packet="P" * 52, next_try_seconds=0.0)
    message = replace(
        MESSAGE,
        role=Role.INBOX,
        has_body=False,
        origin_batch="c" * 32,
        origin_packet="Q" * 52,
        deliveries=(sent,),
    )
    text = "\n".join(show_lines(message, name_of))
    for part in (
        "Queue id:    0123456789abcdef",
        "2048 bytes, no longer kept",
        "1970-01-02 00:00:00 UTC (2h ago)",
        f"in batch:  {'c' * 32}",
        f"in packet: {'Q' * 52}",
        f"batch:     {'b' * 32}",
        f"packet:    {'P' * 52}",
        "1970-01-01 00:00:00 UTC, 2 tries",
    ):
        assert part in text
    assert "to node" not in text


def test_it_is_shown_who_was_told_of_a_failure_and_why_nobody_was_of_a_delay() -> None:
    told = replace(
        WAITING, state=State.DEAD, told="reported", told_by="f" * 16, delay_told="no route back to the sender"
    )
    message = replace(MESSAGE, deliveries=(told,))
    lines = [line.strip() for line in show_lines(message, name_of)]
    assert f"told:      the sender, by {'f' * 16}" in lines
    assert "of delay:  nobody: no route back to the sender" in lines
    (recipient,) = json.loads(as_json([message], name_of))[0]["recipients"]
    assert (recipient["told"], recipient["told_by"]) == ("reported", "f" * 16)


def test_a_time_that_is_no_date_is_no_fault() -> None:
    assert "at a time that is no date" in "\n".join(show_lines(replace(MESSAGE, arrived_wall=1e20), name_of))


def test_strangers_cannot_write_to_the_terminal() -> None:
    evil = replace(
        MESSAGE,
        sender="\x1b[2J@x",
        message_id="<\n>",
        origin="\x07",
        deliveries=(replace(WAITING, recipient="\u202ex@y", text="a\r\nb"),),
    )
    for line in (*list_lines([evil], name_of), *show_lines(evil, name_of)):
        assert line.isprintable()


def test_json_has_every_field_as_it_is() -> None:
    (message,) = json.loads(as_json([MESSAGE], name_of))
    assert message["sender"] == ""
    assert message["age_seconds"] == 7200.0
    (recipient,) = message["recipients"]
    assert recipient["node"] == "bob"
    assert recipient["next_try_seconds"] == 90.0
    assert recipient["state"] == "queued"
