"""Parameters of MAIL."""

import pytest

from gateway.ingest.parameters import MailParameters, parse_mail_parameters
from gateway.ingest.reply import Reply


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"", MailParameters()),
        (b"SIZE=12", MailParameters(12)),
        (b"size=12", MailParameters(12)),
        (b"SIZE=99999999999999999999", MailParameters(99999999999999999999)),
        (b"BODY=7BIT", MailParameters()),
        (b"body=8bitmime", MailParameters(is_8bit=True)),
        (b"SMTPUTF8", MailParameters(is_smtputf8=True)),
        (b"SIZE=5 BODY=8BITMIME  SMTPUTF8", MailParameters(5, is_8bit=True, is_smtputf8=True)),
        (b"SMTPUTF8 SIZE=0", MailParameters(is_smtputf8=True)),
    ],
)
def test_known_parameters(raw: bytes, wanted: MailParameters) -> None:
    assert parse_mail_parameters(raw) == wanted


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"SIZE", 501),
        (b"SIZE=", 501),
        (b"SIZE=-1", 501),
        (b"SIZE=1k", 501),
        (b"SIZE=123456789012345678901", 501),
        ("SIZE=\u0661".encode(), 501),
        (b"SIZE=1 SIZE=2", 501),
        (b"BODY=BINARYMIME", 501),
        (b"BODY", 501),
        (b"SMTPUTF8=yes", 501),
        (b"SMTPUTF8=", 501),
        (b"RET=FULL", 555),
        (b"AUTH=<>", 555),
        (b"=5", 555),
        (b"\xff\xfe", 555),
    ],
)
def test_other_parameters_are_refused(raw: bytes, code: int) -> None:
    answer = parse_mail_parameters(raw)
    assert isinstance(answer, Reply)
    assert (answer.code, answer.status) == (code, "5.5.4")
    assert answer.line.isascii()
