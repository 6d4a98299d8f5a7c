from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

import pytest

from gateway.message.dsn import (
    LINE_LIMIT_BYTES,
    Action,
    Letterhead,
    Original,
    RecipientReport,
    choose_returned,
    header_of,
    write_report,
)
from gateway.message.envelope import Return

HEAD = Letterhead("b.test", "0011.report@b.test", "0123456789abcdef", 1_000_000_000)
MESSAGE = b"From: alice@a.test\r\nSubject: hello\r\n\r\nbody\r\n"
ORIGINAL = Original(
    sender="alice@a.test",
    message_id="<1@a.test>",
    envid="QQ+2B1",
    queue_id="0123456789abcdef",
    arrival_seconds=999_999_000,
    origin="node a",
    returned=MESSAGE,
    is_whole=True,
)
BOB = RecipientReport(
    "bob@b.test",
    Action.FAILED,
    "5.1.1",
    "user unknown",
    orcpt="rfc822;Bob+2Bold@b.test",
    where="refused at b.test",
    last_attempt_seconds=999_999_500,
)


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def parts_of(raw: bytes) -> tuple[EmailMessage, list[dict[str, str]], EmailMessage | None]:
    """The text part, the groups of the status part, and the returned part."""
    parts = list(read(raw).iter_parts())
    assert isinstance(parts[0], EmailMessage)
    assert parts[1].get_content_type() == "message/delivery-status"
    groups = [dict(group.items()) for group in parts[1].get_payload() if isinstance(group, Message)]
    last = parts[2] if len(parts) > 2 else None
    assert last is None or isinstance(last, EmailMessage)
    return parts[0], groups, last


def test_a_failure_is_a_multipart_report_from_nobody_who_answers() -> None:
    message = read(write_report(HEAD, ORIGINAL, (BOB,)))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["From"].addresses[0].addr_spec == "MAILER-DAEMON@b.test"
    assert message["To"].addresses[0].addr_spec == "alice@a.test"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == "<0011.report@b.test>"
    assert message["References"] == "<1@a.test>"
    assert message["Date"].datetime.timestamp() == HEAD.date_seconds


def test_the_status_part_says_what_a_program_must_know() -> None:
    _, groups, _ = parts_of(
        write_report(HEAD, ORIGINAL, (BOB, replace(BOB, recipient="carol@b.test", orcpt=None)))
    )
    assert groups[0] == {
        "Original-Envelope-Id": "QQ+1",
        "Reporting-MTA": "dns;b.test",
        "Arrival-Date": "Sun, 09 Sep 2001 01:30:00 +0000",
    }
    assert groups[1] == {
        "Original-Recipient": "rfc822;Bob+old@b.test",
        "Final-Recipient": "rfc822;bob@b.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "x-nncp-gateway;5.1.1 user unknown",
        "Last-Attempt-Date": "Sun, 09 Sep 2001 01:38:20 +0000",
    }
    assert groups[2]["Final-Recipient"] == "rfc822;carol@b.test"
    assert "Original-Recipient" not in groups[2]


def test_the_text_says_what_why_where_and_when() -> None:
    text = parts_of(write_report(HEAD, ORIGINAL, (BOB,)))[0].get_content()
    for words in (
        "b.test",
        "could not be delivered",
        "<bob@b.test>",
        "5.1.1",
        "user unknown",
        "refused at b.test",
    ):
        assert words in text
    assert "09 Sep 2001" in text
    assert "node a" in text


def test_the_message_comes_back_byte_for_byte() -> None:
    last = parts_of(write_report(HEAD, ORIGINAL, (BOB,)))[2]
    assert last is not None
    assert last.get_content_type() == "message/rfc822"
    assert b"\r\n\r\n" + MESSAGE + b"\r\n--" in write_report(HEAD, ORIGINAL, (BOB,))
    inner = last.get_payload(0)
    assert isinstance(inner, Message)
    assert inner["Subject"] == "hello"


def test_the_header_alone_is_a_part_of_its_own_type() -> None:
    header = replace(ORIGINAL, returned=header_of(MESSAGE), is_whole=False)
    last = parts_of(write_report(HEAD, header, (BOB,)))[2]
    assert last is not None
    assert last.get_content_type() == "text/rfc822-headers"
    assert "Subject: hello" in last.get_content()
    assert "body" not in last.get_content()


def test_a_message_of_which_nothing_is_left_has_no_third_part() -> None:
    text, _, last = parts_of(write_report(HEAD, replace(ORIGINAL, returned=b""), (BOB,)))
    assert last is None
    assert "not here any more" in text.get_content()


def test_a_delay_says_until_when_it_is_tried() -> None:
    late = replace(BOB, action=Action.DELAYED, status="4.4.7", retry_until_seconds=1_000_100_000)
    raw = write_report(HEAD, ORIGINAL, (late,))
    _, groups, _ = parts_of(raw)
    assert groups[1]["Action"] == "delayed"
    assert groups[1]["Will-Retry-Until"] == "Mon, 10 Sep 2001 05:33:20 +0000"
    assert read(raw)["Subject"].startswith("Delayed")


@pytest.mark.parametrize("action", [Action.DELIVERED, Action.RELAYED])
def test_a_success_is_told_as_such(action: Action) -> None:
    done = replace(BOB, action=action, status="2.0.0", text="accepted")
    assert parts_of(write_report(HEAD, ORIGINAL, (done,)))[1][1]["Action"] == action


def test_what_is_not_ascii_is_reported_with_the_global_types() -> None:
    raw = write_report(
        HEAD, replace(ORIGINAL, sender="jürgen@a.test"), (replace(BOB, recipient="übel@b.test"),)
    )
    kinds = [part.get_content_type() for part in message_from_bytes(raw).walk() if not part.is_multipart()]
    assert b"Content-Type: message/global-delivery-status\r\n" in raw
    assert b"Content-Type: message/global\r\n" in raw
    assert "Final-Recipient: utf-8;übel@b.test\r\n".encode() in raw
    assert "To: <jürgen@a.test>\r\n".encode() in raw
    assert "text/plain" in kinds


def test_eight_bit_content_is_declared_in_its_part_and_outside() -> None:
    raw = write_report(HEAD, replace(ORIGINAL, returned=b"Subject: x\r\n\r\n\xe4\r\n"), (BOB,))
    assert read(raw)["Content-Transfer-Encoding"] == "8bit"
    assert [part["Content-Transfer-Encoding"] for part in read(raw).iter_parts()] == ["7bit", "7bit", "8bit"]
    assert read(write_report(HEAD, ORIGINAL, (BOB,)))["Content-Transfer-Encoding"] == "7bit"


def test_a_boundary_that_the_message_contains_is_not_taken() -> None:
    trap = b"Subject: x\r\n\r\n--0123456789abcdef.0--\r\n--0123456789abcdef.1\r\n"
    raw = write_report(HEAD, replace(ORIGINAL, returned=trap), (BOB,))
    assert read(raw).get_boundary() == "0123456789abcdef.2"
    assert len(list(read(raw).iter_parts())) == 3


@pytest.mark.parametrize(
    "message_id", ["", "no brackets", "<a b@c>", "<a@b>\r\nBcc: x@y", "<" + "x" * 300 + ">"]
)
def test_a_message_id_that_is_none_is_not_referred_to(message_id: str) -> None:
    message = read(write_report(HEAD, replace(ORIGINAL, message_id=message_id), (BOB,)))
    assert message["References"] is None
    assert message["Bcc"] is None


def test_a_recipient_that_never_was_one_and_a_status_that_is_none_make_a_valid_report() -> None:
    _, groups, _ = parts_of(write_report(HEAD, ORIGINAL, (replace(BOB, recipient="", status="", orcpt=";"),)))
    assert groups[1]["Final-Recipient"] == "rfc822;unknown"
    assert groups[1]["Status"] == "5.0.0"
    assert "Original-Recipient" not in groups[1]


@pytest.mark.parametrize(
    ("ret", "is_failure", "is_whole"),
    [
        (None, True, True),
        (Return.FULL, True, True),
        (Return.HEADERS, True, False),
        (None, False, False),
        (Return.FULL, False, False),
    ],
)
def test_what_comes_back_is_as_asked_and_never_the_whole_of_a_late_message(
    ret: Return | None, *, is_failure: bool, is_whole: bool
) -> None:
    expected = (MESSAGE, True) if is_whole else (b"From: alice@a.test\r\nSubject: hello\r\n", False)
    assert choose_returned(MESSAGE, ret, is_failure=is_failure) == expected


def test_a_message_with_a_line_that_no_mail_may_have_comes_back_as_its_header() -> None:
    data = b"Subject: x\r\n\r\n" + b"y" * (LINE_LIMIT_BYTES + 1) + b"\r\n"
    assert choose_returned(data, None, is_failure=True) == (b"Subject: x\r\n", False)
    assert header_of(b"A: b\r\nC: " + b"y" * LINE_LIMIT_BYTES + b"\r\nD: e\r\n\r\n") == b"A: b\r\n"
