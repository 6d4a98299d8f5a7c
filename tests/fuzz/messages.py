"""Fuzz targets of what local programs hand in: headers and addresses of messages, lines in front, words."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from gateway.errors import GatewayError
from gateway.message.address import domain_of
from gateway.message.from_line import FromLines
from gateway.message.lone_dot import LoneDot
from gateway.message.mailbox_list import parse_mailboxes
from gateway.message.send_words import parse_send
from gateway.message.sendmail_words import parse_sendmail
from gateway.message.submission import Author, HeaderReader, passed_header, recipients_in, submitted_header
from gateway.message.uux_words import parse_uux
from tests.fuzz.target import Target, in_pieces, text_of

AUTHOR = Author("alice@a.test", 'Alice "A" Ä', "1@a.test", "Thu, 1 Jan 1970 00:00:00 +0000")


def from_lines(source: Iterable[bytes]) -> object:
    """Who sent a message for rmail; what is not taken off the front is the message."""
    lines = FromLines()
    content = b"".join([*map(lines.feed, source), lines.finish()])
    assert lines.sender is None or "!" not in domain_of(lines.sender)
    return lines.sender, content


def lone_dot(source: Iterable[bytes]) -> object:
    """A message that may end at a dot."""
    reader = LoneDot()
    return b"".join([*map(reader.feed, source), reader.finish()])


def submission(source: Iterable[bytes]) -> object:
    """The header of a message that a program submits: whom it is for, and what becomes of it."""
    reader = HeaderReader()
    pieces = iter(source)
    is_whole = any(map(reader.feed, pieces))
    if not is_whole:
        reader.finish()
    rest = reader.rest + b"".join(pieces)
    # With its empty line the header is what it was, read again.
    header = submitted_header(reader.fields, AUTHOR)
    again = HeaderReader()
    assert again.feed(header + b"\r\n")
    assert submitted_header(again.fields, AUTHOR) == header
    try:
        recipients: object = recipients_in(reader.fields)
    except GatewayError as error:
        recipients = type(error)
    return passed_header(reader.fields), recipients, rest


def mailboxes(data: bytes) -> None:
    """The addresses of a header field."""
    for address in parse_mailboxes(text_of(data)):
        assert address


def words(data: bytes) -> None:
    """The words behind ``sendmail``, ``uux`` and ``send``."""
    arguments = [text_of(word) for word in data.split(b"\0")]
    for parse in (parse_sendmail, parse_uux, parse_send):
        with contextlib.suppress(GatewayError):
            parse(arguments)


def submission_seeds() -> Iterator[bytes]:
    """A message with a header, and one without."""
    yield b"\x05From a Thu Jan 1\r\nTo: Bob <bob@b.test>, c@d\r\n (x)\r\nBcc: e@f\r\n\r\nbody\r\n"
    yield b"\x09To: a@b\r\nResent-To: g@h\r\n\r\nbody\r\n"
    yield b"\x02body\r\n"


MESSAGES: Mapping[str, Target] = {
    "from-lines": Target(
        in_pieces(from_lines),
        lambda: [b"\x07From a Thu remote from hub\n>From b@c Thu remote from home\nTo: x\n\nbody\n"],
        (b"From ", b">From ", b" remote from ", b"!", b'"'),
    ),
    "lone-dot": Target(in_pieces(lone_dot), lambda: [b"\x02line\r\n..\r\n.\r\n"], (b"\r\n.\r\n", b".")),
    "submission": Target(
        in_pieces(submission), submission_seeds, (b"\r\nTo:", b"\r\nBcc:", b"Resent-", b"\r\n ", b"From ")
    ),
    "mailboxes": Target(
        mailboxes,
        lambda: [b'A "b, c" <a@b.test>, friends: (x (y)) d@[1.2.3.4], <@h:e@f>;'],
        (b"(", b")", b"<", b">", b":", b";", b"\\"),
    ),
    "words": Target(
        words,
        lambda: [b"-i\0-f\0a@b\0-oi\0--\0c@d", b"-\0-r\0-z\0-aA\0-gC\0hub!rmail\0(x@y)", b"-bS"],
        (b"\0", b"!rmail", b"-t", b"-b", b"-o"),
    ),
}
"""By the name that ``./run fuzz`` takes."""
