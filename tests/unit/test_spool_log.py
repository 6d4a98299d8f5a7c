import fcntl
import os
import threading
from pathlib import Path

import pytest

from gateway.spool.log import Log, encode_record, format_when, printable

NOON_NS = 1_763_640_000_000_000_000
FRACTION_NS = NOON_NS + 123_000_456

RECORD = """
When: 2025-11-20T12:00:00.000000007Z
Who: rx
Node: N
Size: 5
Debug: true
Msg: Got it
"""


def log_to(target: Path | str, *, quiet: bool = True, debug: bool = False, now_ns: int = NOON_NS) -> Log:
    return Log(target, quiet=quiet, debug=debug, now_ns=lambda: now_ns)


@pytest.mark.parametrize(
    ("now_ns", "written"),
    [
        (NOON_NS, "2025-11-20T12:00:00Z"),
        (NOON_NS + 1, "2025-11-20T12:00:00.000000001Z"),
        (NOON_NS + 500_000_000, "2025-11-20T12:00:00.5Z"),
        (FRACTION_NS, "2025-11-20T12:00:00.123000456Z"),
    ],
)
def test_moment_has_as_many_digits_as_it_needs(now_ns: int, written: str) -> None:
    assert format_when(now_ns) == written


def test_record_starts_with_an_empty_line_and_ends_with_the_message(tmp_path: Path) -> None:
    journal = log_to(tmp_path / "log", now_ns=NOON_NS + 7)
    journal.info("rx", [("Node", "N"), ("Size", 5), ("Debug", True)], "Got it")
    assert (tmp_path / "log").read_text() == RECORD
    assert (tmp_path / "log.lock").read_bytes() == b""


def test_error_comes_second(tmp_path: Path) -> None:
    journal = log_to(tmp_path / "log")
    journal.error("rx-open", [("Pkt", "P")], ValueError("bad"), "Tossing")
    assert (tmp_path / "log").read_text().splitlines()[1:] == [
        "When: 2025-11-20T12:00:00Z", "Err: bad", "Who: rx-open", "Pkt: P", "Msg: Tossing",
    ]  # fmt: skip


def test_value_of_several_lines_cannot_forge_a_field() -> None:
    record = encode_record(NOON_NS, [("Dst", "a\nWho: forged\n\nb"), ("Msg", "m")])
    assert record.decode() == "\nWhen: 2025-11-20T12:00:00Z\nDst: a\n+ Who: forged\n+ \n+ b\nMsg: m\n"


def test_bytes_that_are_no_utf8_are_kept() -> None:
    assert b"Dst: \xff\n" in encode_record(NOON_NS, [("Dst", os.fsdecode(b"\xff"))])


def test_records_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log_to(path).info("a", [], "one")
    log_to(path).info("b", [], "two")
    text = path.read_text()
    assert text.startswith("before\n\nWhen: ")
    assert text.count("\n\nWhen: ") == 2


def test_descriptor_gets_records_without_a_lock(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as file:
        log_to(f"FD:{file.fileno()}").info("rx", [], "hello")
        assert (tmp_path / "out").read_text().endswith("Who: rx\nMsg: hello\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_writer_waits_for_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with (tmp_path / "log.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer = threading.Thread(target=lambda: log_to(path).info("a", [], "one"))
        writer.start()
        writer.join(0.05)
        assert writer.is_alive()
        assert not path.exists()
        fcntl.flock(lock, fcntl.LOCK_UN)
        writer.join(60)
    assert path.read_text().endswith("Msg: one\n")


def test_person_reads_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = log_to(tmp_path / "log", quiet=False, now_ns=FRACTION_NS)
    journal.info("rx", [], "Got it")
    journal.error("rx", [], "bad", "Tossing")
    journal.debug("rx", [], "unseen")
    assert capsys.readouterr().err == (
        "2025-11-20T12:00:00Z Got it\n2025-11-20T12:00:00Z ERROR Tossing: bad\n"
    )


def test_quiet_prints_nothing_but_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = log_to(tmp_path / "log", quiet=True)
    journal.info("rx", [], "Got it")
    journal.error("rx", [], "bad", "Tossing")
    assert capsys.readouterr().err == ""
    assert (tmp_path / "log").read_text().count("Who: rx") == 2


def test_debug_prints_records_and_keeps_its_own_out_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = log_to(tmp_path / "log", debug=True)
    journal.debug("job", [("Name", "x")], "looked")
    journal.info("rx", [], "Got it")
    said = capsys.readouterr().err
    assert "\nDebug: true\nWho: job\nName: x\nMsg: looked\n" in said
    assert "\nWho: rx\nMsg: Got it\n" in said
    assert "looked" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("target", ["/nonexistent/log", "FD:9999", "FD:x", "FD:-1", f"FD:{10**20}"])
def test_log_that_cannot_be_written_fails_nobody_and_is_told_once(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = log_to(target, quiet=False)
    journal.info("rx", [], "one")
    journal.info("rx", [], "two")
    said = capsys.readouterr().err
    assert said.count("cannot write the log") == 1
    assert "Z two\n" in said


def test_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to(tmp_path / "log", quiet=False).info("rx", [], "a\x1b[2Jb\nERROR c\udcff é")
    assert capsys.readouterr().err == "2025-11-20T12:00:00Z a\\x1b[2Jb\\nERROR c\\udcff é\n"
    assert printable("plain text") == "plain text"
