"""Toss that is stopped, or that the disk refuses, at any step."""

import errno
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.packet.mth import mth
from gateway.toss.tosser import TossResult
from tests.support.crash import run_until_step
from tests.support.tossing import Pair, failing_disk, packets_below

STEP_LIMIT = 200


def two_packets(directory: Path) -> tuple[Pair, Path]:
    """An exec and a packet to be relayed, in b's rx; and the file the exec writes."""
    pair = Pair(directory, "c", via={"c": ("b",)})
    out = pair.record("x")
    pair.send("x", b"run ")
    pair.send("x", b"relayed", to="c")
    return pair, out


def test_after_a_stop_at_any_step_the_next_toss_does_what_is_left(tmp_path: Path) -> None:
    """A stop loses nothing: an exec runs at least once, a relayed packet arrives under one name."""
    stopped_count = 0
    for step in range(STEP_LIMIT):
        pair, out = two_packets(tmp_path / str(step))

        def work(disk: Disk, pair: Pair = pair) -> None:
            pair.toss(disk=disk, is_seen_marked=True)

        was_stopped, _ = run_until_step(step, work)
        pair.toss(is_seen_marked=True)
        assert pair.received() == []
        assert out.read_text() in {"run ", "run run "}
        [job] = pair.waiting("c", at="b")
        assert mth(job.path.read_bytes()) == job.packet.raw
        if not was_stopped:
            assert out.read_text() == "run "
            break
        stopped_count += 1
    else:
        raise AssertionError("toss never came to its end")
    assert stopped_count > 10


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_any_step_loses_nothing(tmp_path: Path, number: int) -> None:
    """A full or failing disk keeps the packet, is told, and leaves no half packet behind."""
    for step in range(STEP_LIMIT):
        pair, out = two_packets(tmp_path / str(step))
        disk, steps = failing_disk(step, number)
        result = pair.toss(disk=disk)
        packets_below(pair.spools["b"].root)
        if len(steps) <= step:
            break
        if result.bad_count:
            assert "made to fail" in pair.log_text()
        pair.toss()
        assert pair.received() == []
        assert "run " in out.read_text()
        assert len(pair.waiting("c", at="b")) == 1
    else:
        raise AssertionError("toss never came to its end")
    assert result == TossResult(done_count=2)
