"""Making a packet while the disk refuses or the program is stopped."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError, StoreFull
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from gateway.tx.exec_packet import send_exec
from tests.support.crash import run_until_step
from tests.support.small_disk import small_disk_at
from tests.support.tossing import Pair, failing_disk, files_below, packets_below

STEP_LIMIT = 100
BODY = os.urandom(300_000)
LARGE_BODY = os.urandom(3_000_000)
"""So much is written by a thread of its own."""


@pytest.mark.parametrize("body", [BODY, LARGE_BODY], ids=["small", "large"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_refusal_at_any_step_leaves_no_half_packet(tmp_path: Path, number: int, body: bytes) -> None:
    """Either the packet is in tx and whole, or the caller is told and no temporary is left."""
    for step in range(STEP_LIMIT):
        pair = Pair(tmp_path / str(step))
        disk, steps = failing_disk(step, number)
        spool = Spool(pair.spools["a"].root, disk)
        fault: StoreError | None = None
        try:
            send_exec(spool, pair.books["a"].private_keys(), pair.request("x"), [body])
        except StoreError as error:
            fault = error
        packets = packets_below(spool.root)
        assert packets or fault
        if fault:
            assert isinstance(fault, StoreFull) is (number in {errno.ENOSPC, errno.EDQUOT})
            assert str(tmp_path) in str(fault)
        assert list(spool.layout.temporaries.iterdir() if spool.layout.temporaries.exists() else []) == []
        if len(steps) <= step:
            assert fault is None
            break
    else:
        raise AssertionError("sending never came to its end")
    assert step > 5


@pytest.mark.parametrize("body", [BODY, LARGE_BODY], ids=["small", "large"])
def test_a_stop_at_any_step_leaves_a_whole_packet_or_none(tmp_path: Path, body: bytes) -> None:
    """What kill -9 leaves under a packet's name is whole; else there is at most a temporary."""
    for step in range(STEP_LIMIT):
        pair = Pair(tmp_path / str(step))
        root = pair.spools["a"].root

        def work(disk: Disk, pair: Pair = pair, root: Path = root) -> None:
            send_exec(Spool(root, disk), pair.books["a"].private_keys(), pair.request("x"), [body])

        was_stopped, steps = run_until_step(step, work)
        packets = packets_below(root)
        assert len(packets) == ("rename" in steps)
        if not was_stopped:
            break
    else:
        raise AssertionError("sending never came to its end")
    assert len(packets) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    with small_disk_at(tmp_path / "small") as mount:
        yield mount


def test_a_disk_that_is_really_full(tmp_path: Path, small_disk: Path) -> None:
    """On a real full file system nothing is left, and what fits still goes afterwards."""
    pair = Pair(tmp_path / "nodes")
    spool = Spool(small_disk / "spool", Disk())
    own = pair.books["a"].private_keys()
    with pytest.raises(StoreFull, match="No space left"):
        send_exec(spool, own, pair.request("x"), [os.urandom(1 << 20)])
    assert files_below(small_disk) == []
    send_exec(spool, own, pair.request("x"), [BODY])
    assert len(list(spool.jobs(pair.id("b"), Box.TX))) == 1
