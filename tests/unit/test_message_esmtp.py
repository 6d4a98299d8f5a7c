"""Parameters of MAIL and RCPT are read strictly, and written as they came."""

import pytest

from gateway.message.envelope import (
    DeliverBy,
    LateAction,
    MailOptions,
    Notify,
    RecipientOptions,
    Return,
)
from gateway.message.esmtp import (
    ALL_EXTENSIONS,
    BadParameter,
    decode_xtext,
    mail_words,
    recipient_words,
    with_mail_option,
    with_recipient_option,
)

NONE = MailOptions()


def mail(keyword: str, value: str) -> MailOptions | None:
    return with_mail_option(NONE, keyword, value)


def rcpt(keyword: str, value: str, *, is_utf8_allowed: bool = False) -> RecipientOptions | None:
    return with_recipient_option(RecipientOptions(), keyword, value, is_utf8_allowed=is_utf8_allowed)


@pytest.mark.parametrize(
    ("keyword", "value", "options"),
    [
        ("RET", "FULL", MailOptions(ret=Return.FULL)),
        ("RET", "hdrs", MailOptions(ret=Return.HEADERS)),
        ("ENVID", "QQ314159", MailOptions(envid="QQ314159")),
        ("ENVID", "a+20+2B+3Db", MailOptions(envid="a+20+2B+3Db")),
        ("ENVID", "x" * 100, MailOptions(envid="x" * 100)),
        ("MT-PRIORITY", "0", MailOptions(priority=0)),
        ("MT-PRIORITY", "9", MailOptions(priority=9)),
        ("MT-PRIORITY", "-9", MailOptions(priority=-9)),
        ("BY", "120;R", MailOptions(deliver_by=DeliverBy(120, LateAction.RETURN))),
        ("BY", "+120;n", MailOptions(deliver_by=DeliverBy(120, LateAction.NOTIFY))),
        ("BY", "-999999999;NT", MailOptions(deliver_by=DeliverBy(-999_999_999, LateAction.NOTIFY, True))),
        ("BY", "0;N", MailOptions(deliver_by=DeliverBy(0, LateAction.NOTIFY))),
    ],
)
def test_a_parameter_of_mail_is_read(keyword: str, value: str, options: MailOptions) -> None:
    assert mail(keyword, value) == options


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RET", ""),
        ("RET", "BODY"),
        ("RET", "FULL,HDRS"),
        ("ENVID", ""),
        ("ENVID", "x" * 101),
        ("ENVID", "a=b"),
        ("ENVID", "a+b"),
        ("ENVID", "a+2b"),
        ("ENVID", "a+0D+0Ab"),
        ("ENVID", "a+7F"),
        ("ENVID", "a+80"),
        ("ENVID", "a\x00b"),
        ("ENVID", "ü"),
        ("MT-PRIORITY", ""),
        ("MT-PRIORITY", "10"),
        ("MT-PRIORITY", "+1"),
        ("MT-PRIORITY", "-0"),
        ("MT-PRIORITY", "01"),
        ("MT-PRIORITY", "\N{ARABIC-INDIC DIGIT THREE}"),
        ("BY", ""),
        ("BY", "120"),
        ("BY", "120;X"),
        ("BY", "120;RX"),
        ("BY", "0;R"),
        ("BY", "-1;R"),
        ("BY", "1234567890;N"),
        ("BY", "1.5;N"),
    ],
)
def test_a_parameter_of_mail_with_a_value_it_can_not_have_is_refused(keyword: str, value: str) -> None:
    with pytest.raises(BadParameter) as caught:
        mail(keyword, value)
    assert caught.value.status == "5.5.4"
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("keyword", "value", "options"),
    [
        ("NOTIFY", "NEVER", RecipientOptions(frozenset({Notify.NEVER}))),
        ("NOTIFY", "delay,Success", RecipientOptions(frozenset({Notify.SUCCESS, Notify.DELAY}))),
        ("ORCPT", "rfc822;Bob@b.test", RecipientOptions(orcpt="rfc822;Bob@b.test")),
        ("ORCPT", "rfc822;bob+2Bx@b.test", RecipientOptions(orcpt="rfc822;bob+2Bx@b.test")),
        ("ORCPT", "x;" + "y" * 498, RecipientOptions(orcpt="x;" + "y" * 498)),
        ("ORCPT", "utf-8;b\\x{FC}b@b.test", RecipientOptions(orcpt="utf-8;b\\x{FC}b@b.test")),
    ],
)
def test_a_parameter_of_rcpt_is_read(keyword: str, value: str, options: RecipientOptions) -> None:
    assert rcpt(keyword, value) == options


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("NOTIFY", ""),
        ("NOTIFY", "NEVER,SUCCESS"),
        ("NOTIFY", "SUCCESS,"),
        ("NOTIFY", "ALWAYS"),
        ("ORCPT", ""),
        ("ORCPT", "bob@b.test"),
        ("ORCPT", "rfc822;"),
        ("ORCPT", ";bob@b.test"),
        ("ORCPT", "rfc 822;bob"),
        ("ORCPT", "rfc822;a+0D+0AX-Evil:+20yes"),
        ("ORCPT", "rfc822;a=b"),
        ("ORCPT", "x;" + "y" * 499),
        ("ORCPT", "utf-8;büb@b.test"),
    ],
)
def test_a_parameter_of_rcpt_with_a_value_it_can_not_have_is_refused(keyword: str, value: str) -> None:
    with pytest.raises(BadParameter):
        rcpt(keyword, value)


def test_an_original_recipient_is_utf8_only_where_that_was_declared() -> None:
    options = rcpt("ORCPT", "utf-8;bübü@b.test", is_utf8_allowed=True)
    assert options == RecipientOptions(orcpt="utf-8;bübü@b.test")
    for value in ("rfc822;bübü@b.test", "utf-8;b\N{RIGHT-TO-LEFT OVERRIDE}b"):
        with pytest.raises(BadParameter):
            rcpt("ORCPT", value, is_utf8_allowed=True)


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    for keyword, value in {"RET": "FULL", "ENVID": "x", "MT-PRIORITY": "0", "BY": "1;R"}.items():
        once = mail(keyword, value)
        assert once is not None
        with pytest.raises(BadParameter, match="twice"):
            with_mail_option(once, keyword, value)
    for keyword, value in {"NOTIFY": "DELAY", "ORCPT": "x;y"}.items():
        options = rcpt(keyword, value)
        assert options is not None
        with pytest.raises(BadParameter, match="twice"):
            with_recipient_option(options, keyword, value, is_utf8_allowed=False)


def test_other_keywords_are_left_to_the_caller() -> None:
    assert mail("SIZE", "1") is None
    assert rcpt("RET", "FULL") is None


@pytest.mark.parametrize(
    ("seconds", "action", "expected"),
    [
        (12.9, LateAction.NOTIFY, "12;N"),
        (-12.1, LateAction.NOTIFY, "-13;N"),
        (-12.1, LateAction.RETURN, "1;R"),
        (1e12, LateAction.RETURN, "999999999;R"),
        (-1e12, LateAction.NOTIFY, "-999999999;N"),
    ],
)
def test_a_deadline_is_written_so_that_it_can_be_read(
    seconds: float, action: LateAction, expected: str
) -> None:
    words = mail_words(MailOptions(deliver_by=DeliverBy(seconds, action)), ALL_EXTENSIONS)
    assert words == f" BY={expected}"
    assert mail("BY", expected) is not None


def test_nothing_is_written_that_nobody_asked_for() -> None:
    assert mail_words(NONE, ALL_EXTENSIONS) == ""
    assert recipient_words(RecipientOptions(), ALL_EXTENSIONS) == ""


def test_xtext_is_decoded() -> None:
    assert decode_xtext("a+20b+2B+3Dc") == "a b+=c"


@pytest.mark.parametrize(
    ("notify", "wanted"),
    [
        ([], [Notify.FAILURE, Notify.DELAY]),
        ([Notify.NEVER], []),
        ([Notify.SUCCESS], [Notify.SUCCESS]),
        ([Notify.FAILURE, Notify.SUCCESS], [Notify.SUCCESS, Notify.FAILURE]),
    ],
)
def test_reports_are_made_as_asked(notify: list[Notify], wanted: list[Notify]) -> None:
    options = RecipientOptions(frozenset(notify))
    assert [event for event in list(Notify)[1:] if options.is_wanted(event)] == wanted


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ([], [], []),
        ([Notify.NEVER], [Notify.NEVER], [Notify.NEVER]),
        ([Notify.NEVER], [Notify.SUCCESS], [Notify.SUCCESS]),
        ([], [Notify.SUCCESS], [Notify.SUCCESS, Notify.FAILURE, Notify.DELAY]),
        ([Notify.NEVER], [], [Notify.FAILURE, Notify.DELAY]),
    ],
)
def test_who_is_named_twice_has_what_either_asked_for(
    first: list[Notify], second: list[Notify], joined: list[Notify]
) -> None:
    one, other = RecipientOptions(frozenset(first)), RecipientOptions(frozenset(second), "x;y")
    assert one.joined(other) == other.joined(one) == RecipientOptions(frozenset(joined), "x;y")
