import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError, StoreFull
from gateway.spool.layout import Box, LockKind
from gateway.spool.store import Spool
from tests.support.spools import NODE, commit, make_packet, new_packet_id, open_spool

BODY = b"x" * 5000


class PowerCut(BaseException):
    """The program is gone: no handler of ours may run as if it were an error."""


class Interrupted:
    """Raises at the k-th step that has the wanted name (or any name)."""

    def __init__(self, k: int, failure: Callable[[], BaseException], step: str = "") -> None:
        self.k = k
        self.failure = failure
        self.step = step
        self.count = 0

    def __call__(self, step: str, _path: Path) -> None:
        if self.step in ("", step):
            self.count += 1
            if self.count == self.k:
                raise self.failure()


def count_steps(home: Path) -> int:
    home.mkdir()
    counter = Interrupted(-1, PowerCut)
    commit(open_spool(home, Disk(hook=counter)), make_packet(body=BODY))
    return counter.count


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def listed(spool: Spool) -> list[Path]:
    return [job.path for job in spool.jobs(NODE, Box.TX)]


def test_power_cut_at_every_step_of_a_commit(tmp_path: Path) -> None:
    """After a cut at any step the packet is wholly there or not at all, and can be queued again."""
    total = count_steps(tmp_path / "counting")
    assert total > 10
    was_there: list[bool] = []
    for k in range(1, total + 1):
        home = tmp_path / str(k)
        home.mkdir()
        data, packet = make_packet(body=BODY), new_packet_id()
        with pytest.raises(PowerCut):
            commit(open_spool(home, Disk(hook=Interrupted(k, PowerCut))), data, Box.TX, packet)
        again = open_spool(home)
        found = listed(again)
        assert all(path.read_bytes() == data for path in found)
        was_there.append(bool(found))
        assert commit(again, data, Box.TX, packet).read_bytes() == data
        assert len(listed(again)) == 1
    assert not was_there[0]
    assert was_there[-1]
    assert was_there == sorted(was_there)


def test_full_disk_at_every_step_of_a_commit(tmp_path: Path) -> None:
    """A full disk either refuses the packet with a clear error or has taken it whole."""
    total = count_steps(tmp_path / "counting")
    for k in range(1, total + 1):
        home = tmp_path / str(k)
        home.mkdir()
        data, packet = make_packet(body=BODY), new_packet_id()
        spool = open_spool(home, Disk(hook=Interrupted(k, full)))
        refusals: list[StoreFull] = []
        try:
            commit(spool, data, Box.TX, packet)
        except StoreFull as error:
            refusals.append(error)
        found = listed(open_spool(home))
        assert all(path.read_bytes() == data for path in found)
        assert all(str(home) in str(error) for error in refusals)
        assert found or refusals


def test_header_copy_that_cannot_be_written_does_not_lose_the_packet(tmp_path: Path) -> None:
    """The copy of a header is a convenience: without it the packet is queued all the same."""
    data = make_packet(nice=9, body=BODY)
    hook = Interrupted(2, full, "write")
    spool = open_spool(tmp_path, Disk(hook=hook))
    path = commit(spool, data)
    assert hook.count == 2
    assert path.read_bytes() == data
    assert list((path.parent / "hdr").iterdir()) == []
    assert list((spool.root / "tmp").iterdir()) == []
    assert [job.header.nice for job in open_spool(tmp_path).jobs(NODE, Box.TX)] == [9]


def test_refused_packet_leaves_no_temporary(tmp_path: Path) -> None:
    """Whoever is refused because of a full disk has not filled it further."""
    spool = open_spool(tmp_path, Disk(hook=Interrupted(1, full, "sync")))
    with pytest.raises(StoreFull):
        commit(spool, make_packet(body=BODY))
    assert list((spool.root / "tmp").iterdir()) == []


def test_cut_between_packet_and_header_when_removing(tmp_path: Path) -> None:
    """A header copy without its packet, as a cut during removal leaves it, is no packet."""
    commit(open_spool(tmp_path), make_packet())
    spool = open_spool(tmp_path, Disk(hook=Interrupted(2, PowerCut, "remove")))
    (job,) = spool.jobs(NODE, Box.TX)
    with pytest.raises(PowerCut):
        spool.remove(job)
    assert listed(open_spool(tmp_path)) == []


def test_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """A lock that cannot be made is an error that names it, never a lock that is held."""
    spool = open_spool(tmp_path, Disk(hook=Interrupted(1, full, "touch")))
    with pytest.raises(StoreError, match=r"toss\.lock"), spool.lock(NODE, LockKind.TOSS):
        pytest.fail("not locked")
