"""Fuzz targets of what clients of the endpoints say: parameters, who they are, and what is kept of users."""

import contextlib
from collections.abc import Mapping

from gateway.errors import GatewayError
from gateway.ingest.parameters import MailParameters, parse_mail_parameters, parse_rcpt_parameters
from gateway.ingest.passwords import MEMORY_LIMIT_BYTES, PasswordHash
from gateway.ingest.reply import Reply
from gateway.ingest.sasl import MECHANISMS, Credentials, decode_response, encode_challenge
from gateway.message.envelope import RecipientOptions
from gateway.message.esmtp import ALL_EXTENSIONS, decode_xtext, mail_words, recipient_words
from tests.fuzz.target import Target, text_of


def parameters(data: bytes) -> None:
    """Parameters of MAIL and RCPT; what was taken is written so that it is taken again."""
    mail = parse_mail_parameters(data, is_auth_known=True)
    if isinstance(mail, Reply):
        assert mail.line.isascii()
        assert mail.line.isprintable()
    else:
        written = mail_words(mail.options, ALL_EXTENSIONS)
        again = parse_mail_parameters(written.encode())
        assert isinstance(again, MailParameters)
        assert again.options == mail.options
        assert decode_xtext(mail.options.envid or "").isprintable()
    for is_utf8_allowed in (False, True):
        rcpt = parse_rcpt_parameters(data, is_utf8_allowed=is_utf8_allowed)
        if isinstance(rcpt, RecipientOptions):
            written = recipient_words(rcpt, ALL_EXTENSIONS)
            assert parse_rcpt_parameters(written.encode(), is_utf8_allowed=is_utf8_allowed) == rcpt
            assert decode_xtext(rcpt.orcpt or "").isprintable()


def log_in(data: bytes) -> None:
    """What a client answers when it is asked who it is, a line for each answer."""
    for exchange in (make() for make in MECHANISMS.values()):
        assert decode_response(encode_challenge(exchange.first_challenge)) == exchange.first_challenge
        with contextlib.suppress(GatewayError):
            for line in data.split(b"\n"):
                found = exchange.take(decode_response(text_of(line)))
                if isinstance(found, Credentials):
                    assert repr(found) == f"Credentials({found.name!r})"
                    break


def password_line(data: bytes) -> None:
    """The hash of a password as the file has it; one that would take all memory is none."""
    hashed = PasswordHash.parse(text_of(data))
    if hashed is not None:
        assert hashed.cost.memory_bytes <= MEMORY_LIMIT_BYTES
        assert PasswordHash.parse(hashed.text) == hashed


ENDPOINTS: Mapping[str, Target] = {
    "parameters": Target(
        parameters,
        lambda: [
            b"SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b MT-PRIORITY=-3 BY=-10;NT AUTH=<>",
            "NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\u00fc+2B@b.test".encode(),
        ],
        (b"+0D", b"+2B", b"ORCPT=rfc822;", b"BY=1;R", b"MT-PRIORITY=", b"NOTIFY=NEVER"),
    ),
    "log-in": Target(
        log_in, lambda: [b"AGFsaWNlAHdvbmRlcmxhbmQ=", b"YWxpY2U=\nd29uZGVybGFuZA=="], (b"\n", b"=")
    ),
    "password-line": Target(
        password_line,
        lambda: [b"$scrypt$ln=14,r=8,p=5$0kasGeuP4lXWKQOBeN8N/A$sGz/wyzmbyUivpb5mFVJ/HwnXIkBUThUXu1kyEDXXS8"],
        (b"$", b",r=", b"ln="),
    ),
}
