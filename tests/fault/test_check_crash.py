"""``.nock`` files become packets while the program is stopped or the disk refuses, at any step."""

import errno
from pathlib import Path

import pytest

from gateway.carry.check import Checker
from gateway.durable import Disk
from gateway.spool.store import Spool
from tests.support.crash import run_until_step
from tests.support.tossing import Pair, failing_disk

STEP_LIMIT = 40


def prepared(directory: Path) -> tuple[Pair, Path]:
    pair = Pair(directory)
    packet = pair.send("x", b"body" * 1000)
    packet.rename(packet.with_name(f"{packet.name}.nock"))
    return pair, packet


def take(pair: Pair, disk: Disk) -> int:
    spool = Spool(pair.spools["b"].root, disk)
    return Checker(pair.books["b"], spool, pair.log()).take_nocks().bad_count


def is_whole_once(packet: Path) -> bool:
    nock = packet.with_name(f"{packet.name}.nock")
    return [path.stat().st_size for path in (packet, nock) if path.exists()] != [] and (
        packet.exists() != nock.exists()
    )


def test_after_a_stop_at_any_step_the_next_check_ends_the_work(tmp_path: Path) -> None:
    """The file has one of its two names after kill -9, and is a packet after the next check."""
    for step in range(STEP_LIMIT):
        pair, packet = prepared(tmp_path / str(step))

        def work(disk: Disk, pair: Pair = pair) -> None:
            take(pair, disk)

        was_stopped, _ = run_until_step(step, work)
        assert is_whole_once(packet)
        assert take(pair, Disk()) == 0
        assert [job.packet.text for job in pair.received()] == [packet.name]
        if not was_stopped:
            break
    else:
        raise AssertionError("the check never came to its end")
    assert step > 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_refusal_at_any_step_loses_nothing(tmp_path: Path, number: int) -> None:
    """A full or failing disk is told, and the next check ends the work."""
    for step in range(STEP_LIMIT):
        pair, packet = prepared(tmp_path / str(step))
        disk, steps = failing_disk(step, number)
        bad_count = take(pair, disk)
        assert is_whole_once(packet)
        if len(steps) <= step:
            assert bad_count == 0
            break
        assert take(pair, Disk()) == 0
        assert [job.packet.text for job in pair.received()] == [packet.name]
    else:
        raise AssertionError("the check never came to its end")
