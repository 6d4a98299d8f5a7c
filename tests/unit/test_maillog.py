"""A mail-log line can be searched, and nobody outside can forge one."""

import logging

import pytest

from gateway.maillog import VALUE_LIMIT_CHARS, log_mail


def line(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = caplog.records
    return record.getMessage()


def test_keys_and_values_stand_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        log_mail(
            "sent", client="::1", size=3, to="b@b.test", id="abc", from_="", message_id="<1@a>", node=None
        )
    assert line(caplog) == 'event=sent id=abc message-id=<1@a> from="" to=b@b.test client=::1 size=3'


@pytest.mark.parametrize("value", ["a\nevent=delivered", "a\r\nb", "a\x00b", "a\u2028b", "a\x1b[31mb"])
def test_a_value_can_not_start_a_new_line(caplog: pytest.LogCaptureFixture, value: str) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        log_mail("refused", text=value)
    assert line(caplog).isprintable()
    assert "?" in line(caplog)


def test_a_value_with_spaces_or_quotes_stays_one_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        log_mail("refused", text='no such "user" \\ here')
    assert line(caplog) == r'event=refused text="no such \"user\" \\ here"'


def test_a_long_value_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        log_mail("refused", text="x" * 10_000)
    assert len(line(caplog)) < VALUE_LIMIT_CHARS + 50
