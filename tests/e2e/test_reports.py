"""What becomes of mail that fails: its sender hears of it, at the other side of the gateway."""

from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import Path

import pytest

from gateway.deliver.deliverer import Deliverer, DeliverSettings
from gateway.deliver.retry import RetrySchedule
from gateway.deliver.target import Job, same_for_all
from gateway.durable import Disk
from gateway.msgqueue.entry import Outcome, Role, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.store import Queue
from tests.support.gateways import GatewayNode, mail, pair
from tests.support.messages import new_message
from tests.support.peers import require_root
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until
from tests.support.queue_clock import SetClock
from tests.support.reporting import DAY_SECONDS, new_reporter, recipients_of, reports_in
from tests.support.smtp_sink import SmtpSink

ALICE, BOB, CAROL = "alice@a.test", "bob@b.test", "carol@b.test"
NO_USER = "550 5.1.1 no such user here"


def refuse_bob(command: str) -> str | None:
    """Of everybody, Bob is not known."""
    return NO_USER if command.startswith(f"RCPT TO:<{BOB}>") else None


def make_pair(place: Path, port: int) -> tuple[GatewayNode, GatewayNode]:
    """Node a with a Maildir, node b in front of a mail server."""
    a = GatewayNode(place / "a", "a.test")
    b = GatewayNode(place / "b", "b.test", "--deliver", f"smtp:127.0.0.1:{port}")
    pair(a, b)
    return a, b


def carry(one: GatewayNode, other: GatewayNode, stick: Path) -> None:
    one.carry_to(other, stick)
    other.run("toss")
    other.run("deliver", is_checked=False)


def bounce_of(raw: bytes) -> EmailMessage:
    """A bounce as it lies in a Maildir, without what the delivery put in front."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["Return-Path"] == "<>"
    assert message["Auto-Submitted"] == "auto-replied"
    return message


def check_bounce(raw: bytes, body: bytes) -> None:
    """It is about Bob alone, says why, and brings the message back."""
    report = bounce_of(raw)
    parts = list(report.iter_parts())
    status = parts[1].get_payload()
    assert isinstance(status, list)
    groups = [dict(group.items()) for group in status if isinstance(group, Message)]
    assert groups[0]["Reporting-MTA"] == "dns;mail.b.test"
    assert [group["Final-Recipient"] for group in groups[1:]] == [f"rfc822;{BOB}"]
    assert (groups[1]["Action"], groups[1]["Status"][:2]) == ("failed", "5.")
    assert "no such user here" in parts[0].get_content()
    assert parts[2].get_content_type() == "message/rfc822"
    assert body in raw


def test_a_recipient_who_is_refused_at_the_far_side_comes_back_to_the_senders_maildir(place: Path) -> None:
    """The sink refuses Bob and takes Carol: Alice gets one bounce, about Bob, through the gateway."""
    body = mail(1, ALICE, BOB)
    with SmtpSink(refuse_bob) as sink:
        a, b = make_pair(place, sink.port)
        a.send(ALICE, [BOB, CAROL], body)
        carry(a, b, place / "there")
        assert [message.recipients for message in sink.messages] == [[CAROL]]
    assert b.run("report").out.startswith("0 expired, 1 bounces, 0 delay notices, 0 of success, 0 ")
    assert b.run("report").out.startswith("0 expired, 0 bounces")
    carry(b, a, place / "back")
    (raw,) = a.mails()
    check_bounce(raw, body)
    (failed,) = [
        recipient
        for message in b.queue("--inbox", "--all")
        for recipient in message["recipients"]
        if recipient["recipient"] == BOB
    ]
    assert failed["told"] == "reported"
    (report,) = b.queue("--outbox", "--all")
    assert failed["told_by"] == report["id"]
    assert report["recipients"][0]["nice"] == 64


def test_a_real_postfix_that_refuses_makes_a_bounce(place: Path) -> None:
    """What Postfix at the far side says of Bob stands in Alice's bounce."""
    require_root()
    access = "check_recipient_access inline:{{" + BOB + "=" + NO_USER + "}}, permit_mynetworks, reject"
    body = mail(1, ALICE, BOB)
    postfix = PostfixInstance(place / "postfix", "mx.b.test", ["b.test"])
    postfix.set(f"smtpd_recipient_restrictions = {access}")
    with postfix:
        a, b = make_pair(place, postfix.port)
        a.send(ALICE, [BOB, CAROL], body)
        carry(a, b, place / "there")
        postfix.wait_for_messages(1)
    b.run("report")
    carry(b, a, place / "back")
    (raw,) = a.mails()
    check_bounce(raw, body)


def test_a_bounce_that_nobody_takes_is_not_bounced(place: Path) -> None:
    """A sender who does not exist costs one report and no more; both sides keep a record."""
    with SmtpSink(refuse_bob) as sink:
        a, b = make_pair(place, sink.port)
        a.set_toml("deliver", "make_mailboxes = false\n")
        a.send("nobody@a.test", [BOB], mail(1, ALICE, BOB))
        carry(a, b, place / "there")
    b.run("report")
    carry(b, a, place / "back")
    assert "0 bounces, 0 delay notices, 0 of success, 1 recipients" in a.run("report").out
    (dead,) = a.queue("--inbox")
    assert (dead["sender"], dead["recipients"][0]["state"]) == ("", "dead")
    assert dead["recipients"][0]["told"] == "no sender to tell"
    assert f"nobody: {dead['recipients'][0]['told']}" in a.run("queue", "show", dead["id"]).out


def test_the_daemon_tells_a_sender_by_itself(place: Path) -> None:
    """Nobody has to ask: the bounce of a local mail is back at the mail server soon."""
    refuse = "RCPT TO:<bob@a.test>"
    with SmtpSink(lambda command: NO_USER if command.startswith(refuse) else None) as sink:
        node = GatewayNode(place / "a", "a.test", "--deliver", f"smtp:127.0.0.1:{sink.port}")
        with node.serving():
            node.submit(ALICE, ["bob@a.test"], mail(1, ALICE, "bob@a.test"))
            wait_until(lambda: sink.messages, 60, "the bounce at the mail server", explain=node.log_text)
        (bounce,) = sink.messages
    assert bounce.mail.startswith("MAIL FROM:<>")
    assert bounce.recipients == [ALICE]
    assert b"Final-Recipient: rfc822;bob@a.test" in bounce.data


class FullMailbox:
    """A target that never takes anything."""

    def deliver(self, jobs: Iterator[Job]) -> Iterator[Sequence[Outcome]]:
        """Ask for another try, whoever it is for."""
        for job in jobs:
            yield same_for_all(job.message, Outcome(Verdict.DEFERRED, "4.2.2", "mailbox full"))

    def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("jump_seconds", [0.0, -1e9, 1e9])
def test_mail_that_is_deferred_for_weeks_is_told_once_as_late_and_once_as_given_up(
    tmp_path: Path, jump_seconds: float
) -> None:
    """Each try is made when it is due; a wall clock that jumps changes nothing of it."""
    clock = SetClock()
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as queue:
        queue.put(new_message(node=None, sender="alice@here.test"), Role.INBOX).result()
        retry = RetrySchedule(max_age_seconds=28 * DAY_SECONDS, longest_wait_seconds=DAY_SECONDS)
        deliverer = Deliverer(queue, [FullMailbox()], DeliverSettings(retry))
        reporter, inbox = new_reporter(queue), Inbox(queue)
        told_at = []
        begun = clock.seconds
        while clock.seconds < begun + 40 * DAY_SECONDS:
            wait_seconds = inbox.next_try_seconds()
            assert wait_seconds is not None
            clock.go_on(max(0.0, wait_seconds))
            clock.wall_ahead_seconds = jump_seconds
            deliverer.run_once()
            result = reporter.run_once()
            age_days = (clock.seconds - begun) / DAY_SECONDS
            if result.delay_count or result.bounce_count:
                told_at.append((result.delay_count, result.bounce_count, round(age_days)))
        actions = [recipients_of(report)["bob@b.test"]["Action"] for _, report in reports_in(queue)]
    assert told_at[0][:2] == (1, 0)
    assert 2 <= told_at[0][2] <= 3
    assert told_at[1:] == [(0, 1, 28)]
    assert actions == ["delayed", "failed"]
