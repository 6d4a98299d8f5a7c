"""Payloads in the quarantine: taken in again once the cause is gone, and never twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.batch.choices import Choice, Choices
from gateway.daemon.mail_ways import make_find_way
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.msgqueue.decisions import Ending, Standing
from gateway.msgqueue.entry import Lane, Outcome, Role, State
from gateway.msgqueue.store import Queue
from gateway.receive.again import KeptPayload, KeptPayloads, KeptResult, make_refuse_again
from gateway.receive.quarantine import Source
from gateway.receive.receiver import Receipt, ReceiveSettings
from gateway.routing.rights import Addresses, Rights
from gateway.routing.table import Local, Rule, Table, ToNode
from tests.support.messages import NODE_A, NODE_B, NODE_C
from tests.support.received import BODY, PACKET, batch_of, inbox, pair, receiver, take, take_sendmail

DISK = Disk(is_syncing=False)
MANY = [pair(), pair(), pair()]
FEW = BatchLimits(message_count=2)
SMALL = BatchLimits(message_bytes=len(BODY))
LARGE = pair(body=BODY + b"x" * 100 + b"\r\n")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, DISK) as opened:
        yield opened


def only(queue: Queue) -> KeptPayload:
    (kept,) = KeptPayloads(queue, DISK).list()
    return kept


def replay(queue: Queue, kept: KeptPayload, limits: BatchLimits | None = None) -> KeptResult:
    def receive(source: Source, payload: Iterator[bytes]) -> Receipt:
        with receiver(queue, limits=limits or BatchLimits()).begin(source) as reception:
            return reception.take_all(payload)

    return KeptPayloads(queue, DISK).replay(kept, receive)


def test_where_nothing_is_kept_nothing_is_listed(queue: Queue) -> None:
    assert KeptPayloads(queue, DISK).list() == []
    assert not (queue.directory / "quarantine").exists()


def test_what_is_known_of_a_payload_is_read_from_its_record(queue: Queue) -> None:
    args = ("bob@b.test", "it's\"\n", "schön@b.test", "-x\\n")
    take_sendmail(queue, b"no Return-Path\n", *args)
    kept = only(queue)
    raw_args = tuple(arg.encode() for arg in args)
    assert kept.source == Source(NODE_A, "a", PACKET, "sendmail", raw_args)
    assert kept.fields["Why"]
    assert kept.path.read_bytes() == b"no Return-Path\n"


@pytest.mark.parametrize("packet", [PACKET, None])
def test_a_batch_that_can_be_read_now_is_taken_in_and_gone_from_the_quarantine(
    queue: Queue, packet: PacketId | None
) -> None:
    take(queue, batch_of(MANY), packet, limits=FEW)
    assert inbox(queue) == []
    kept = only(queue)
    assert replay(queue, kept, FEW).ending is Ending.IMPOSSIBLE
    assert replay(queue, kept) == KeptResult(kept.id, Ending.DONE, "3 messages are in the queue")
    assert len(inbox(queue)) == 3
    assert list((queue.directory / "quarantine").iterdir()) == []
    assert list((queue.directory / "incoming").iterdir()) == []
    assert take(queue, batch_of(MANY), packet).is_duplicate


def test_what_still_can_not_be_read_stays_and_it_is_said_why(queue: Queue) -> None:
    take(queue, b"nonsense\r\n")
    kept = only(queue)
    result = replay(queue, kept)
    assert result.ending is Ending.IMPOSSIBLE
    assert result.text == f"still not: {kept.fields['Why']}"
    assert only(queue) == kept


def test_a_batch_that_came_another_way_meanwhile_is_not_taken_twice(queue: Queue) -> None:
    take(queue, batch_of(MANY), limits=FEW)
    kept = only(queue)
    take(queue, batch_of(MANY), PacketId(b"\x09" * 32))
    result = replay(queue, kept)
    assert (result.ending, result.text) == (Ending.DONE, "it had been received by another way")
    assert len(inbox(queue)) == 3
    assert KeptPayloads(queue, DISK).list() == []


@pytest.mark.parametrize("packet", [PACKET, None])
def test_a_payload_whose_other_messages_were_taken_is_not_taken_again(
    queue: Queue, packet: PacketId | None
) -> None:
    take(queue, batch_of([pair(), LARGE]), packet, limits=SMALL)
    kept = only(queue)
    before = inbox(queue)
    result = replay(queue, kept)
    assert result.ending is Ending.IMPOSSIBLE
    assert "the other messages of it were taken when it came" in result.text
    assert [view.id for view in inbox(queue)] == [view.id for view in before]
    assert only(queue) == kept


def test_what_was_cut_short_stays(queue: Queue) -> None:
    take(queue, batch_of(MANY)[:-20])
    kept = only(queue)
    assert replay(queue, kept).ending is Ending.IMPOSSIBLE
    assert only(queue) == kept
    assert inbox(queue) == []


@pytest.mark.parametrize("fault", ["payload", "record", "no record", "no node"])
def test_a_payload_that_was_changed_is_not_taken_in(queue: Queue, fault: str) -> None:
    take(queue, batch_of(MANY), limits=FEW)
    path = only(queue).path
    record = path.with_suffix(".txt")
    if fault == "payload":
        path.write_bytes(batch_of([pair()]))
    elif fault == "record":
        record.write_text(record.read_text().replace("Handle: rsmtp", "Handle: sendmail"))
    elif fault == "no record":
        record.unlink()
    else:
        record.write_text(record.read_text().replace("Node-Id: ", "Node-Id: x"))
    result = replay(queue, only(queue))
    assert result.ending is Ending.IMPOSSIBLE
    assert inbox(queue) == []
    assert path.exists()


def test_a_payload_that_nobody_wants_is_dropped_with_its_record(queue: Queue) -> None:
    take(queue, b"nonsense\r\n")
    KeptPayloads(queue, DISK).drop(only(queue))
    assert list((queue.directory / "quarantine").iterdir()) == []


def test_what_else_lies_there_is_no_payload(queue: Queue) -> None:
    take(queue, b"nonsense\r\n")
    (queue.directory / "quarantine" / "notes.batch").write_text("mine")
    (queue.directory / "quarantine" / f"{'0' * 32}.txt").write_text("Node: a\n")
    assert len(KeptPayloads(queue, DISK).list()) == 1


def standing(recipient: str, sender: str = "alice@a.test", origin: str = NODE_A.text) -> Standing:
    return Standing(
        seq=1,
        message_seq=1,
        message_id="id",
        role=Role.INBOX,
        sender=sender,
        recipient=recipient,
        node="",
        nice=0,
        state=State.DEAD,
        held_by=None,
        text="",
        batch="",
        packet="",
        first_hop="",
        size_bytes=100,
        has_body=True,
        origin_node=origin,
    )


@pytest.mark.parametrize(
    ("dead", "answer"),
    [
        (standing("bob@b.test"), None),
        (standing("bob@b.test", sender=""), None),
        (standing("bob@b.test", sender="eve@evil.test"), "5.1.8"),
        (standing("carl@b.test"), "5.7.1"),
        (standing("carl@b.test", origin=NODE_C.text), None),
        (standing("bob@c.test"), "5.7.1"),
        (standing("bob@relay.test", origin=NODE_A.text, sender="eve@evil.test"), "5.1.8"),
        (standing("bob@relay.test", origin=NODE_B.text), "5.7.1"),
        (standing("bob@relay.test"), Lane(NODE_C, 96)),
        (standing("carl@b.test", origin="", sender="eve@evil.test"), None),
        (standing("bob@relay.test", origin=""), Lane(NODE_C, 96)),
        (standing("bob@c.test", origin=""), "5.7.1"),
    ],
    ids=[
        "for here",
        "a report",
        "as somebody else",
        "to somebody it may not write to",
        "another node may",
        "for nobody here",
        "for a neighbour, as somebody else",
        "for a neighbour, not allowed",
        "for a neighbour, allowed by now",
        "from here",
        "from here, for a neighbour now",
        "from here, for nobody",
    ],
)
def test_a_dead_letter_is_asked_again_what_it_was_asked_when_it_came(
    dead: Standing, answer: str | Lane | None
) -> None:
    table = Table.from_rules([Rule("b.test", Local()), Rule("relay.test", ToNode("c"))])
    choices = Choices((Choice(NODE_C, "c"),))
    rights = Rights(
        senders=Addresses(("a.test",)),
        recipients=Addresses(("bob@b.test",)),
        relay_to=Addresses(("relay.test",)),
    )
    settings = ReceiveSettings("mx.b.test", ("b.test",), rights={NODE_A: rights})
    found = make_refuse_again(settings, make_find_way(table, lambda _: choices))(dead)
    assert (found.status if isinstance(found, Outcome) else found) == answer
