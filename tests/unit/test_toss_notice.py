"""The mail that tells what an exec did."""

import base64
from email.header import decode_header, make_header
from pathlib import Path

import pytest

from gateway.errors import MessageError
from gateway.toss.exec_handler import HandlerFailed, HandlerLimits
from gateway.toss.notice import Notice, build_notice, encode_subject, send_notice

NOTICE = Notice("from@x", "to@y")
LIMITS = HandlerLimits(30, 1000)


def test_without_output_there_is_only_a_head_and_no_final_line_end() -> None:
    assert build_notice(NOTICE, "Exec from a: x", b"") == b"From: from@x\nTo: to@y\nSubject: Exec from a: x"


def test_output_is_one_line_of_base64() -> None:
    mail = build_notice(NOTICE, "S", b"line\n" * 100)
    head, _, body = mail.partition(b"\n\n")
    assert head.split(b"\n")[3:] == [
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: base64",
    ]
    assert base64.b64decode(body, validate=True) == b"line\n" * 100


@pytest.mark.parametrize(
    "text", ["Exec from bö: x", "ü" * 100, "日本語" * 30, "line\nbreak", "mixed äscii words " * 9]
)
def test_a_subject_that_is_not_ascii_is_encoded_in_words(text: str) -> None:
    encoded = encode_subject(text)
    assert encoded.isascii()
    assert all(len(word) <= 75 for word in encoded.split(" "))
    assert str(make_header(decode_header(encoded))) == text


def test_an_ascii_subject_stays_as_it_is() -> None:
    assert encode_subject("Exec from a: x y") == "Exec from a: x y"


def test_an_address_cannot_bring_a_header_field() -> None:
    with pytest.raises(MessageError, match="line end"):
        build_notice(Notice("from@x\nBcc: z@z", "to@y"), "S", b"")


def test_the_mailer_gets_the_recipient_and_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "kept")
    out = tmp_path / "mail"
    mailer = ("/bin/sh", "-c", f'{{ echo "$1 $OURS"; cat; }} > {out}', "mailer")
    send_notice(mailer, NOTICE, "S", b"", LIMITS)
    assert out.read_text() == "to@y kept\nFrom: from@x\nTo: to@y\nSubject: S"


def test_a_mailer_that_fails_is_told() -> None:
    with pytest.raises(HandlerFailed, match="exit status 75"):
        send_notice(("/bin/sh", "-c", "exit 75"), NOTICE, "S", b"", LIMITS)
