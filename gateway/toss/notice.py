"""The mail that tells what a packet did: NNCP's ``notify``.

Contract: the same bytes as Go NNCP's: header fields without a final line end when the handler wrote
nothing, else its output as one line of base64.
"""

import base64
import os
from dataclasses import dataclass

from gateway.errors import MessageError
from gateway.toss.exec_handler import Command, HandlerLimits, run_handler

ENCODED_WORD_BYTES = 45
"""Of UTF-8 in one encoded word: with its frame it stays within the 75 characters of RFC 2047."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Who is told.

    Args:
        sender: address in From.
        recipient: address in To, and the mailer's argument.
    """

    sender: str
    recipient: str


def build_notice(notice: Notice, subject: str, output: bytes) -> bytes:
    """Write the mail.

    Args:
        notice: who is told.
        subject: any text on one line.
        output: what the handler wrote.

    Raises:
        MessageError: a line end in an address or the subject.
    """
    lines = [f"From: {notice.sender}", f"To: {notice.recipient}", f"Subject: {encode_subject(subject)}"]
    if any("\n" in line or "\r" in line for line in lines):
        raise MessageError(f"notice to {notice.recipient!r}: a line end in a header field")
    if output:
        lines += [
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
            base64.b64encode(output).decode("ascii"),
        ]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def encode_subject(text: str) -> str:
    """Write a header text as RFC 2047 says, where it is not plain ASCII."""
    if all(" " <= char <= "~" or char == "\t" for char in text):
        return text
    words, word = [], b""
    for char in text:
        raw = char.encode("utf-8", "surrogateescape")
        if len(word) + len(raw) > ENCODED_WORD_BYTES:
            words.append(word)
            word = b""
        word += raw
    words.append(word)
    return " ".join(f"=?UTF-8?b?{base64.b64encode(word).decode('ascii')}?=" for word in words)


def send_notice(
    sendmail: tuple[str, ...], notice: Notice, subject: str, output: bytes, limits: HandlerLimits
) -> None:
    """Hand the mail to the local mailer.

    Args:
        sendmail: the mailer and its arguments; the recipient is added.
        notice: who is told.
        subject: of the mail.
        output: what the handler wrote.
        limits: of the mailer.

    Raises:
        MessageError: the mail can't be written.
        HandlerFailed: the mailer did not take it.
    """
    mail = build_notice(notice, subject, output)
    argv = tuple(os.fsencode(part) for part in (*sendmail, notice.recipient))
    run_handler(Command(argv, os.environ), [mail], limits)
