import pytest

from gateway.errors import BadAddress, MessageError
from gateway.message.submission import (
    HEADER_LIMIT_BYTES,
    Author,
    Field,
    HeaderReader,
    passed_header,
    recipients_in,
    submitted_header,
)

ALICE = Author("alice@a.test", "Alice", "1.2@a.test", "Fri, 20 Nov 2026 10:00:00 +0000")
WHOLE = b"Message-ID: <1@x>\r\nDate: now\r\nFrom: a@b\r\n"


def read(data: bytes, size: int = 1 << 20) -> HeaderReader:
    """Read a message; ``rest`` is the body of it all."""
    reader = HeaderReader()
    for at in range(0, len(data), size):
        if reader.feed(data[at : at + size]):
            reader.rest += data[at + size :]
            return reader
    reader.finish()
    return reader


def fields(data: bytes) -> list[Field]:
    return read(data).fields


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("data", "names", "rest"),
    [
        (b"", [], b""),
        (b"\r\nbody\r\n", [], b"body\r\n"),
        (b"To: a\r\nSubject:x\r\n y\r\n\r\nTo: b\r\n", [b"to", b"subject"], b"To: b\r\n"),
        (b"To : a\r\nbody\r\nCc: b\r\n", [b"to"], b"body\r\nCc: b\r\n"),
        (b"hello world\r\n", [], b"hello world\r\n"),
        (b" not a field\r\nTo: a\r\n", [], b" not a field\r\nTo: a\r\n"),
        (b"From alice Fri\r\n>From x\r\nTo: a\r\n\r\nFrom me\r\n", [b"to"], b"From me\r\n"),
        (b"To: a\r\nFrom here\r\n", [b"to"], b"From here\r\n"),
        (b"To: a", [b"to"], b""),
        (b"To: a\r\n", [b"to"], b""),
        (b"To: a\r\nbody", [b"to"], b"body"),
    ],
)
def test_header_ends_where_fields_end(data: bytes, names: list[bytes], rest: bytes, size: int) -> None:
    reader = read(data, size)
    assert [field.name for field in reader.fields] == names
    assert reader.rest == rest


def test_fields_keep_their_bytes() -> None:
    header = b"To: a,\r\n\tb\r\nX-Odd  :  \xff\r\nSubject:\r\n"
    assert passed_header(fields(header + b"\r\nx")) == header + b"\r\n"
    assert passed_header(fields(b"To: a")) == b"To: a\r\n\r\n"


@pytest.mark.parametrize(
    "line", [b"X: " + b"y" * 70 + b"\r\n", b"X: " + b"y" * HEADER_LIMIT_BYTES, b">From x\r\n"]
)
def test_a_header_without_end_is_refused(line: bytes) -> None:
    reader = HeaderReader()
    with pytest.raises(MessageError) as caught:
        for _ in range(HEADER_LIMIT_BYTES // len(line) + 2):
            reader.feed(line)
    assert caught.value.status == "5.3.4"


def test_a_long_line_that_is_no_field_is_the_body() -> None:
    line = b"y" * (HEADER_LIMIT_BYTES + 1)
    reader = HeaderReader()
    assert reader.feed(line)
    assert (reader.fields, reader.rest) == ([], line)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"To: a@x\r\nCc: b@x, c@x\r\nBcc: d@x\r\nReply-To: no@x\r\n", ["a@x", "b@x", "c@x", "d@x"]),
        (b"TO: a@x\r\nto: b@x\r\n", ["a@x", "b@x"]),
        (b"To: a@x\r\nResent-To: b@x\r\nResent-Bcc: c@x\r\n", ["b@x", "c@x"]),
        (b"Subject: x\r\n", []),
        ("To: grüße@x\r\n".encode(), ["grüße@x"]),
    ],
)
def test_recipients_stand_in_the_header(header: bytes, found: list[str]) -> None:
    assert recipients_in(fields(header)) == found


@pytest.mark.parametrize("header", [b"To: \xff@x\r\n", b"To: a b\r\n"])
def test_recipients_that_can_not_be_read_are_told(header: bytes) -> None:
    with pytest.raises(BadAddress):
        recipients_in(fields(header))


def test_bcc_goes_and_everything_else_stays() -> None:
    header = b"To: a@x\r\nBcc: b@x,\r\n c@x\r\nbCC: d@x\r\nResent-Bcc: e@x\r\nX: y\r\n"
    kept = submitted_header(fields(WHOLE + header), ALICE)
    assert kept == WHOLE + b"To: a@x\r\nX: y\r\nResent-Message-ID: <1.2@a.test>\r\n" + (
        b"Resent-Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nResent-From: Alice <alice@a.test>\r\n\r\n"
    )


def test_what_is_missing_is_added_behind() -> None:
    assert submitted_header(fields(b"Subject: x\r\nDATE: y\r\n"), ALICE) == (
        b"Subject: x\r\nDATE: y\r\nMessage-ID: <1.2@a.test>\r\nFrom: Alice <alice@a.test>\r\n\r\n"
    )
    assert submitted_header(fields(WHOLE), ALICE) == WHOLE + b"\r\n"


@pytest.mark.parametrize(
    ("name", "address", "mailbox"),
    [
        ("", "a@x", "a@x"),
        ("Alice B.", "a@x", '"Alice B." <a@x>'),
        ("Äl\r\nBcc: b@x", "a@x", "=?utf-8?b?w4RsIEJjYzogYkB4?= <a@x>"),
        ('Ä "x"', "ä@x", '"Ä \\"x\\"" <ä@x>'),
    ],
)
def test_names_are_written_safely(name: str, address: str, mailbox: str) -> None:
    header = submitted_header(fields(b"Date: x\r\nMessage-ID: x\r\n"), Author(address, name, "1@x", "now"))
    assert header == f"Date: x\r\nMessage-ID: x\r\nFrom: {mailbox}\r\n\r\n".encode()
