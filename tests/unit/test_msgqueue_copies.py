"""Which messages are copies of one another."""

from dataclasses import replace

import pytest

from gateway.message.envelope import DeliverBy, Envelope, LateAction, MailOptions, Return
from gateway.msgqueue.copies import RECIPIENT_LIMIT_COUNT, ContentHash, Gathering, kind_of

PLAIN = Envelope("alice@a.test", ("bob@b.test",))
CONTENT = ContentHash(b"Subject: x\r\n\r\n", b"hello\r\n").digest()


def test_the_hash_does_not_depend_on_how_the_content_is_cut() -> None:
    whole = ContentHash()
    whole.update(bytearray(b"Subject: x\r\n\r\nhello\r\n"))
    assert whole.digest() == CONTENT
    assert ContentHash(b"Subject: x\r\n\r\nhello \r\n").digest() != CONTENT


def test_recipients_make_no_difference() -> None:
    other = replace(PLAIN, recipients=("carol@b.test", "dave@b.test"))
    assert kind_of(PLAIN, CONTENT) == kind_of(other, CONTENT) is not None


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, sender="Alice@a.test"),
        replace(PLAIN, sender=""),
        replace(PLAIN, is_8bit=True),
        replace(PLAIN, is_smtputf8=True),
        replace(PLAIN, options=MailOptions(envid="x")),
        replace(PLAIN, options=MailOptions(envid="")),
        replace(PLAIN, options=MailOptions(envid="None")),
        replace(PLAIN, options=MailOptions(ret=Return.FULL)),
        replace(PLAIN, options=MailOptions(priority=0)),
    ],
)
def test_whatever_else_differs_makes_another_message(other: Envelope) -> None:
    assert kind_of(other, CONTENT) != kind_of(PLAIN, CONTENT)


def test_some_messages_have_no_copies() -> None:
    hurried = replace(PLAIN, options=MailOptions(deliver_by=DeliverBy(60.0, LateAction.RETURN)))
    assert kind_of(hurried, CONTENT) is None
    assert kind_of(PLAIN, None) is None


def test_copies_come_together_and_a_second_one_for_a_recipient_begins_a_new_group() -> None:
    gathering = Gathering()
    placed = [
        gathering.place(kind, recipients)
        for kind, recipients in (
            (b"1", ["a@x"]),
            (b"2", ["a@x"]),
            (b"1", ["b@x", "c@x"]),
            (None, ["d@x"]),
            (b"1", ["B@x"]),
            (b"1", ["e@x"]),
            (None, ["e@x"]),
            (b"2", ["b@x"]),
        )
    ]
    assert placed == [0, 1, 0, 2, 3, 3, 4, 1]


def test_a_group_has_no_more_recipients_than_any_server_takes() -> None:
    gathering = Gathering()
    placed = [gathering.place(b"1", [f"{number}@x"]) for number in range(2 * RECIPIENT_LIMIT_COUNT + 1)]
    assert [placed.count(number) for number in range(3)] == [RECIPIENT_LIMIT_COUNT, RECIPIENT_LIMIT_COUNT, 1]
    many = [f"{number}@y" for number in range(300)]
    assert gathering.place(b"2", many) == 3
    assert gathering.place(b"2", ["a@y"]) == 4
