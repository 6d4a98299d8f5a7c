"""From message and envelope to rows in the queue."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.batch.choices import Choice, Choices
from gateway.durable import Disk
from gateway.errors import MailLoop, StoreFull
from gateway.ingest.intake import Intake, Recipient, Submission
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support.endpoint import NODE_B, kept_messages

TO_B = Choices((Choice(NODE_B, "b"),))
BOB = Recipient("bob@b.test", TO_B)
CARL = Recipient("carl@b.test", TO_B)
HERE = Recipient("eve@here.test")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), reserve_bytes=0) as opened:
        yield opened


def _submission(*recipients: Recipient, sender: str = "alice@a.test") -> Submission:
    return Submission(
        sender,
        recipients or (BOB,),
        is_8bit=False,
        is_smtputf8=False,
        client_ip="192.0.2.7",
        helo="client.test",
        protocol="ESMTP",
    )


def _accept(queue: Queue, submission: Submission, content: bytes, max_hops: int = 3) -> str:
    with ThreadPoolExecutor(1) as executor:
        intake = Intake(queue, "gw.a.test", max_hops, executor, wall=lambda: 0.0)
        return asyncio.run(intake.accept(submission, bytearray(content)))


@pytest.mark.parametrize("size_bytes", [0, 10, INLINE_BODY_BYTES - 400, INLINE_BODY_BYTES + 1, 1 << 20])
def test_content_is_kept_behind_one_received_field(queue: Queue, size_bytes: int) -> None:
    content = b"x" * size_bytes
    queue_id = _accept(queue, _submission(), content)
    (kept,) = kept_messages(queue)
    assert kept.view.id == queue_id
    assert kept.content == content
    assert kept.received.startswith(
        b"Received: from client.test ([192.0.2.7])\r\n\tby gw.a.test with ESMTP id "
    )
    assert queue_id.encode() in kept.received
    assert b"for <bob@b.test>" in kept.received
    assert kept.view.size_bytes == len(kept.received) + size_bytes
    assert kept.view.origin == "192.0.2.7"


def test_recipients_do_not_learn_of_each_other(queue: Queue) -> None:
    _accept(queue, _submission(BOB, CARL), b"\r\n")
    (kept,) = kept_messages(queue)
    assert b"for" not in kept.received
    assert kept.recipients == ("bob@b.test", "carl@b.test")
    assert {delivery.node for delivery in kept.view.deliveries} == {NODE_B.text}
    assert {delivery.nice for delivery in kept.view.deliveries} == {96}


def test_message_for_here_alone_goes_to_the_inbox(queue: Queue) -> None:
    _accept(queue, _submission(HERE), b"\r\nhi\r\n")
    assert kept_messages(queue, Role.OUTBOX) == []
    (kept,) = kept_messages(queue, Role.INBOX)
    assert (kept.view.deliveries[0].node, kept.recipients) == ("", ("eve@here.test",))


@pytest.mark.parametrize("size_bytes", [10, INLINE_BODY_BYTES + 1])
def test_message_for_here_and_away_is_split(queue: Queue, size_bytes: int) -> None:
    ids = _accept(queue, _submission(BOB, HERE, CARL), b"y" * size_bytes).split()
    (inbox,), (outbox,) = kept_messages(queue, Role.INBOX), kept_messages(queue, Role.OUTBOX)
    assert ids == [inbox.view.id, outbox.view.id]
    assert (inbox.recipients, outbox.recipients) == (("eve@here.test",), ("bob@b.test", "carl@b.test"))
    assert inbox.content == outbox.content == b"y" * size_bytes
    assert b"for" not in inbox.received


def test_hops_are_counted_in_the_header_alone(queue: Queue) -> None:
    hops = b"Received: by x\r\n" * 3
    _accept(queue, _submission(), hops + b"\r\n" + b"Received: quoted\r\n" * 5)
    with pytest.raises(MailLoop, match="4 Received fields, 3 are allowed"):
        _accept(queue, _submission(), b"received : by y\r\n" + hops + b"\r\n")
    assert len(kept_messages(queue)) == 1


def test_message_id_is_read_for_people(queue: Queue) -> None:
    _accept(
        queue, _submission(), b"Subject: x\r\nmessage-id:\r\n <1@a.test>\r\n\r\nMessage-ID: <2@a.test>\r\n"
    )
    assert kept_messages(queue)[0].view.message_id == "<1@a.test>"


@pytest.mark.parametrize("size_bytes", [10, INLINE_BODY_BYTES + 1])
def test_full_disk_leaves_nothing_behind(tmp_path: Path, size_bytes: int) -> None:
    with Queue(tmp_path, Disk(is_syncing=False), reserve_bytes=1 << 60) as queue:
        with pytest.raises(StoreFull):
            _accept(queue, _submission(), b"x" * size_bytes)
        assert kept_messages(queue) == []
        assert list(queue.bodies.directory.iterdir()) == []


def test_each_recipient_has_its_line_in_the_mail_log(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.mail")
    queue_id = _accept(queue, _submission(BOB, CARL, sender=""), b"Message-ID: <1@x>\r\n\r\n")
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.mail"]
    assert len(lines) == 2
    wanted = {f"id={queue_id}", "message-id=<1@x>", 'from=""', "node=b", "client=192.0.2.7", "status=2.0.0"}
    for line, recipient in zip(lines, ("bob@b.test", "carl@b.test"), strict=True):
        assert line.startswith("event=received ")
        assert wanted | {f"to={recipient}"} <= set(line.split())
