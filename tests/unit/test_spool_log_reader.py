"""Records of a log, ours and Go's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreError
from gateway.spool.log import encode_record
from gateway.spool.log_reader import LogReader, Record

NOW_NS = 1_800_000_000_123_000_000


def parse(text: str | bytes) -> tuple[list[Record], int]:
    raw = text.encode() if isinstance(text, str) else text
    reader = LogReader(Path("log"))
    return list(reader.parse(raw.splitlines(keepends=True))), reader.stray_count


def test_records_are_split_at_empty_lines() -> None:
    text = "\nWhen: 1\nWho: a\nMsg: one\n\n\nWhen: 2\nErr:\nMsg: two"
    records, stray_count = parse(text)
    assert [record.fields for record in records] == [
        (("When", "1"), ("Who", "a"), ("Msg", "one")),
        (("When", "2"), ("Err", ""), ("Msg", "two")),
    ]
    assert stray_count == 0


def test_continued_lines_and_names_that_come_twice() -> None:
    [record], _ = parse("Output: one\n+ two\n+\n+three\nPkt: a\nPkt: b\n")
    assert record.text("Output") == "one\ntwo\n\nthree"
    assert record.text("Pkt") == "a"
    assert record.text("Nothing") is None


def test_a_line_end_that_stands_raw_in_a_value_belongs_to_it() -> None:
    [record], stray_count = parse("Who: tx\nDst: a\nb c\nMsg: m\n")
    assert record.text("Dst") == "a\nb c"
    assert record.text("Msg") == "m"
    assert stray_count == 0


def test_lines_outside_of_records_are_counted() -> None:
    records, stray_count = parse("garbage\n\nMsg: m\n\n# a comment\nmore garbage\n")
    assert [record.text("Msg") for record in records] == ["m"]
    assert stray_count == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("When: 2026-11-20T11:44:12.76Z\nMsg: done\n", "2026-11-20T11:44:12Z done"),
        ("When: 2026-11-20T11:44:12Z\nErr: e\nMsg: m\n", "2026-11-20T11:44:12Z ERROR m: e"),
        ("When: 2026-11-20T11:44:12.1+01:00\nMsg: m\n", "2026-11-20T11:44:12+01:00 m"),
        ("When: yesterday\nMsg: m\n", "- m"),
        ("Msg: a\n+ b\x1b[2J\n", "- a\\nb\\x1b[2J"),
        ("Who: x\n", "- "),
    ],
)
def test_the_line_for_people(text: str, line: str) -> None:
    [record], _ = parse(text)
    assert record.line() == line


def test_bytes_that_are_no_utf8_are_shown_escaped() -> None:
    [record], _ = parse(b"Msg: \xff\n")
    assert record.line() == "- \\udcff"


def test_a_log_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="read the log"):
        list(LogReader(tmp_path / "none").records())


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(st.tuples(st.sampled_from(["Dst", "Src", "Output"]), VALUES), max_size=4), VALUES)
def test_what_is_written_is_read(fields: list[tuple[str, str]], message: str) -> None:
    raw = encode_record(NOW_NS, [("Who", "x"), *fields, ("Msg", message)]) * 2
    reader = LogReader(Path("log"))
    records = list(reader.parse(line + b"\n" for line in raw.split(b"\n")))
    assert [record.fields[2:] for record in records] == [(*fields, ("Msg", message))] * 2
    assert "\n" not in records[0].line()
