import pytest

from gateway.nntp.dates import command_date, parse_command_date, parse_date


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 1 Jan 1970 00:00:00 +0000", 0),
        ("1 Jan 1970 01:00 +0100", 0),
        ("Fri, 20 Nov 2026 11:52:32 +0000 (UTC)", 1795175552),
        ("Fri, 20 Nov 2026 11:52:32 GMT", 1795175552),
        ("20 Nov 26 06:52:32 EST", 1795175552),
        ("31 Dec 99 23:59:60 -0000", 946684800),
        ("Wed, 01 Jan 100 00:00:00 +0000", 946684800),
        ("Thu, 01 Jan 1970 00:00:00 -1200", 43200),
        ("Thursday, 1 January 1970 00:00:00 (a (nested) comment) GMT", 0),
        ("Thu, 1 Jan 1970 00:00:00", 0),
    ],
)
def test_dates_of_header_fields(text: str, seconds: int) -> None:
    assert parse_date(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "31 Feb 2026 00:00 GMT",
        "1 Foo 2026 00:00 GMT",
        "1 Jan 2026 24:00 GMT",
        "1 Jan 2026 23:60 GMT",
        "1 Jan 2026 23:59:61 GMT",
        "0 Jan 2026 00:00 GMT",
        "1 Jan 2026",
        "(" * 500,
        "\u0663 Jan 2026 00:00 GMT",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


NOW = 1795175552.0
"""In November 2026."""


@pytest.mark.parametrize(
    ("date", "time", "seconds"),
    [
        ("19700101", "000000", 0),
        ("000101", "000000", 946684800),
        ("991231", "235960", 946684800),
        ("20261120", "115232", 1795175552),
        ("2026112", "115232", None),
        ("20261320", "115232", None),
        ("20261120", "1152", None),
    ],
)
def test_dates_of_commands(date: str, time: str, seconds: int | None) -> None:
    assert parse_command_date(date, time, NOW) == seconds


def test_answer_to_date() -> None:
    assert command_date(NOW + 0.9) == "20261120115232"
