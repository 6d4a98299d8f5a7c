"""A batch of a local program comes in whole or not at all."""

from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadAddress, BadBatch, GatewayError, MessageError, StoreFull, TooLarge
from gateway.ingest.batch import AT_ONCE_BYTES
from gateway.ingest.routes import RecipientRefused
from gateway.msgqueue.entry import Role
from gateway.msgqueue.payload import HELD_LIMIT_BYTES
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support.endpoint import kept_messages
from tests.support.handing_in import batches, take

SMALL = b"Subject: x\n\n..\nhello\n"
KEPT = b"Subject: x\r\n\r\n.\r\nhello\r\n"


@pytest.fixture(params=[0, HELD_LIMIT_BYTES], ids=["staged", "held"], autouse=True)
def _place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a small batch waits to be read."""
    monkeypatch.setattr("gateway.msgqueue.payload.HELD_LIMIT_BYTES", request.param)


@pytest.fixture
def queue(tmp_path: Path) -> Generator[Queue]:
    with Queue(tmp_path / "queue", Disk(is_syncing=False), reserve_bytes=0) as opened:
        yield opened


def mail(*recipients: str, content: bytes = SMALL, sender: str = "alice@a.test") -> bytes:
    to = "".join(f"RCPT TO:<{recipient}>\n" for recipient in recipients or ("bob@b.test",))
    return f"MAIL FROM:<{sender}>\n{to}DATA\n".encode() + content + b".\n"


def assert_nothing_is_left(queue: Queue) -> None:
    assert kept_messages(queue) == []
    assert list(queue.bodies.directory.iterdir()) == []
    assert list((queue.directory / "incoming").glob("*")) == []


def test_every_message_goes_where_its_recipients_are(queue: Queue) -> None:
    said = take(
        batches(queue).begin("me"),
        [b"HELO x\n", mail("bob@b.test", "carl@a.test"), mail(sender=""), b"QUIT\n"],
    )
    kept = kept_messages(queue)
    assert said == f"2.0.0 queued as {' '.join(each.view.id for each in kept)}"
    assert [(each.view.role, each.recipients, each.view.sender) for each in kept] == [
        (Role.INBOX, ("carl@a.test",), "alice@a.test"),
        (Role.OUTBOX, ("bob@b.test",), "alice@a.test"),
        (Role.OUTBOX, ("bob@b.test",), ""),
    ]
    assert {each.content for each in kept} == {KEPT}
    assert kept[0].received.startswith(f"Received: by mail.a.test with local id {kept[0].view.id};".encode())
    assert b"for <bob@b.test>" in kept[2].received
    assert list((queue.directory / "incoming").glob("*")) == []


def test_messages_of_any_size_come_in_whole(queue: Queue) -> None:
    large = b"Subject: x\n\n" + b"0123456789\n" * (INLINE_BODY_BYTES // 5)
    batch = b"".join(mail("bob@b.test", "carl@a.test", content=content) for content in (large, b"", large))
    take(batches(queue).begin("me"), [batch[at : at + 4099] for at in range(0, len(batch), 4099)])
    expected = large.replace(b"\n", b"\r\n")
    assert [each.content for each in kept_messages(queue)] == [
        expected,
        expected,
        b"",
        b"",
        expected,
        expected,
    ]


def test_a_node_that_is_named_counts(queue: Queue) -> None:
    take(batches(queue).begin("me", "bob"), [mail("x@anywhere.test")])
    assert [each.recipients for each in kept_messages(queue)] == [("x@anywhere.test",)]


@pytest.mark.parametrize(
    ("batch", "kind", "status"),
    [
        (b"", BadBatch, "4.6.0"),
        (b"HELO x\nQUIT\n", BadBatch, "4.6.0"),
        (b"Subject: this is no batch\n\nhello\n", BadBatch, "4.6.0"),
        (mail() + mail()[:-2], BadBatch, "4.6.0"),
        (mail() + b"MAIL FROM:<x@y>\n", BadBatch, "4.6.0"),
        (mail() + mail("x@nowhere.test"), RecipientRefused, "5.7.1"),
        (mail("bob@b.test", "never@b.test"), RecipientRefused, "5.1.1"),
        (mail("never@b.test", "later@b.test"), RecipientRefused, "4.2.1"),
        (mail("bob@b.test", "no address"), BadAddress, "5.1.3"),
        (mail(sender="a b"), BadAddress, "5.1.7"),
        (mail(content=b"x\0y\n"), MessageError, "5.6.0"),
        (mail(content=b"x" * 3000 + b"\n"), MessageError, "5.3.4"),
        (mail(content=b"Received: x\n" * 51), MessageError, "5.4.6"),
        (mail() + mail(content=b"x" * 1500 + b"\n") * 9, TooLarge, "4.3.4"),
    ],
)
def test_what_is_wrong_with_a_part_is_told_of_all(
    queue: Queue, batch: bytes, kind: type[GatewayError], status: str
) -> None:
    taking = batches(queue, message_bytes=2000, max_batch_bytes=8000).begin("me")
    with pytest.raises(kind) as caught:
        take(taking, [batch])
    assert caught.value.status == status
    assert_nothing_is_left(queue)


def test_a_full_disk_is_a_reason_to_try_again(queue: Queue) -> None:
    queue.reserve_bytes = 1 << 60
    with pytest.raises(StoreFull):
        take(batches(queue).begin("me"), [mail()])
    assert_nothing_is_left(queue)


def test_a_batch_that_is_given_up_leaves_nothing(queue: Queue) -> None:
    taking = batches(queue).begin("me")
    taking.write(mail())
    taking.discard()
    taking.discard()
    assert_nothing_is_left(queue)


def test_only_a_small_batch_is_read_where_others_would_wait(queue: Queue) -> None:
    taking = batches(queue).begin("me")
    one = mail()
    assert not taking.may_block(len(one))
    taking.write(one)
    assert not taking.may_block(0)
    assert taking.may_block(AT_ONCE_BYTES)
    taking.write(one * (AT_ONCE_BYTES // len(one)))
    assert taking.may_block(0)
    taking.close().result()
    taking.done()
    assert len(kept_messages(queue)) == 1 + AT_ONCE_BYTES // len(one)
