"""Every way in puts a message in the lane that it asks for, and knows its copies."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.batch.choices import Choice, Choices
from gateway.durable import Disk
from gateway.ingest.intake import Intake, Recipient, Submission
from gateway.message.envelope import MailOptions
from gateway.msgqueue.copies import ContentHash
from gateway.msgqueue.entry import Lane
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support import handing_in
from tests.support.messages import NODE_B, NODE_C

BOB = "bob@b.test"
HandIn = Callable[[Queue, bytes], None]


@pytest.fixture
def queue(tmp_path: Path) -> Generator[Queue]:
    with Queue(tmp_path / "queue", Disk(is_syncing=False), reserve_bytes=0) as opened:
        yield opened


def by_smtp(queue: Queue, content: bytes, options: MailOptions | None = None) -> None:
    """What an endpoint does at the end of DATA."""
    choice = Choice(handing_in.NODE_B, "bob")
    submission = Submission(
        "alice@a.test",
        (Recipient(BOB, Choices((choice,))),),
        is_8bit=False,
        is_smtputf8=False,
        client_ip="192.0.2.7",
        helo="client.test",
        protocol="ESMTP",
        options=options or MailOptions(),
    )
    with ThreadPoolExecutor(1) as executor:
        intake = Intake(queue, "gw.a.test", 9, executor, wall=lambda: 0.0)
        asyncio.run(intake.accept(submission, bytearray(content)))


def by_pipe(queue: Queue, content: bytes) -> None:
    """What ``sendmail`` hands over, in pieces."""
    pieces = [content[at : at + 70_001] for at in range(0, len(content), 70_001)]
    handing_in.intake(queue).take("alice@a.test", [BOB], pieces, "me")


def by_batch(queue: Queue, content: bytes) -> None:
    """What Exim's ``use_bsmtp`` hands over."""
    batch = b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<%s>\r\nDATA\r\n%s.\r\n" % (BOB.encode(), content)
    handing_in.take(handing_in.batches(queue).begin("me"), [batch])


WAYS_IN: tuple[HandIn, ...] = (by_smtp, by_pipe, by_batch)


@pytest.mark.parametrize("hand_in", WAYS_IN)
@pytest.mark.parametrize(
    ("fields", "size_bytes", "is_urgent", "nice"),
    [
        (b"", 10, False, None),
        (b"Priority: urgent\r\n", 10, True, None),
        (b"Precedence: bulk\r\n", 10, False, 160),
        (b"", 300_000, False, 192),
        (b"Precedence: bulk\r\n", 300_000, False, 192),
        (b"Priority: urgent\r\n", 300_000, False, None),
    ],
)
def test_a_message_is_put_in_the_lane_it_asks_for(
    queue: Queue, hand_in: HandIn, fields: bytes, size_bytes: int, *, is_urgent: bool, nice: int | None
) -> None:
    hand_in(queue, fields + b"Subject: x\r\n\r\n" + (b"x" * 78 + b"\r\n") * (size_bytes // 80))
    normal = 96 if hand_in is by_smtp else handing_in.NICE
    (figures,) = Outbox(queue).lanes()
    assert figures.lane == Lane(handing_in.NODE_B, min(normal, 64) if is_urgent else nice or normal)


@pytest.mark.parametrize(("priority", "nice"), [(-4, 160), (0, 96), (5, 64)])
def test_mt_priority_decides_whatever_the_header_says(queue: Queue, priority: int, nice: int) -> None:
    by_smtp(queue, b"Priority: urgent\r\nPrecedence: bulk\r\n\r\n", MailOptions(priority=priority))
    assert [figures.lane.nice for figures in Outbox(queue).lanes()] == [nice]


@pytest.mark.parametrize("hand_in", WAYS_IN)
@pytest.mark.parametrize("size_bytes", [0, 100, 2 * INLINE_BODY_BYTES])
def test_what_follows_our_trace_field_is_hashed(queue: Queue, hand_in: HandIn, size_bytes: int) -> None:
    content = b"Subject: x\r\n\r\n.\r\n" if hand_in is not by_batch else b"Subject: x\r\n\r\n..\r\n"
    lines = (b"x" * 78 + b"\r\n") * (size_bytes // 80)
    for _ in range(2):
        hand_in(queue, content + lines)
    kept = b"Subject: x\r\n\r\n.\r\n" + lines
    with queue.reading() as connection:
        rows = connection.execute("SELECT seq, trace_bytes, kind FROM message").fetchall()
    assert len({kind for _, _, kind in rows}) == 1
    assert rows[0][2] is not None
    for seq, trace_bytes, _ in rows:
        body = b"".join(queue.read_body(seq))
        assert body[trace_bytes:] == kept
        assert body[:trace_bytes].startswith(b"Received: ")
        assert ContentHash(body[trace_bytes:]).digest() == ContentHash(kept).digest()


def test_what_is_too_large_for_the_first_node_goes_to_the_second(queue: Queue) -> None:
    choices = Choices((Choice(NODE_B, "b", max_bytes=1000), Choice(NODE_C, "c")))
    submission = Submission(
        "alice@a.test",
        (Recipient(BOB, choices),),
        is_8bit=False,
        is_smtputf8=False,
        client_ip="192.0.2.7",
        helo="client.test",
        protocol="ESMTP",
    )
    with ThreadPoolExecutor(1) as executor:
        intake = Intake(queue, "gw.a.test", 9, executor, wall=lambda: 0.0)
        for size_bytes in (10, 1000):
            asyncio.run(intake.accept(submission, bytearray(size_bytes)))
    assert {figures.lane.node for figures in Outbox(queue).lanes()} == {NODE_B, NODE_C}
