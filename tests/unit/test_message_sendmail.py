import pytest

from gateway.errors import BadAddress, BadBatch, MessageError
from gateway.message.sendmail import (
    EXEC_PATH_LIMIT_BYTES,
    split_recipients,
    split_return_path,
    write_sendmail_body,
)
from gateway.packet.plain import encode_exec_path


def test_body_is_return_path_and_message_in_lf() -> None:
    body = b"".join(write_sendmail_body("a@b.test", [b"Subject: x\r", b"\n\r\n.\r\nend"]))
    assert body == b"Return-Path: <a@b.test>\nSubject: x\n\n.\nend\n"


def test_null_sender_and_empty_message() -> None:
    assert b"".join(write_sendmail_body("", [])) == b"Return-Path: <>\n"


def test_body_is_not_written_for_what_would_not_come_back() -> None:
    with pytest.raises(BadAddress):
        b"".join(write_sendmail_body("a@b>\nX: y", [b""]))
    with pytest.raises(MessageError, match="bare LF at offset 1"):
        b"".join(write_sendmail_body("", [b"a\nb"]))


@pytest.mark.parametrize(
    ("first", "sender", "rest"),
    [
        (b"Return-Path: <a@b.test>\nSubject: x\n", "a@b.test", b"Subject: x\n"),
        (b"return-path:<a@b.test> \r\nx", "a@b.test", b"x"),
        (b"Return-Path: <>\n", "", b""),
        (b"Return-Path: <MAILER-DAEMON>\n\n", "", b"\n"),
        (b'Return-Path: <"a > b"@b.test>\n', '"a > b"@b.test', b""),
        ("Return-Path: <é@b.test>\n".encode(), "é@b.test", b""),
        (b"Return-Path: <-f@b.test>\nReturn-Path: <x@y>\n", "-f@b.test", b"Return-Path: <x@y>\n"),
    ],
)
def test_sender_is_taken_from_the_first_line(first: bytes, sender: str, rest: bytes) -> None:
    assert split_return_path(first) == (sender, rest)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\nReturn-Path: <a@b>\n",
        b"Subject: x\nReturn-Path: <a@b>\n",
        b"From a@b Thu Jan  1 00:00:00 1970\nReturn-Path: <a@b>\n",
        b"Return-Path: <a@b>",
        b"Return-Path: a@b\n",
        b"Return-Path: <a@b> x\n",
        b"Return-Path: <" + b"a" * 2000 + b">\n",
        b"Return-Path: <a\0b>\n",
        b"Return-Path: <a\rb>\n",
    ],
)
def test_missing_return_path_is_named(first: bytes) -> None:
    with pytest.raises(BadBatch, match="not with Return-Path: <sender>"):
        split_return_path(first)


@pytest.mark.parametrize("raw", [b"root", b"a b@c", b"a@b@c", b"\xff@b", b"MAILER-DAEMON@"])
def test_return_path_without_an_address_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAddress, match="Return-Path") as caught:
        split_return_path(b"Return-Path: <" + raw + b">\n")
    assert caught.value.status == "5.1.7"


def test_recipients_are_shared_out_in_their_order() -> None:
    recipients = [f"user{number:03}@example.org" for number in range(120)]
    groups = split_recipients(b"sendmail", recipients)
    assert [address for group in groups for address in group] == recipients
    for group in groups:
        path = encode_exec_path(b"sendmail", [address.encode() for address in group])
        assert len(path) <= EXEC_PATH_LIMIT_BYTES
    # 8 bytes of handle, 20 for each recipient: 12 fit.
    assert [len(group) for group in groups] == [12] * 10


def test_recipients_that_fill_a_packet_to_the_last_byte_go_in_one() -> None:
    recipients = ["a" * 100 + "@b.test", "b" * 100 + "@b.test"]
    used_bytes = len("sendmail") + sum(1 + len(recipient) for recipient in recipients)
    assert split_recipients(b"sendmail", recipients, limit_bytes=used_bytes) == [tuple(recipients)]
    assert split_recipients(b"sendmail", recipients, limit_bytes=used_bytes - 1) == [
        (recipients[0],),
        (recipients[1],),
    ]


def test_recipient_that_fits_nowhere_is_refused() -> None:
    longest = "a" * (EXEC_PATH_LIMIT_BYTES - len("sendmail") - 1 - len("@b.test")) + "@b.test"
    assert split_recipients(b"sendmail", ["x@y", longest, "postmaster"]) == [
        ("x@y",),
        (longest,),
        ("postmaster",),
    ]
    with pytest.raises(BadAddress, match="leaves 246 of 255 bytes"):
        split_recipients(b"sendmail", ["x@y", "a" + longest])


def test_recipients_in_utf8_are_counted_in_bytes() -> None:
    recipients = ["é@b.test"] * 3
    groups = split_recipients(b"s", recipients, limit_bytes=1 + 2 * (1 + 9))
    assert [len(group) for group in groups] == [2, 1]


def test_recipient_that_is_no_address_is_refused() -> None:
    with pytest.raises(BadAddress):
        split_recipients(b"sendmail", ["a@b", "a\0b@c"])


def test_no_recipients_need_no_packet() -> None:
    assert split_recipients(b"sendmail", []) == []
