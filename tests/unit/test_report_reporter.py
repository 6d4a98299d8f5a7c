from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreBusy, StoreFull
from gateway.ids import NodeId
from gateway.message.envelope import (
    DeliverBy,
    Envelope,
    LateAction,
    MailOptions,
    Notify,
    RecipientOptions,
    Return,
)
from gateway.msgqueue.entry import Form, NewMessage, Outcome, Role, State, Success, Target, Verdict
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.reports import Event, Reports
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import show_message
from gateway.report.reporter import LOCK, ReportResult, ReportSettings
from tests.support.messages import NODE_A, NODE_B, new_message
from tests.support.queue_clock import SetClock
from tests.support.reporting import DAY_SECONDS, new_reporter, recipients_of, reports_in

NO_USER = Outcome(Verdict.REFUSED, "5.1.1", "user unknown")
LATER = Outcome(Verdict.DEFERRED, "4.2.2", "mailbox full")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as opened:
        yield opened


def put_dead(
    queue: Queue,
    *recipients: str,
    sender: str = "alice@a.test",
    outcome: Outcome = NO_USER,
    body: bytes = b"Subject: hello\r\n\r\nbody\r\n",
    options: MailOptions | None = None,
    recipient_options: dict[str, RecipientOptions] | None = None,
) -> str:
    """A message in the inbox whose recipients were refused; returns its id."""
    targets = tuple(Target(each, refusal=outcome) for each in recipients or ("bob@b.test",))
    envelope = Envelope(
        sender,
        tuple(target.recipient for target in targets),
        options=options or MailOptions(),
        recipient_options=recipient_options or {},
    )
    message = NewMessage(Queue.new_id(), envelope, targets, body, "<1@a.test>", "a")
    Inbox(queue).put_batch(NODE_A, [message], batch=None, packet=None)
    return message.id


def told_of(queue: Queue, message_id: str) -> list[str]:
    view = show_message(queue, message_id)
    assert view is not None
    return [delivery.told for delivery in view.deliveries]


def test_a_refused_message_becomes_a_bounce_back_to_its_senders_node(queue: Queue) -> None:
    message_id = put_dead(queue)
    assert new_reporter(queue).run_once() == ReportResult(bounce_count=1)
    ((view, report),) = reports_in(queue, Role.OUTBOX)
    assert [(each.recipient, each.node, each.nice) for each in view.deliveries] == [
        ("alice@a.test", NODE_A.text, 64)
    ]
    assert recipients_of(report)["bob@b.test"]["Status"] == "5.1.1"
    assert list(report.iter_parts())[2].get_content_type() == "message/rfc822"
    dead = show_message(queue, message_id)
    assert dead is not None
    assert [(each.told, each.told_by) for each in dead.deliveries] == [("reported", view.id)]


def test_what_was_told_is_not_told_again(queue: Queue) -> None:
    put_dead(queue)
    reporter = new_reporter(queue)
    reporter.run_once()
    assert reporter.run_once() == ReportResult()
    assert len(reports_in(queue)) == 1


def test_all_failed_recipients_of_a_message_are_in_one_report_and_those_who_were_not_meant_are_not(
    queue: Queue,
) -> None:
    message_id = put_dead(
        queue,
        "bob@b.test",
        "carol@b.test",
        "dave@b.test",
        recipient_options={"carol@b.test": RecipientOptions(frozenset({Notify.NEVER}))},
    )
    assert new_reporter(queue).run_once() == ReportResult(bounce_count=1, untold_count=1)
    ((_, report),) = reports_in(queue)
    assert set(recipients_of(report)) == {"bob@b.test", "dave@b.test"}
    assert told_of(queue, message_id) == ["reported", "the sender did not want to know", "reported"]


def test_a_sender_who_is_here_gets_the_report_here(queue: Queue) -> None:
    put_dead(queue, sender="alice@here.test")
    new_reporter(queue).run_once()
    ((view, _),) = reports_in(queue, Role.INBOX)
    assert [(each.recipient, each.node, each.state) for each in view.deliveries] == [
        ("alice@here.test", "", State.QUEUED)
    ]


def test_a_report_does_not_wait_longer_than_mail_for_the_same_node(queue: Queue) -> None:
    put_dead(queue, sender="alice@b.test")
    new_reporter(queue).run_once()
    ((view, _),) = reports_in(queue)
    assert view.deliveries[0].nice == 40


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        ("", "no sender to tell"),
        ("alice@refused.test", "no route back to the sender"),
        ("alice@elsewhere.test", "no route back to the sender"),
        ("alice@gone.test", "no route back to the sender"),
        ("postmaster", "no route back to the sender"),
        ("mailer-daemon@a.test", "it is a report itself"),
    ],
)
def test_where_nobody_is_told_the_reason_stands_beside_the_dead_letter(
    queue: Queue, sender: str, told: str
) -> None:
    message_id = put_dead(queue, sender=sender)
    assert new_reporter(queue).run_once() == ReportResult(untold_count=1)
    assert reports_in(queue) == []
    assert told_of(queue, message_id) == [told]


def test_a_report_that_can_not_be_delivered_causes_no_other(queue: Queue) -> None:
    put_dead(queue, sender="alice@here.test")
    reporter = new_reporter(queue)
    reporter.run_once()
    (report,) = Inbox(queue).due(10)
    Inbox(queue).record([(report.delivery_seqs[0], NO_USER, 0.0)])
    assert reporter.run_once() == ReportResult(untold_count=1)
    assert told_of(queue, report.id) == ["no sender to tell"]


def test_what_the_sender_asked_to_see_in_the_report_is_there(queue: Queue) -> None:
    put_dead(
        queue,
        options=MailOptions(envid="QQ+2B1", ret=Return.HEADERS),
        recipient_options={"bob@b.test": RecipientOptions(orcpt="rfc822;old+2Bbob@b.test")},
    )
    new_reporter(queue).run_once()
    ((_, report),) = reports_in(queue)
    assert recipients_of(report)["bob@b.test"]["Original-Recipient"] == "rfc822;old+bob@b.test"
    assert b"Original-Envelope-Id: QQ+1" in report.as_bytes()
    assert list(report.iter_parts())[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("size_bytes", [70_000, INLINE_BODY_BYTES + 1])
def test_a_large_message_comes_back_as_its_header(queue: Queue, size_bytes: int) -> None:
    put_dead(queue, body=b"Subject: large\r\n\r\n" + b"x\r\n" * (size_bytes // 3))
    new_reporter(queue).run_once()
    ((view, report),) = reports_in(queue)
    assert list(report.iter_parts())[2].get_content().splitlines() == ["Subject: large"]
    assert view.size_bytes < 4000


def test_a_record_without_content_is_reported_without_it(queue: Queue) -> None:
    put_dead(queue, "", body=b"", outcome=Outcome(Verdict.REFUSED, "5.3.4", "too large"))
    new_reporter(queue).run_once()
    ((_, report),) = reports_in(queue)
    assert len(list(report.iter_parts())) == 2
    assert recipients_of(report)["unknown"]["Status"] == "5.3.4"


def test_mail_that_waits_for_a_carrier_is_told_once_when_the_time_has_come(
    queue: Queue, clock: SetClock
) -> None:
    queue.put(new_message(sender="alice@here.test", node=NODE_B)).result()
    reporter = new_reporter(queue)
    clock.go_on(2 * DAY_SECONDS - 1)
    assert reporter.run_once() == ReportResult()
    clock.go_on(1)
    assert reporter.run_once() == ReportResult(delay_count=1)
    clock.go_on(DAY_SECONDS)
    assert reporter.run_once() == ReportResult()
    ((_, report),) = reports_in(queue, Role.INBOX)
    fields = recipients_of(report)["bob@b.test"]
    assert (fields["Action"], fields["Status"]) == ("delayed", "4.4.7")
    assert fields["Will-Retry-Until"] == "Thu, 29 Jan 1970 00:16:40 +0000"
    assert list(report.iter_parts())[2].get_content_type() == "text/rfc822-headers"
    assert "on the way to node b" in next(report.iter_parts()).get_content()


def test_a_deferred_delivery_is_told_with_its_last_answer(queue: Queue, clock: SetClock) -> None:
    queue.put(new_message(node=None), Role.INBOX).result()
    (message,) = Inbox(queue).due(10)
    Inbox(queue).record([(message.delivery_seqs[0], LATER, 60.0)])
    clock.go_on(2 * DAY_SECONDS)
    new_reporter(queue).run_once()
    ((_, report),) = reports_in(queue, Role.OUTBOX)
    assert recipients_of(report)["bob@b.test"]["Status"] == "4.2.2"


def test_no_delay_is_told_where_that_is_turned_off(queue: Queue, clock: SetClock) -> None:
    queue.put(new_message()).result()
    clock.go_on(20 * DAY_SECONDS)
    settings = ReportSettings("mail.test", delay_notice_seconds=0)
    assert new_reporter(queue, settings).run_once() == ReportResult()


def test_what_waited_for_too_long_is_given_up_and_bounced(queue: Queue, clock: SetClock) -> None:
    message = new_message()
    queue.put(message).result()
    clock.go_on(28 * DAY_SECONDS)
    assert new_reporter(queue).run_once() == ReportResult(expired_count=1, bounce_count=1)
    ((_, report),) = reports_in(queue)
    assert recipients_of(report)["bob@b.test"]["Status"] == "5.4.7"
    assert told_of(queue, message.id) == ["reported"]


def test_what_a_batch_holds_is_not_given_up(queue: Queue, clock: SetClock) -> None:
    queue.put(new_message()).result()
    (figures,) = Outbox(queue).lanes()
    batch = Outbox(queue).claim(figures.lane, Form.GATEWAY, max_count=9, max_bytes=999, first_hop=NODE_B)
    assert batch is not None
    clock.go_on(28 * DAY_SECONDS)
    assert new_reporter(queue).run_once() == ReportResult()
    assert len(Outbox(queue).messages_of(batch.id)) == 1


@pytest.mark.parametrize(
    ("action", "result"),
    [
        (LateAction.RETURN, ReportResult(expired_count=1, bounce_count=1)),
        (LateAction.NOTIFY, ReportResult(delay_count=1)),
    ],
)
def test_a_time_that_the_sender_set_is_kept(
    queue: Queue, clock: SetClock, action: LateAction, result: ReportResult
) -> None:
    envelope = Envelope(
        "alice@a.test", ("bob@b.test",), options=MailOptions(deliver_by=DeliverBy(3600, action))
    )
    body = b"Subject: hurry\r\n\r\n"
    targets = (Target("bob@b.test", NODE_B, 96),)
    queue.put(NewMessage(Queue.new_id(), envelope, targets, body, "", "me")).result()
    reporter = new_reporter(queue)
    assert reporter.run_once() == ReportResult()
    clock.go_on(3600)
    assert reporter.run_once(is_late_looked_for=False) == ReportResult()
    assert reporter.run_once() == result


def test_what_was_sent_again_meanwhile_is_not_bounced(queue: Queue) -> None:
    put_dead(queue, sender="alice@here.test")
    reports = Reports(queue)
    (troubled,) = reports.failed(10)
    new_reporter(queue).run_once()
    late = new_message(sender="", recipients=("alice@here.test",), node=None)
    assert not reports.report(Event.FAILED, troubled.troubles, late, Role.INBOX)
    assert show_message(queue, late.id) is None


def test_a_disk_that_is_nearly_full_puts_reports_off(tmp_path: Path) -> None:
    with Queue(tmp_path / "q", Disk(is_syncing=False)) as queue:
        put_dead(queue)
    with Queue(tmp_path / "q", Disk(is_syncing=False), reserve_bytes=1 << 60) as queue:
        with pytest.raises(StoreFull):
            new_reporter(queue).run_once()
        assert len(Reports(queue).failed(10)) == 1


def test_one_process_at_a_time_reports(queue: Queue) -> None:
    with queue.lock(LOCK), pytest.raises(StoreBusy):
        new_reporter(queue).run_once()


def test_every_page_of_dead_letters_is_told(queue: Queue) -> None:
    for _ in range(101):
        put_dead(queue, "x@b.test", "y@b.test")
    assert new_reporter(queue).run_once() == ReportResult(bounce_count=101)


WANTING = {"bob@b.test": RecipientOptions(frozenset({Notify.SUCCESS}), "rfc822;bob@old.test")}


def put_wanting(queue: Queue, node: NodeId | None) -> NewMessage:
    """A message to Bob, whose sender wants to hear of success, and to Carol, of whom nothing was said."""
    targets = (Target("bob@b.test", node, 96), Target("carol@b.test", node, 96))
    recipients = tuple(target.recipient for target in targets)
    envelope = Envelope("alice@a.test", recipients, recipient_options=WANTING)
    message = NewMessage(Queue.new_id(), envelope, targets, b"Subject: x\r\n\r\n", "<1@a.test>", "me")
    queue.put(message, Role.INBOX if node is None else Role.OUTBOX).result()
    return message


@pytest.mark.parametrize("success", Success)
def test_a_sender_who_wants_to_know_hears_of_success_unless_the_next_system_tells(
    queue: Queue, success: Success
) -> None:
    put_wanting(queue, None)
    (message,) = Inbox(queue).due(10)
    outcome = Outcome(Verdict.DELIVERED, "2.0.0", "taken", success)
    Inbox(queue).record([(seq, outcome, 0.0) for seq in message.delivery_seqs])
    reporter = new_reporter(queue)
    result = reporter.run_once(is_late_looked_for=False)
    assert reporter.run_once() == ReportResult()
    if success is Success.PASSED_ON:
        assert result == ReportResult()
        return
    assert result == ReportResult(success_count=1)
    ((_, report),) = reports_in(queue, Role.OUTBOX)
    (fields,) = recipients_of(report).values()
    assert (fields["Final-Recipient"], fields["Action"]) == ("rfc822;bob@b.test", str(success))
    assert fields["Original-Recipient"] == "rfc822;bob@old.test"
    assert len(list(report.iter_parts())) == 2


@pytest.mark.parametrize(("form", "count"), [(Form.GATEWAY, 0), (Form.BSMTP, 1), (Form.SENDMAIL, 1)])
def test_who_wants_to_know_is_told_when_mail_leaves_for_a_node_that_does_not_hear_it(
    queue: Queue, form: Form, count: int
) -> None:
    put_wanting(queue, NODE_B)
    (figures,) = Outbox(queue).lanes()
    batch = Outbox(queue).claim(figures.lane, form, max_count=9, max_bytes=999, first_hop=NODE_B)
    assert batch is not None
    Outbox(queue).finish(batch.id)
    assert new_reporter(queue).run_once() == ReportResult(success_count=count)
    actions = [recipients_of(report)["bob@b.test"]["Action"] for _, report in reports_in(queue)]
    assert actions == ["relayed"] * count


def test_what_failed_for_one_who_wants_to_know_of_success_is_no_success(queue: Queue) -> None:
    message = put_wanting(queue, None)
    (due,) = Inbox(queue).due(10)
    Inbox(queue).record([(seq, NO_USER, 0.0) for seq in due.delivery_seqs])
    assert new_reporter(queue).run_once() == ReportResult(bounce_count=1, untold_count=1)
    assert told_of(queue, message.id) == ["the sender did not want to know", "reported"]
