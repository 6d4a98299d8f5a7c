"""What a neighbour sends goes on to others as its rights say, in the transaction that takes it in."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import BatchId, NodeId, PacketId
from gateway.message.envelope import MailOptions, Notify, RecipientOptions, Return
from gateway.msgqueue.entry import Form, Role, State
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.pace import OverRate
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import list_messages
from gateway.receive.receiver import Receipt
from gateway.routing.rights import Addresses, Rate, Rights
from tests.support.hub import hub, through
from tests.support.messages import NODE_A, NODE_B, NODE_C
from tests.support.received import BATCH, batch_of, leftovers, pair

OTHER_PACKET = PacketId(b"\x02" * 32)
OTHER_BATCH = BatchId(b"\x08" * 16)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened
        assert list(leftovers(tmp_path)) == []


def everything(queue: Queue) -> list[tuple[Role, str, str, State, str]]:
    return [
        (view.role, delivery.recipient, delivery.node, delivery.state, delivery.status)
        for view in list_messages(queue, states=tuple(State))
        for delivery in view.deliveries
    ]


def test_what_is_for_another_neighbour_goes_on_with_all_its_sender_asked_for(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    payload = (
        b"MAIL FROM:<alice@a.test> RET=HDRS ENVID=q1 MT-PRIORITY=3 BY=600;N\r\n"
        b"RCPT TO:<carol@c.test> NOTIFY=SUCCESS ORCPT=rfc822;info@b.test\r\n"
        b"RCPT TO:<bob@b.test>\r\nRCPT TO:<x@world.test>\r\n"
        b"DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n"
    )
    with caplog.at_level(logging.INFO, "gateway.mail"):
        assert through(hub(queue), payload) == Receipt(message_count=1, dead_count=1)
    assert everything(queue) == [
        (Role.OUTBOX, "carol@c.test", NODE_C.text, State.QUEUED, ""),
        (Role.OUTBOX, "bob@b.test", "", State.QUEUED, ""),
        (Role.OUTBOX, "x@world.test", "", State.DEAD, "5.7.1"),
    ]
    (lane,) = Outbox(queue).lanes()
    batch = Outbox(queue).claim(
        lane.lane, Form.GATEWAY, max_count=9, max_bytes=9999, first_hop=lane.lane.node
    )
    assert batch is not None
    (onward,) = Outbox(queue).messages_of(batch.id)
    assert onward.envelope.recipients == ("carol@c.test",)
    assert replace(onward.envelope.options, deliver_by=None) == MailOptions("q1", Return.HEADERS, 3)
    assert onward.envelope.options.deliver_by is not None
    assert onward.envelope.options_of("carol@c.test") == RecipientOptions(
        frozenset({Notify.SUCCESS}), "rfc822;info@b.test"
    )
    (local,) = Inbox(queue).due(9)
    assert local.envelope.recipients == ("bob@b.test",)
    body = b"".join(queue.read_body(onward.seq))
    tag = NODE_B.text[:16]
    assert body.startswith(
        f"Received: from a\r\n\tby mx.b.test with NNCP id {onward.id}\r\n\t(NNCP node {tag});\r\n".encode()
    )
    assert body.endswith(b" +0000\r\nSubject: x\r\n\r\nhello\r\n")
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events == ["event=relayed", "event=unpacked", "event=dead"]
    assert "next=c" in caplog.records[0].getMessage()


def test_a_second_copy_is_not_relayed_again(queue: Queue) -> None:
    payload = batch_of([pair("carol@c.test")])
    assert [through(hub(queue), payload).is_duplicate for _ in range(2)] == [False, True]
    assert len(everything(queue)) == 1


@pytest.mark.parametrize(("count", "is_loop"), [(3, False), (4, True)])
def test_our_own_name_in_the_trace_ends_circles(queue: Queue, *, count: int, is_loop: bool) -> None:
    own = f"Received: from x by y with NNCP id 1\r\n\t(nncp NODE {NODE_B.text[:16]}); now\r\n".encode()
    other = own.replace(NODE_B.text[:16].encode(), NODE_C.text[:16].encode())
    body = own * count + other * 5 + b"Subject: x\r\n\r\n" + own * 9
    through(hub(queue), batch_of([pair("carol@c.test", body=body)]))
    assert [status for *_, status in everything(queue)] == (["5.4.6"] if is_loop else [""])


def test_what_comes_over_the_rate_waits_and_is_told_of_once(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = hub(queue, Rights(rate=Rate(messages_per_hour=2)))
    with caplog.at_level(logging.INFO, "gateway.mail"):
        receipt = through(receiver, batch_of([pair()] * 5))
    assert (receipt.message_count, receipt.late_count) == (5, 3)
    assert len(Inbox(queue).due(9)) == 2
    (slowed,) = [record.getMessage() for record in caplog.records if "event=slowed" in record.getMessage()]
    assert "messages=3 seconds=5400" in slowed
    through(receiver, batch_of([pair()] * 48, OTHER_BATCH), packet=OTHER_PACKET)
    with pytest.raises(OverRate):
        through(receiver, batch_of([pair()], BatchId(b"\x09" * 16)), packet=PacketId(b"\x03" * 32))
    assert len(everything(queue)) == 53


def test_of_an_area_the_author_counts_and_then_the_area(queue: Queue) -> None:
    area = NodeId(b"\xee" * 32)
    rights = {
        NODE_A: Rights(senders=Addresses(("a.test",)), relay_to=Addresses(("*",))),
        area: Rights(senders=Addresses(("area.test",))),
    }
    receiver = hub(queue, rights=rights, areas=frozenset({area}))
    payloads = [batch_of([pair(sender=f"x@{name}.test")]) for name in ("a", "area")]
    for number, (author, payload) in enumerate((who, what) for who in (NODE_A, None) for what in payloads):
        fields = {"sender": area, "author": author, "packet": PacketId(bytes([number] * 32))}
        through(receiver, payload.replace(BATCH.text.encode(), b"%032x" % number), **fields)
    assert [status for *_, status in everything(queue)] == ["", "5.1.8", "5.1.8", ""]


def test_an_area_is_no_way_to_others(queue: Queue) -> None:
    area = NodeId(b"\xee" * 32)
    receiver = hub(queue, Rights(relay_to=Addresses(("*",))), areas=frozenset({area}))
    through(receiver, batch_of([pair("carol@c.test", "x@world.test")]), sender=area, author=NODE_A)
    assert [status for *_, status in everything(queue)] == ["5.7.1", "5.7.1"]
