"""Who is told of mail that a limit of size holds, and how often."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.message.envelope import Envelope, Notify, RecipientOptions
from gateway.msgqueue.entry import NewMessage, Role, State, Target
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.insertion import SizeLimits
from gateway.msgqueue.operations import Operations
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import Queue
from gateway.msgqueue.stream import put_all
from gateway.msgqueue.views import DeliveryView, list_messages, show_message
from gateway.report.held_notice import MAIL_LIMIT_COUNT
from gateway.report.reporter import ReportResult, ReportSettings
from tests.support.messages import NODE_A, NODE_B, new_message
from tests.support.queue_clock import SetClock
from tests.support.reporting import DAY_SECONDS, new_reporter, recipients_of, reports_in

LIMITS = SizeLimits(outgoing={NODE_B.text: 1000}, incoming={NODE_A.text: 1000})
LARGE = b"Subject: large\r\n\r\n" + b"x" * 98 + b"\r\n" + b"y" * 900 + b"\r\n"
TOLD_HERE = ReportSettings("mail.test", operator="root@here.test")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make, limits=LIMITS) as opened:
        yield opened


def put_large(queue: Queue, *recipients: str, sender: str = "alice@a.test") -> str:
    message = new_message(sender=sender, recipients=recipients or ("bob@b.test",), body=LARGE)
    queue.put(message).result()
    return message.id


def shown(queue: Queue, message_id: str) -> tuple[DeliveryView, ...]:
    view = show_message(queue, message_id)
    assert view is not None
    return view.deliveries


def operator_mails(queue: Queue) -> list[EmailMessage]:
    found = []
    for view in list_messages(queue, states=tuple(State)):
        if view.message_id.endswith(".held@mail.test>"):
            raw = b"".join(queue.read_body(view.seq))
            assert view.sender == ""
            message = message_from_bytes(raw, policy=policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
    return found


def test_the_sender_is_told_once_that_a_person_decides(queue: Queue, clock: SetClock) -> None:
    message_id = put_large(queue, "bob@b.test", "carol@b.test")
    reporter = new_reporter(queue)
    assert reporter.run_once(is_late_looked_for=False) == ReportResult(delay_count=1)
    ((view, report),) = reports_in(queue)
    assert view.deliveries[0].recipient == "alice@a.test"
    told = recipients_of(report)
    assert set(told) == {"bob@b.test", "carol@b.test"}
    assert (told["bob@b.test"]["Action"], told["bob@b.test"]["Status"]) == ("delayed", "4.3.4")
    assert "too large for this link" in told["bob@b.test"]["Diagnostic-Code"]
    assert "Last-Attempt-Date" not in told["bob@b.test"]
    assert "Will-Retry-Until" in told["bob@b.test"]
    assert report["Subject"] == "Held mail (a person decides)"
    human, _, returned = report.iter_parts()
    assert "until the operator of this gateway lets it go" in " ".join(human.get_content().split())
    assert "tried" not in human.get_content()
    assert returned.get_content_type() == "text/rfc822-headers"
    clock.go_on(5 * DAY_SECONDS)
    assert reporter.run_once().delay_count == 0
    assert {each.delay_told_by for each in shown(queue, message_id)} == {view.id}


def test_who_did_not_want_to_hear_of_delays_is_not_told(queue: Queue) -> None:
    wish = {"bob@b.test": RecipientOptions(frozenset({Notify.FAILURE}))}
    envelope = Envelope("alice@a.test", ("bob@b.test",), recipient_options=wish)
    targets = (Target("bob@b.test", NODE_B, 96),)
    queue.put(NewMessage("id", envelope, targets, LARGE, "", "here")).result()
    assert new_reporter(queue).run_once(is_late_looked_for=False).untold_count == 1
    assert reports_in(queue) == []


def test_what_a_person_holds_is_told_only_when_it_is_late_and_apart_from_what_waits(
    queue: Queue, clock: SetClock
) -> None:
    queue.put(new_message(recipients=("bob@b.test", "carol@b.test"))).result()
    Operations(queue).hold(Selection(recipients=("bob@*",)), "ask Ann first")
    reporter = new_reporter(queue, TOLD_HERE)
    assert reporter.run_once() == ReportResult()
    clock.go_on(3 * DAY_SECONDS)
    assert reporter.run_once() == ReportResult(delay_count=2)
    subjects = {tuple(recipients_of(report)): report["Subject"] for _, report in reports_in(queue)}
    assert subjects == {
        ("carol@b.test",): "Delayed mail (it is still being tried)",
        ("bob@b.test",): "Held mail (a person decides)",
    }
    (held,) = [report for _, report in reports_in(queue) if "bob@b.test" in recipients_of(report)]
    assert "ask Ann first" in recipients_of(held)["bob@b.test"]["Diagnostic-Code"]


def test_the_operator_is_told_once_of_all_that_is_held(queue: Queue) -> None:
    first = put_large(queue, "bob@b.test", "carol@b.test")
    came = new_message(node=None, nice=0, recipients=("dave@here.test",), body=LARGE)
    Inbox(queue).put_batch(NODE_A, [came], batch=None, packet=None)
    reporter = new_reporter(queue, TOLD_HERE)
    assert reporter.run_once(is_late_looked_for=False).operator_count == 0
    assert reporter.run_once().operator_count == 3
    (mail,) = operator_mails(queue)
    assert mail["To"] == "root@here.test"
    assert mail["Subject"] == "2 messages are held at mail.test: too large for the link"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    for part in (
        f"{first}  to node b",
        f"{came.id}  from node a",
        "from <alice@a.test>",
        "to   <carol@b.test>",
    ):
        assert part in text
    assert f"nncp-gateway queue release {first} {came.id}" in text
    assert [each.operator_told for each in shown(queue, first)] == ["reported", "reported"]
    assert reporter.run_once().operator_count == 0


def test_of_a_flood_the_operator_gets_few_mails(queue: Queue) -> None:
    many = [new_message(sender="", body=LARGE) for _ in range(MAIL_LIMIT_COUNT + 1)]
    put_all(queue, ((message, Role.OUTBOX) for message in many)).result()
    assert new_reporter(queue, TOLD_HERE).run_once().operator_count == MAIL_LIMIT_COUNT + 1
    assert len(operator_mails(queue)) == 2


@pytest.mark.parametrize(
    ("operator", "told"),
    [("root@nowhere.test", "no route to the operator"), ("", "no operator is named")],
)
def test_an_operator_who_cannot_be_reached_has_the_mail_log(
    queue: Queue, caplog: pytest.LogCaptureFixture, operator: str, told: str
) -> None:
    caplog.set_level("INFO", "gateway.mail")
    message_id = put_large(queue)
    new_reporter(queue, ReportSettings("mail.test", operator=operator)).run_once()
    assert operator_mails(queue) == []
    assert f"event=held id={message_id}" in caplog.text
    assert shown(queue, message_id)[0].operator_told == told


def test_no_mail_of_ours_about_held_mail_is_held_itself(queue: Queue) -> None:
    settings = ReportSettings("mail.test", operator="root@b.test")
    for _ in range(20):
        put_large(queue, sender="bob@b.test")
    reporter = new_reporter(queue, settings)
    reporter.run_once()
    ours = [view for view in list_messages(queue, Role.OUTBOX) if view.sender == ""]
    assert len(ours) == 21
    assert max(view.size_bytes for view in ours) > 1000
    assert {each.state for view in ours for each in view.deliveries} == {State.QUEUED}
    assert reporter.run_once() == ReportResult()


def test_a_bounce_brings_no_more_back_than_the_link_allows(queue: Queue) -> None:
    put_large(queue, sender="bob@b.test")
    put_large(queue)
    Operations(queue).expire(Selection())
    new_reporter(queue).run_once()
    kinds = {
        view.deliveries[0].recipient: list(report.iter_parts())[2].get_content_type()
        for view, report in reports_in(queue)
    }
    assert kinds == {"bob@b.test": "text/rfc822-headers", "alice@a.test": "message/rfc822"}


def test_what_nobody_lets_go_expires_in_both_roles_when_its_time_is_over(
    queue: Queue, clock: SetClock
) -> None:
    out = put_large(queue)
    came = new_message(node=None, nice=0, body=LARGE)
    Inbox(queue).put_batch(NODE_A, [came], batch=None, packet=None)
    settings = ReportSettings(
        "mail.test", expire_seconds=20 * DAY_SECONDS, inbox_expire_seconds=10 * DAY_SECONDS
    )
    reporter = new_reporter(queue, settings)
    reporter.run_once()
    clock.go_on(10 * DAY_SECONDS)
    result = reporter.run_once()
    assert (result.expired_count, result.bounce_count) == (1, 1)
    assert [each.state for each in shown(queue, came.id)] == [State.DEAD]
    clock.wall_ahead_seconds = 1e9
    assert reporter.run_once().expired_count == 0
    clock.go_on(10 * DAY_SECONDS)
    assert reporter.run_once().bounce_count == 1
    (dead,) = shown(queue, out)
    assert (dead.state, dead.status) == (State.DEAD, "5.4.7")
    assert dead.text == "it was held here for too long; nobody let it go"
    assert dead.held_by == ""
