from gateway.nntp.overview import OVERVIEW_FORMAT, line_count, overview_fields, overview_line
from tests.support.articles import article


def test_overview_is_what_inn_gives_for_the_same_article() -> None:
    data = article("one\r\ntwo\r\n", References="<0@p.test>\r\n <9@p.test>", Subject="a\tb")
    fields = overview_fields(data)
    size = str(len(data)).encode()
    assert fields == (
        b"a b\tj@a.test\tFri, 20 Nov 2026 11:52:24 +0000\t<1@p.test>\t<0@p.test> <9@p.test>\t" + size + b"\t2"
    )
    xref = b"us.test misc.test:3 alt.test:7"
    assert overview_line(3, fields, xref) == b"3\t" + fields + b"\tXref: us.test misc.test:3 alt.test:7"
    assert overview_line(0, fields) == b"0\t" + fields + b"\t"
    assert len(overview_line(3, fields, xref).split(b"\t")) == len(OVERVIEW_FORMAT) + 1


def test_field_that_is_missing_or_hostile_can_not_break_the_line() -> None:
    fields = overview_fields(
        b"Subject: a\0b\r\n\tc\r\nSubject: second\r\nFrom: " + b"x" * 20_000 + b"\r\n\r\n"
    )
    assert len(fields) < 9000
    assert fields.startswith(b"a b c\tx")
    assert fields.count(b"\t") == 6


def test_lines_are_those_of_the_body() -> None:
    assert line_count(b"A: b\r\n\r\n") == 0
    assert line_count(b"A: b\r\n\r\na\r\n\r\n.\r\n") == 3
    assert line_count(b"A: b\r\n") == 0
    assert line_count(b"") == 0
