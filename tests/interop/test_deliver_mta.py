"""Mail delivered to real mail servers, by SMTP and by their sendmail command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.batch_command import BatchTarget, BatchTargetSettings
from gateway.deliver.deliverer import Deliverer
from gateway.deliver.result import DeliverResult
from gateway.deliver.sendmail_command import SendmailTarget, SendmailTargetSettings
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace, UnixPlace
from gateway.deliver.target import Target
from gateway.durable import Disk
from gateway.ids import BatchId
from gateway.ingest.unix_socket import UnixSocket
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from tests.support.endpoint import LmtpEndpoint
from tests.support.exim import EximInstance
from tests.support.messages import new_message
from tests.support.peers import PROJECT
from tests.support.postfix import PostfixInstance
from tests.support.received import batch_of, pair, take

UMLAUT = "b\N{LATIN SMALL LETTER O WITH DIAERESIS}b@b.test"
LINES = b"\r\n.\r\n..\r\n.x\r\nFrom you\r\n \r\n\xff\xfe\r\n" + b"y" * 900 + b"\r\n"
# With Date and From, which sendmail commands add where they are missing.
FIELDS = b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nFrom: alice@a.test\r\nTo: bob@b.test\r\n"
SMALL = b"Subject: small\r\nMessage-ID: <1@a.test>\r\n" + FIELDS + LINES
LARGE = (
    b"Subject: large\r\nMessage-ID: <2@a.test>\r\n" + FIELDS + LINES + b"z" * 70 + b"\r\n" * INLINE_BODY_BYTES
)


@pytest.fixture
def queue(place: Path) -> Iterator[Queue]:
    with Queue(place / "queue", Disk(is_syncing=False)) as opened:
        yield opened


def smtp(port: int) -> SmtpTarget:
    return SmtpTarget(SmtpTargetSettings(TcpPlace("127.0.0.1", port), "mx.b.test"))


def deliver(queue: Queue, target: Target) -> DeliverResult:
    return Deliverer(queue, [target]).run_once()


def contents(paths: list[Path]) -> dict[bytes, bytes]:
    """Subject and everything from there on, of delivered messages."""
    texts = [path.read_bytes() for path in paths]
    return {
        text[at : text.index(b"\n", at)]: text[at:] for text in texts for at in [text.index(b"Subject: ")]
    }


def as_local(body: bytes) -> bytes:
    return body.replace(b"\r\n", b"\n")


def test_postfix_takes_mail_by_smtp_unchanged(place: Path, queue: Queue) -> None:
    """Every byte of a message reaches the Maildir of a real Postfix, with each kind of envelope."""
    take(queue, batch_of([pair(body=SMALL), pair("bob@b.test", "carl@b.test", sender="", body=LARGE)]))
    with PostfixInstance(place / "pf", "mx.b.test", ["b.test"]) as postfix:
        assert deliver(queue, smtp(postfix.port)).delivered_count == 3
        found = postfix.wait_for_messages(3)
        assert contents(found) == {b"Subject: small": as_local(SMALL), b"Subject: large": as_local(LARGE)}
        senders = {path.read_bytes().split(b"\n")[0] for path in found}
        assert senders == {b"Return-Path: <alice@a.test>", b"Return-Path: <>"}
    assert list_messages(queue) == []


def test_postfix_refuses_one_recipient_and_takes_the_other(place: Path, queue: Queue) -> None:
    """Postfix's own answers decide about each recipient, in a pipelined dialogue."""
    take(
        queue,
        batch_of([pair("bob@b.test", "eve@c.test", "-dash@b.test", UMLAUT)]),
        local_domains=("b.test", "c.test"),
    )
    with PostfixInstance(place / "pf", "mx.b.test", ["b.test"]) as postfix:
        postfix.set("smtpd_relay_restrictions = reject_unauth_destination")
        result = deliver(queue, smtp(postfix.port))
        assert (result.delivered_count, result.dead_count) == (2, 2)
        postfix.wait_for_messages(2)
    (view,) = list_messages(queue)
    assert [(delivery.state, delivery.status) for delivery in view.deliveries] == [
        (State.DELIVERED, "2.0.0"),
        (State.DEAD, "5.7.1"),
        (State.DEAD, "5.1.3"),
        (State.DELIVERED, "2.0.0"),
    ]


def test_a_stopped_postfix_defers_and_gets_everything_later(place: Path, queue: Queue) -> None:
    """While the server is down mail waits; once it is up it arrives, once."""
    take(queue, batch_of([pair(body=SMALL), pair(body=LARGE)]))
    postfix = PostfixInstance(place / "pf", "mx.b.test", ["b.test"])
    result = deliver(queue, smtp(postfix.port))
    assert (result.is_target_down, result.deferred_count) == (True, 2)
    with postfix:
        assert Deliverer(queue, [smtp(postfix.port)]).run_once(is_early=True).delivered_count == 2
        assert len(postfix.wait_for_messages(2)) == 2
        assert Deliverer(queue, [smtp(postfix.port)]).run_once(is_early=True).delivered_count == 0


def test_postfix_takes_mail_by_its_sendmail_command(place: Path, queue: Queue) -> None:
    """The command gets lone dots, From lines and 8-bit bytes through, and the null sender."""
    take(queue, batch_of([pair(body=SMALL), pair(sender="", body=LARGE), pair("-bp@b.test")]))
    with PostfixInstance(place / "pf", "mx.b.test", ["b.test"]) as postfix:
        target = SendmailTarget(SendmailTargetSettings((str(postfix.sendmail), "-i")))
        result = deliver(queue, target)
        assert (result.delivered_count, result.dead_count) == (2, 1)
        found = postfix.wait_for_messages(2)
        assert contents(found) == {b"Subject: small": as_local(SMALL), b"Subject: large": as_local(LARGE)}
        senders = {path.read_bytes().split(b"\n")[0] for path in found}
        assert senders == {b"Return-Path: <alice@a.test>", b"Return-Path: <>"}


def test_exim_takes_mail_by_smtp_unchanged(place: Path, queue: Queue) -> None:
    """Every byte of a message reaches the Maildir of a real Exim over one kept connection."""
    take(queue, batch_of([pair(body=SMALL), pair("bob@b.test", UMLAUT, sender="", body=LARGE)]))
    with EximInstance(place / "ex", "mx.b.test", ["b.test"]) as exim:
        assert deliver(queue, smtp(exim.port)).delivered_count == 3
        # One copy for both recipients: they share the Maildir.
        found = exim.wait_for_messages(2)
        assert contents(found) == {b"Subject: small": as_local(SMALL), b"Subject: large": as_local(LARGE)}


def test_exim_takes_mail_by_its_sendmail_command(place: Path, queue: Queue) -> None:
    """A command that goes on in the background is not waited for, and has the mail."""
    take(queue, batch_of([pair(body=SMALL), pair(sender="", body=LARGE)]))
    with EximInstance(place / "ex", "mx.b.test", ["b.test"]) as exim:
        target = SendmailTarget(SendmailTargetSettings((str(exim.sendmail), "-i")))
        assert deliver(queue, target).delivered_count == 2
        found = exim.wait_for_messages(2)
        assert contents(found) == {b"Subject: small": as_local(SMALL), b"Subject: large": as_local(LARGE)}


def put_many(queue: Queue, count: int) -> dict[bytes, bytes]:
    """Small messages with subjects of their own; what each is in a mailbox."""
    bodies = [SMALL.replace(b"small", b"%d" % number) for number in range(count)]
    for start in range(0, count, 50):
        batch = BatchId(start.to_bytes(16, "big"))
        take(queue, batch_of([pair(body=body) for body in bodies[start : start + 50]], batch), packet=None)
    return {b"Subject: %d" % number: as_local(body) for number, body in enumerate(bodies)}


def test_postfix_takes_many_messages_over_several_connections_at_once(place: Path, queue: Queue) -> None:
    """The commands of one message behind the end of the last are what a real Postfix understands."""
    bodies = put_many(queue, 150)
    with PostfixInstance(place / "pf", "mx.b.test", ["b.test"]) as postfix:
        result = Deliverer(queue, [smtp(postfix.port) for _ in range(4)]).run_once()
        assert result.delivered_count == 150
        assert contents(postfix.wait_for_messages(150)) == bodies
        assert "improper command pipelining" not in postfix.log_text()


def test_exim_takes_many_messages_over_several_connections_at_once(place: Path, queue: Queue) -> None:
    """The same for Exim, which enforces where a client has to wait."""
    bodies = put_many(queue, 60)
    with EximInstance(place / "ex", "mx.b.test", ["b.test"]) as exim:
        result = Deliverer(queue, [smtp(exim.port) for _ in range(3)]).run_once()
        assert result.delivered_count == 60
        assert contents(exim.wait_for_messages(60)) == bodies
        assert "synchronization error" not in exim.log_text()


def test_exim_takes_batches_and_one_message_at_fault_keeps_back_no_other(place: Path, queue: Queue) -> None:
    """A message over Exim's limit ends its batch: those before it are not given twice, the rest goes on."""
    bodies = put_many(queue, 30)
    big = SMALL.replace(b"small", b"big") + b"z" * 60 + b"\r\n" * 30_000
    for body in (big, LARGE):
        message = new_message(node=None, recipients=("x@[127.0.0.1]", UMLAUT))
        held = queue.hold_body(message.id, body)
        queue.put(message._replace(body=held), Role.INBOX).result()
    with EximInstance(place / "ex", "mx.b.test", ["b.test"]) as exim:
        text = exim.config_path.read_text()
        exim.config_path.write_text(text.replace("message_size_limit = 100M", "message_size_limit = 16K"))
        targets = [BatchTarget(BatchTargetSettings((str(exim.rsmtp),), "mx.b.test")) for _ in range(2)]
        result = Deliverer(queue, targets).run_once()
        assert (result.delivered_count, result.dead_count) == (30, 4)
        assert contents(exim.wait_for_messages(30)) == bodies
        assert len(exim.messages()) == 30
    dead = [(one.recipient, one.status) for view in list_messages(queue) for one in view.deliveries]
    assert sorted(dead) == sorted([(UMLAUT, "5.0.0"), ("x@[127.0.0.1]", "5.1.3")] * 2)


def test_a_large_message_goes_to_exim_in_a_batch_of_its_own(place: Path, queue: Queue) -> None:
    """Bytes, null sender and UTF-8 recipients reach the Maildir as they are."""
    take(queue, batch_of([pair(body=SMALL), pair("bob@b.test", UMLAUT, sender="", body=LARGE)]))
    with EximInstance(place / "ex", "mx.b.test", ["b.test"]) as exim:
        target = BatchTarget(BatchTargetSettings((str(exim.rsmtp),), "mx.b.test"))
        assert deliver(queue, target).delivered_count == 3
        found = exim.wait_for_messages(2)
        assert contents(found) == {b"Subject: small": as_local(SMALL), b"Subject: large": as_local(LARGE)}


@pytest.mark.parametrize("is_unix", [False, True])
def test_an_lmtp_endpoint_answers_for_each_recipient_of_many_messages(
    place: Path, queue: Queue, *, is_unix: bool
) -> None:
    """One gateway delivers to another by LMTP: what is known there is taken, the rest refused, in one row."""
    local = ("b.test", "here.test", "nowhere.test")
    recipients = ("bob@here.test", "never@b.test", "eve@nowhere.test", "later@b.test")
    take(queue, batch_of([pair(*recipients, body=SMALL)] * 20), local_domains=local)
    unix = UnixSocket(place / "lmtp", 0o660, "") if is_unix else None
    with LmtpEndpoint(place / "far", unix=unix) as far:
        where = UnixPlace(str(place / "lmtp")) if is_unix else TcpPlace("127.0.0.1", far.port)
        targets = [SmtpTarget(SmtpTargetSettings(where, "mx.b.test", is_lmtp=True)) for _ in range(2)]
        result = Deliverer(queue, targets).run_once()
        assert (result.delivered_count, result.dead_count, result.deferred_count) == (20, 40, 20)
        taken = list_messages(far.queue)
    assert [[one.recipient for one in view.deliveries] for view in taken] == [["bob@here.test"]] * 20
    statuses = {one.recipient: one.status for view in list_messages(queue) for one in view.deliveries}
    assert statuses == {
        "bob@here.test": "2.0.0",
        "never@b.test": "5.1.1",
        "eve@nowhere.test": "5.7.1",
        "later@b.test": "4.2.1",
    }


@pytest.mark.parametrize("is_batch", [False, True])
def test_exim_leaves_nothing_for_its_next_queue_run(place: Path, queue: Queue, *, is_batch: bool) -> None:
    """More messages than Exim's default starts at once are not left behind: by the kit's line, or in runs."""
    kit = (PROJECT / "exim/main.sample").read_text().splitlines()
    (line,) = [line for line in kit if line.startswith("smtp_accept_queue_per_connection")]
    main = "smtp_accept_queue_per_connection = 10" if is_batch else line
    take(queue, batch_of([pair(body=SMALL) for _ in range(23)]))
    with EximInstance(place / "ex", "mx.b.test", ["b.test"], main=main) as exim:
        target = (
            BatchTarget(BatchTargetSettings((str(exim.rsmtp),), "mx.b.test")) if is_batch else smtp(exim.port)
        )
        assert deliver(queue, target).delivered_count == 23
        exim.wait_for_messages(23)
        assert "no immediate delivery" not in exim.log_text()
