"""Tests of reading a mail that is for a program."""

import base64

import pytest

from gateway.message.mail_text import read_mail_text

PLAIN = b"Subject: x\r\n\r\n+comp.*\r\n"
MIXED = (
    b'Content-Type: multipart/mixed; boundary="b 1"\r\n\r\npreamble\r\n--b 1\r\n'
    b"Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>no\r\n"
    b"--c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode("+schön.*\n".encode())
    + b"\r\n--c--\r\n--b 1--\r\n"
)
QUOTED = (
    b"Content-Type: text/plain; charset=x-none\nContent-Transfer-Encoding: quoted-printable\n\n=2Bcomp.*\n"
)


@pytest.mark.parametrize(
    ("mail", "text"),
    [
        (PLAIN, "+comp.*"),
        (MIXED, "+schön.*"),
        (QUOTED, "+comp.*"),
        (b"Content-Type: text/html\n\n+comp.*\n", ""),
        (b"Content-Type: multipart/mixed\n\n--\n\n+comp.*\n", ""),
        (b"", ""),
    ],
)
def test_the_first_plain_text_counts(mail: bytes, text: str) -> None:
    assert read_mail_text(mail).text.strip() == text


@pytest.mark.parametrize(
    ("field", "is_automatic"),
    [
        ("Auto-Submitted: auto-replied", True),
        ("Auto-Submitted: no", False),
        ("Precedence: bulk", True),
        ("X: y", False),
    ],
)
def test_mail_of_programs_is_told_from_that_of_people(field: str, *, is_automatic: bool) -> None:
    assert read_mail_text(f"{field}\n\n%LIST\n".encode()).is_automatic is is_automatic


def test_parts_in_parts_are_followed_only_so_far() -> None:
    part = b"Content-Type: text/plain\n\n+comp.*\n"
    for depth in range(2000):
        mark = b"b%d" % depth
        part = b"Content-Type: multipart/mixed; boundary=%b\n\n--%b\n%b\n--%b--\n" % (mark, mark, part, mark)
    assert read_mail_text(part).text == ""
