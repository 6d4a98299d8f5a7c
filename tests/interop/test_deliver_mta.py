"""Mail delivered to real mail servers, by SMTP and by their sendmail command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.deliverer import Deliverer, DeliverResult
from gateway.deliver.sendmail_command import SendmailTarget, SendmailTargetSettings
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace
from gateway.deliver.target import Target
from gateway.durable import Disk
from gateway.msgqueue.entry import State
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from tests.support.exim import EximInstance
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
