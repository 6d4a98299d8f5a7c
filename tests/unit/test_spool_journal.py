"""A log that is written by a thread: nothing is lost, nothing out of order, and nobody waits."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from gateway.spool.journal import BATCH_COUNT, Journal
from gateway.spool.log import Log
from tests.support.processes import wait_until


def journal_to(path: Path, *, quiet: bool = True) -> Journal:
    return Journal(Log(path, quiet=quiet, now_ns=iter(range(10**9, 2 * 10**9)).__next__))


def test_records_of_several_threads_are_all_there_and_each_threads_in_order(tmp_path: Path) -> None:
    count = BATCH_COUNT + 100

    def work(name: str, journal: Journal) -> None:
        for number in range(count):
            journal.info(name, [("N", number)], "m")

    with journal_to(tmp_path / "log") as journal:
        threads = [threading.Thread(target=work, args=(name, journal)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = (tmp_path / "log").read_text().split("\n\n")
    for name in ("a", "b"):
        numbers = [int(record.split("N: ")[1].split()[0]) for record in records if f"Who: {name}\n" in record]
        assert numbers == list(range(count))


def test_whoever_records_does_not_wait_for_a_locked_log(tmp_path: Path) -> None:
    journal = journal_to(tmp_path / "log")
    lock = os.open(tmp_path / "log.lock", os.O_WRONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for number in range(100):
        journal.error("rx", [("N", number)], "bad", "m")
    assert not (tmp_path / "log").exists()
    os.close(lock)
    journal.close()
    assert (tmp_path / "log").read_text().count("Err: bad\n") == 100


def test_records_may_follow_after_the_end(tmp_path: Path) -> None:
    journal = journal_to(tmp_path / "log")
    journal.close()
    journal.info("rx", [], "one")
    journal.close()
    journal.close()
    journal.info("rx", [], "two")
    wait_until(lambda: "two" in (tmp_path / "log").read_text(), 60, "the record")
    journal.close()


def test_each_record_is_a_line_for_people_unless_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with journal_to(tmp_path / "log", quiet=False) as journal:
        journal.info("rx", [], "one")
        journal.error("rx", [], "bad", "two")
    assert capsys.readouterr().err == "1970-01-01T00:00:01Z one\n1970-01-01T00:00:01Z ERROR two: bad\n"
