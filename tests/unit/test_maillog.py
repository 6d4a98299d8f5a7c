"""A mail-log line can be searched, and nobody outside can forge one."""

import logging
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.maillog import HELD_LIMIT_COUNT, VALUE_LIMIT_CHARS, lines_together, log_alike, log_mail

VALUES = st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(("%s", "50%", "a b", '"'))


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


class Lines(logging.Handler):
    """Keeps the lines of the mail log that are written while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> Self:
        log = logging.getLogger("gateway.mail")
        self._level = log.level
        log.setLevel(logging.INFO)
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        log = logging.getLogger("gateway.mail")
        log.removeHandler(self)
        log.setLevel(self._level)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=4), VALUES, VALUES)
def test_lines_that_are_alike_are_those_that_are_written_one_by_one(
    rows: list[tuple[str | int | None, str | int | None]], to: str | int | None, text: str | int | None
) -> None:
    with Lines() as written:
        log_alike("sent", ("id", "size"), rows, text=text, to=to, next="c%")
        for id_, size in rows:
            log_mail("sent", id=id_, to=to, size=size, text=text, next="c%")
    assert written.lines[: len(rows)] == written.lines[len(rows) :]


def test_lines_that_are_alike_keep_their_order_however_many_they_are() -> None:
    numbers = range(2 * HELD_LIMIT_COUNT + 1)
    with Lines() as written, lines_together():
        log_mail("received", id="first")
        log_alike("sent", ("id",), ((number,) for number in numbers))
        log_mail("received", id="last")
    words = [line.rpartition("=")[2] for line in written.lines]
    assert words == ["first", *map(str, numbers), "last"]


def test_keys_in_another_order_than_that_of_the_line_are_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="do not stand in this order"):
        log_alike("sent", ("size", "id"), [(1, "a")])
