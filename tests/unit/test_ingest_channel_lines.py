"""What comes by a pipe is in a file at once, whoever is killed, and in whole lines."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ingest.channel_lines import MOVE_BYTES, LineKeeper
from tests.support.peers import PROJECT
from tests.support.processes import wait_until

CHILD = """
import sys
from pathlib import Path
from gateway.durable import Disk
from gateway.ingest.channel_lines import LineKeeper
for path in LineKeeper(0, Path(sys.argv[1]), Disk(is_syncing=False)).keep_all():
    pass
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    source, target = os.pipe()
    yield source, target
    for fd in (source, target):
        try:
            os.close(fd)
        except OSError:
            continue


def keeper(fd: int, directory: Path) -> LineKeeper:
    return LineKeeper(fd, directory, Disk(is_syncing=False))


def kept(directory: Path, suffix: str = ".lines") -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.glob(f"*{suffix}")))


def test_files_hold_whole_lines_however_they_come(tmp_path: Path, pipe: tuple[int, int]) -> None:
    source, target = pipe
    lines = b"".join(b"line %d\n" % number for number in range(5))
    moved = keeper(source, tmp_path).keep_all()
    os.write(target, lines)
    assert next(moved).read_bytes() == lines
    os.write(target, b"one\ntwo\nthr")

    def write_rest() -> None:
        wait_until(lambda: kept(tmp_path, ".part").endswith(b"thr"), 60, "the beginning of a line")
        os.write(target, b"ee\nfour")

    thread = threading.Thread(target=write_rest)
    thread.start()
    assert next(moved).read_bytes() == b"one\ntwo\nthree\n"
    thread.join(60)
    os.close(target)
    assert [path.read_bytes() for path in moved] == [b"four"]
    assert kept(tmp_path, ".part") == b""


def test_a_flood_is_cut_between_lines(tmp_path: Path, pipe: tuple[int, int]) -> None:
    source, target = pipe
    line = b"x" * 99 + b"\n"
    child = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.write(1, {line!r} * 5000)"], stdout=target
    )
    os.close(target)
    files = [path.read_bytes() for path in keeper(source, tmp_path).keep_all()]
    child.wait(60)
    assert b"".join(files) == line * 5000
    assert max(map(len, files)) <= MOVE_BYTES + len(line)
    assert all(content.endswith(b"\n") for content in files)


def test_who_is_killed_loses_nothing_while_somebody_holds_the_pipe(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    source, target = pipe
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    lines = [b"line %d\n" % number for number in range(60)]
    for number, line in enumerate(lines):
        if number % 20 == 0:
            child = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path], stdin=source, env=environ)
        # The end of each fourth line comes after its beginning was moved.
        head, tail = (line[:5], line[5:]) if number % 4 == 0 else (line, b"")
        os.write(target, head)
        if number % 20 == 16:
            wait_until(lambda: kept(tmp_path, ".part").endswith(head), 60, "a line in part")  # noqa: B023
            child.send_signal(signal.SIGKILL)
            child.wait(60)
        os.write(target, tail)
    os.close(target)
    for _ in keeper(source, tmp_path).keep_all():
        pass
    assert kept(tmp_path) == b"".join(lines)


def test_what_another_pipe_left_is_taken_over_and_what_is_held_is_not(tmp_path: Path) -> None:
    gone, living = os.pipe(), os.pipe()
    os.write(gone[1], b"whole\nbroken of")
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen([sys.executable, "-c", CHILD, tmp_path], stdin=gone[0], env=environ) as child:
        wait_until(lambda: kept(tmp_path, ".part") == b"whole\nbroken of", 60, "the part")
        keeper(living[0], tmp_path).take_over()
        assert kept(tmp_path) == b""
        child.kill()
    keeper(living[0], tmp_path).take_over()
    assert kept(tmp_path) == b"whole\nbroken of"
    assert list(tmp_path.glob("*.part")) == []
    keeper(living[0], tmp_path).take_over()
    for fd in (*gone, *living):
        os.close(fd)


def test_what_is_no_pipe_is_read_as_well(tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.write_bytes(b"one\ntwo")
    directory = tmp_path / "lines"
    directory.mkdir()
    with source.open("rb") as file:
        assert [path.read_bytes() for path in keeper(file.fileno(), directory).keep_all()] == [b"one\ntwo"]
