import email
import email.policy
from email.utils import parsedate_to_datetime

import pytest

from gateway.message.header import (
    header_section_end,
    header_value,
    hop_count,
    node_hop_count,
    received_line,
    rfc5322_date,
)


def received(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "from_helo": "mx.example.org",
        "from_ip": "192.0.2.1",
        "by": "gw.a.test",
        "protocol": "ESMTP",
        "queue_id": "q1",
        "for_recipient": "bob@b.test",
        "unix_seconds": 946684800.9,
    }
    return received_line(**(fields | changes))  # type: ignore[arg-type]


def test_field_has_all_clauses_folded() -> None:
    assert received() == (
        b"Received: from mx.example.org ([192.0.2.1])\r\n"
        b"\tby gw.a.test with ESMTP id q1\r\n"
        b"\tfor <bob@b.test>;\r\n"
        b"\tSat, 01 Jan 2000 00:00:00 +0000\r\n"
    )


def test_our_node_is_named_and_counted_again() -> None:
    field = received(node="ABCD2345")
    assert b"\r\n\tby gw.a.test with ESMTP id q1\r\n\t(NNCP node ABCD2345)\r\n\tfor <bob@b.test>;" in field
    header = field * 3 + received(node="OTHER") + received() + field.replace(b"\r\n\t", b" ").lower()
    assert hop_count(header) == 6
    assert node_hop_count(header, "ABCD2345") == 4
    assert node_hop_count(b"Subject: (NNCP node ABCD2345)\r\nX-" + field, "ABCD2345") == 0
    assert node_hop_count(header, "") == 0


def test_a_header_made_to_be_slow_is_counted_in_time() -> None:
    assert node_hop_count(b"Received: (NNCP node \r\n\t" * 5000, "ABCD2345") == 0
    assert node_hop_count(b"Received: " + b"x" * 130_000, "ABCD2345") == 0
    assert node_hop_count(b"Received:\r\n" * 13_000, "ABCD2345") == 0


def test_message_of_a_local_program_has_no_from_clause() -> None:
    field = received(from_helo="", from_ip="", for_recipient=None)
    assert field == b"Received: by gw.a.test with ESMTP id q1;\r\n\tSat, 01 Jan 2000 00:00:00 +0000\r\n"


@pytest.mark.parametrize(
    ("ip", "literal"),
    [
        ("2001:db8::1", b"[IPv6:2001:db8::1]"),
        ("::ffff:192.0.2.7", b"[192.0.2.7]"),
        ("fe80::1%eth0", b"[IPv6:fe80::1]"),
    ],
)
def test_address_of_the_client_is_a_literal(ip: str, literal: bytes) -> None:
    assert b"from mx.example.org (" + literal + b")\r\n" in received(from_ip=ip)


def test_address_that_is_none_is_left_out() -> None:
    assert received(from_ip="unix socket").startswith(b"Received: from mx.example.org\r\n\tby ")


@pytest.mark.parametrize(
    "greeting",
    ["x\r\nBcc: victim@b.test", "(", ")", 'a"b', "a;b", "<x>", "\0", "é", " ", "x" * 5000, "a\n b", "\\"],
)
def test_greeting_can_not_break_out_of_the_field(greeting: str) -> None:
    raw = received(from_helo=greeting)
    assert raw.startswith(b"Received: from [192.0.2.1] ([192.0.2.1]) (HELO ")
    assert all(len(line) < 200 for line in raw.split(b"\r\n"))
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r") == 4
    message = email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)
    assert message.keys() == ["Received"]
    assert raw.isascii()


def test_greeting_without_an_address_is_a_comment_too() -> None:
    assert received(from_helo="a b", from_ip="").startswith(b"Received: from unknown (HELO a?b)\r\n")


def test_recipient_in_utf8_is_named_only_where_headers_may_hold_utf8() -> None:
    assert b"for " not in received(for_recipient="é@b.test")
    assert "for <é@b.test>;".encode() in received(for_recipient="é@b.test", protocol="UTF8SMTP")


@pytest.mark.parametrize(
    ("unix_seconds", "utc_offset_seconds", "text"),
    [
        (0.0, 0, "Thu, 01 Jan 1970 00:00:00 +0000"),
        (951782400.0, 3600, "Tue, 29 Feb 2000 01:00:00 +0100"),
        (946684800.0, -12600, "Fri, 31 Dec 1999 20:30:00 -0330"),
        (4102444799.5, 20700, "Fri, 01 Jan 2100 05:44:59 +0545"),
    ],
)
def test_date_is_as_header_fields_have_it(unix_seconds: float, utc_offset_seconds: int, text: str) -> None:
    assert rfc5322_date(unix_seconds, utc_offset_seconds) == text
    assert parsedate_to_datetime(text).timestamp() == int(unix_seconds)


@pytest.mark.parametrize("hops", [0, 1, 31, 51])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_hops_are_counted(hops: int, eol: bytes) -> None:
    header = (b"received: from x by y;" + eol + b"\tReceived: not a field" + eol) * hops
    header += b"X-Received: by z" + eol + b"Subject: Received: from" + eol
    assert hop_count(header) == hops


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"\r\nbody", 0),
        (b"\nbody", 0),
        (b"A: b\r\n\r\nbody\r\n\r\n", 6),
        (b"A: b\n\nbody\r\n\r\n", 5),
        (b"A: b\r\nC: d", 10),
        (b"A: b\r\n", 6),
        (b"A: b\r\n\r\n\n\n", 6),
    ],
)
def test_header_section_ends_before_the_empty_line(data: bytes, end: int) -> None:
    assert header_section_end(data) == end


def test_value_is_unfolded_and_found_in_any_case() -> None:
    data = b"Subject: s\r\nMessage-ID:\r\n <x@y>\r\nMESSAGE-ID: <second@y>\r\n\r\nTo: nobody\r\n"
    assert header_value(data, "message-id") == "<x@y>"
    assert header_value(data, "Subject") == "s"
    assert header_value(data, "To") is None
    assert header_value(data, "D") is None


def test_value_is_made_fit_for_a_log_line() -> None:
    data = b"Message-ID: <a\x1b[2J\rstatus=sent\xff>" + b"z" * 5000 + b"\r\n\r\n"
    value = header_value(data, "Message-ID")
    assert value == "<a?[2J"
    assert header_value(b"A: \x1b\xc2\x85\xe2\x80\xae\xff\xc3\xa9", "A") == "???\ufffdé"
    assert header_value(b"A: " + b"z" * 5000, "A", limit_chars=10) == "z" * 10
