import pytest

from gateway.message.envelope import Notify, RecipientOptions
from gateway.msgqueue.reports import Event, Told
from gateway.report.rules import Case, content_type_of, why_untold

REPORT_TYPE = 'multipart/report; boundary="x"; Report-Type="delivery-status"'


def case(
    *,
    event: Event = Event.FAILED,
    sender: str = "alice@a.test",
    content_type: str = "text/plain",
    status: str = "5.1.1",
    notify: frozenset[Notify] = frozenset(),
) -> Case:
    return Case(event, sender, content_type, status, RecipientOptions(notify))


def test_a_sender_who_said_nothing_is_told_of_failure_and_delay_alone() -> None:
    told = {event: why_untold(case(event=event)) for event in Event}
    assert told == {Event.FAILED: None, Event.DELAYED: None, Event.SUCCEEDED: Told.UNWANTED}


@pytest.mark.parametrize(
    ("notify", "failed", "delayed"),
    [
        ({Notify.NEVER}, Told.UNWANTED, Told.UNWANTED),
        ({Notify.SUCCESS}, Told.UNWANTED, Told.UNWANTED),
        ({Notify.FAILURE}, None, Told.UNWANTED),
        ({Notify.DELAY}, Told.UNWANTED, None),
        ({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY}, None, None),
    ],
)
def test_what_the_sender_asked_for_counts(
    notify: set[Notify], failed: Told | None, delayed: Told | None
) -> None:
    assert why_untold(case(notify=frozenset(notify))) is failed
    assert why_untold(case(event=Event.DELAYED, notify=frozenset(notify))) is delayed
    wants_success = why_untold(case(event=Event.SUCCEEDED, notify=frozenset(notify))) is None
    assert wants_success == (Notify.SUCCESS in notify)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (case(sender=""), Told.NULL_SENDER),
        (case(sender="", notify=frozenset({Notify.FAILURE})), Told.NULL_SENDER),
        (case(sender="MAILER-DAEMON"), Told.IS_REPORT),
        (case(sender="Mailer-Daemon@a.test"), Told.IS_REPORT),
        (case(content_type=REPORT_TYPE), Told.IS_REPORT),
        (case(content_type="multipart/report; report-type=disposition-notification"), Told.IS_REPORT),
        (case(status="5.4.6"), None),
        (case(sender="", status="5.4.6"), Told.NULL_SENDER),
        (case(status="5.4.6", content_type=REPORT_TYPE), Told.IS_REPORT),
        (case(status="5.1.8"), Told.SENDER_REFUSED),
        (case(status="5.7.23"), Told.SENDER_REFUSED),
        (case(status="5.7.1"), None),
        (case(sender="not-mailer-daemon@a.test"), None),
        (case(content_type="multipart/report; report-type=feedback-report"), None),
    ],
)
def test_reports_and_senders_who_were_refused_are_answered_by_nobody(given: Case, told: Told | None) -> None:
    assert why_untold(given) is told


def test_the_content_type_is_read_over_its_lines_and_may_be_missing() -> None:
    folded = b"Subject: x\r\nContent-Type: multipart/report;\r\n\treport-type=delivery-status\r\n\r\nbody\r\n"
    assert why_untold(case(content_type=content_type_of(folded))) is Told.IS_REPORT
    assert content_type_of(b"Subject: x\r\n\r\nContent-Type: text/plain\r\n") == ""
