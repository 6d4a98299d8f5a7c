import logging
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from gateway.daemon.logs import set_up_logging
from gateway.errors import ConfigError
from gateway.maillog import HELD_LIMIT_COUNT, lines_together, log_mail
from tests.support.gateways import kept_logging
from tests.support.processes import wait_until


@pytest.fixture(autouse=True)
def restored() -> Generator[None]:
    with kept_logging():
        yield


def test_the_mail_log_goes_to_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("error", None, {})
    log_mail("received", id="1")
    err = capsys.readouterr().err
    assert err.endswith(" INFO gateway.mail: event=received id=1\n")


def test_the_mail_log_can_have_a_file_and_is_complete_at_any_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mail.log"
    set_up_logging("error", path, {})
    log_mail("received", id="1")
    moved = tmp_path / "mail.log.1"
    path.rename(moved)
    written_count = 0

    def write() -> bool:
        nonlocal written_count
        log_mail("received", id="2")
        written_count += 1
        return path.exists()

    wait_until(write, 60, "the file to be opened again")
    assert path.read_text().endswith(" event=received id=2\n")
    lines = (moved.read_text() + path.read_text()).splitlines()
    assert [line.rpartition("=")[2] for line in lines] == ["1", *["2"] * written_count]
    assert capsys.readouterr().err == ""


def test_the_level_rules_everything_else(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning", None, {})
    logging.getLogger("gateway.x").info("quiet")
    logging.getLogger("gateway.x").warning("loud")
    assert capsys.readouterr().err.endswith(" WARNING gateway.x: loud\n")


def test_under_the_journal_the_time_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", None, {"JOURNAL_STREAM": "8:1"})
    logging.getLogger("gateway.x").info("hello")
    assert capsys.readouterr().err == "INFO gateway.x: hello\n"


def test_a_file_that_cannot_be_opened_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.mail: cannot open .*/missing/mail\.log"):
        set_up_logging("info", tmp_path / "missing" / "mail.log", {})


def test_a_pipe_says_nothing_of_the_mail_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning", None, {}, is_pipe=True)
    log_mail("received", id="1")
    assert capsys.readouterr().err == ""
    set_up_logging("warning", tmp_path / "mail.log", {}, is_pipe=True)
    log_mail("received", id="2")
    assert (tmp_path / "mail.log").read_text().endswith(" event=received id=2\n")


def test_lines_that_come_together_are_written_at_their_end_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    set_up_logging("info", path, {})
    with lines_together():
        with lines_together():
            log_mail("received", id="1")
        log_mail("received", id="2")
        assert path.read_text() == ""
    assert [line.rpartition("=")[2] for line in path.read_text().splitlines()] == ["1", "2"]


def test_lines_that_come_together_without_end_are_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    set_up_logging("info", path, {})
    with lines_together():
        for number in range(HELD_LIMIT_COUNT + 1):
            log_mail("sent", id=str(number))
        assert len(path.read_text().splitlines()) == HELD_LIMIT_COUNT
    assert len(path.read_text().splitlines()) == HELD_LIMIT_COUNT + 1


def test_a_line_of_another_thread_does_not_wait_for_lines_that_come_together(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    set_up_logging("info", path, {})
    with lines_together():
        log_mail("received", id="1")
        other = threading.Thread(target=log_mail, args=("received",), kwargs={"id": "2"})
        other.start()
        other.join()
        assert [line.rpartition("=")[2] for line in path.read_text().splitlines()] == ["2"]
    assert [line.rpartition("=")[2] for line in path.read_text().splitlines()] == ["2", "1"]


def test_a_mail_log_that_can_not_be_written_is_told_of_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("info", tmp_path / "mail.log", {})
    file = logging.getLogger("gateway.mail").handlers[-1]
    assert isinstance(file, logging.FileHandler)
    assert file.stream is not None
    file.stream.close()
    log_mail("received", id="1")
    with lines_together():
        log_mail("received", id="2")
    assert capsys.readouterr().err.count("I/O operation on closed file") == 2
    # What is closed can't be flushed at the end.
    file.stream = None
