"""Parameters of MAIL."""

import pytest

from gateway.ingest.parameters import MailParameters, parse_mail_parameters, parse_rcpt_parameters
from gateway.ingest.reply import Reply
from gateway.message.envelope import MailOptions, Notify, RecipientOptions, Return


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
        (
            b"envid=Ab+20C RET=full SIZE=7 mt-priority=-2",
            MailParameters(7, options=MailOptions("Ab+20C", Return.FULL, -2)),
        ),
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
        (b"ret=none", 501),
        (b"RET", 501),
        (b"ENVID=", 501),
        (b"ENVID=\xff", 501),
        (b"MT-PRIORITY=+1", 501),
        (b"BY=10", 501),
        (b"RET=FULL ret=FULL", 501),
        (b"NOTIFY=NEVER", 555),
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


def test_who_submitted_a_message_may_be_said_where_users_are_known() -> None:
    assert parse_mail_parameters(b"AUTH=<> SIZE=3", is_auth_known=True) == MailParameters(3)
    answer = parse_mail_parameters(b"AUTH=<> X=3", is_auth_known=True)
    assert isinstance(answer, Reply)


def test_parameters_of_a_recipient() -> None:
    wanted = RecipientOptions(frozenset({Notify.FAILURE}), "rfc822;Bob@b.test")
    for raw in (b"NOTIFY=failure ORCPT=rfc822;Bob@b.test", b"orcpt=rfc822;Bob@b.test  notify=FAILURE"):
        assert parse_rcpt_parameters(raw, is_utf8_allowed=False) == wanted
    assert parse_rcpt_parameters(b"", is_utf8_allowed=False) == RecipientOptions()


@pytest.mark.parametrize(
    ("raw", "code"), [(b"NOTIFY", 501), (b"ORCPT=\xff", 501), (b"ORCPT=x;y ORCPT=x;y", 501), (b"SIZE=1", 555)]
)
def test_other_parameters_of_a_recipient_are_refused(raw: bytes, code: int) -> None:
    answer = parse_rcpt_parameters(raw, is_utf8_allowed=True)
    assert isinstance(answer, Reply)
    assert (answer.code, answer.status) == (code, "5.5.4")
    assert answer.line.isascii()
