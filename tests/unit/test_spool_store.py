import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadMagic, GatewayError, StoreBusy, StoreError, Truncated
from gateway.spool.layout import Box, LockKind
from gateway.spool.store import Job, Spool
from tests.support.spools import NODE, commit, make_packet, new_packet_id, open_spool


def paths_of(spool: Spool, box: Box = Box.TX) -> list[Path]:
    return [job.path for job in spool.jobs(NODE, box)]


def put(spool: Spool, name: str, data: bytes, box: Box = Box.RX) -> Path:
    path = spool.layout.box(NODE, box) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_committed_packet_is_listed_with_its_header(tmp_path: Path) -> None:
    spool, data, packet = open_spool(tmp_path), make_packet(nice=33), new_packet_id()
    path = commit(spool, data, Box.TX, packet)
    (job,) = spool.jobs(NODE, Box.TX)
    assert (job.path, job.box, job.node, job.packet) == (path, Box.TX, NODE, packet)
    assert (job.size_bytes, job.header.nice) == (len(data), 33)
    assert path == spool.layout.packet(NODE, Box.TX, packet)
    assert path.read_bytes() == data
    assert (path.parent / "hdr" / path.name).read_bytes() == data[:172]
    assert (spool.root / "bob").readlink() == spool.root / NODE.text
    assert spool.has_packet(NODE, Box.TX, packet)
    assert not spool.has_packet(NODE, Box.RX, packet)
    assert list((spool.root / "tmp").iterdir()) == []


def test_temporary_that_was_kept_is_committed_by_its_path(tmp_path: Path) -> None:
    spool, data, packet = open_spool(tmp_path), make_packet(), new_packet_id()
    with spool.new_tx_temporary(NODE, "batch.sealing") as temporary:
        temporary.write(data)
        temporary.keep()
    assert paths_of(spool) == []
    path = spool.commit(temporary.path, NODE, Box.TX, packet, data[:172])
    assert path.read_bytes() == data
    assert not temporary.path.exists()


def test_temporary_in_tx_exists_once(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    with spool.new_tx_temporary(NODE, "one"), pytest.raises(StoreError, match="one"):
        spool.new_tx_temporary(NODE, "one")


@pytest.mark.parametrize("is_off", [True, False])
def test_header_copies_can_be_switched_off(tmp_path: Path, *, is_off: bool) -> None:
    spool = open_spool(tmp_path, nohdr=is_off)
    path = commit(spool, make_packet())
    assert len(paths_of(spool)) == 1
    assert (path.parent / "hdr").exists() != is_off


def test_packet_without_header_copy_gets_one_when_listed(tmp_path: Path) -> None:
    spool, data = open_spool(tmp_path), make_packet(nice=7)
    with spool.new_temporary() as temporary:
        temporary.write(data)
        path = spool.commit(temporary, NODE, Box.TX, new_packet_id(), None)
    assert not (path.parent / "hdr").exists()
    assert [job.header.nice for job in spool.jobs(NODE, Box.TX)] == [7]
    assert (path.parent / "hdr" / path.name).read_bytes() == data[:172]


def test_header_copy_is_read_rather_than_the_packet(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    path = commit(spool, make_packet(nice=7))
    path.write_bytes(make_packet(nice=8))
    assert [job.header.nice for job in spool.jobs(NODE, Box.TX)] == [7]


@pytest.mark.parametrize("garbage", [b"", b"NNCPE", b"\0" * 172])
def test_header_copy_that_a_crash_spoiled_is_made_again(tmp_path: Path, garbage: bytes) -> None:
    spool, data = open_spool(tmp_path), make_packet(nice=7)
    path = commit(spool, data)
    copy = path.parent / "hdr" / path.name
    copy.write_bytes(garbage)
    assert [job.header.nice for job in spool.jobs(NODE, Box.TX)] == [7]
    assert copy.read_bytes() == data[:172]


def test_garbage_is_reported_and_left_alone(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    good = commit(spool, make_packet(), Box.RX)
    short, wrong, directory = (put(spool, new_packet_id().text, data) for data in (b"x", b"\0" * 300, b""))
    directory.unlink()
    directory.mkdir()
    reported: dict[Path, GatewayError] = {}
    found = [job.path for job in spool.jobs(NODE, Box.RX, reported.__setitem__)]
    assert found == [good]
    assert isinstance(reported[short], Truncated)
    assert isinstance(reported[wrong], BadMagic)
    assert isinstance(reported[directory], StoreError)
    assert all(str(path) in str(error) for path, error in reported.items())
    assert short.exists()
    assert wrong.exists()
    assert [job.path for job in spool.jobs(NODE, Box.RX)] == [good]


def test_other_names_are_no_jobs(tmp_path: Path) -> None:
    spool, data = open_spool(tmp_path), make_packet()
    name = new_packet_id().text
    for other in ("x", name + ".part", name + ".nock", name[:-1], name.lower(), "batch.sealing"):
        put(spool, other, data)
    assert paths_of(spool, Box.RX) == []


def test_parts_and_unchecked_packets_are_listed_apart(tmp_path: Path) -> None:
    spool, name = open_spool(tmp_path), new_packet_id().text
    nock = put(spool, name + ".nock", make_packet(nice=5))
    put(spool, new_packet_id().text + ".nock", b"short")
    part = put(spool, name + ".part", b"xyz")
    assert [(job.path, job.header.nice) for job in spool.nocks(NODE)] == [(nock, 5)]
    assert [(found.path, found.size_bytes) for found in spool.parts(NODE)] == [(part, 3)]
    assert not (nock.parent / "hdr").exists()


def test_box_that_is_not_there_is_empty(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    assert paths_of(spool) == []
    assert list(spool.parts(NODE)) == []


def test_box_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    box = spool.layout.box(NODE, Box.TX)
    box.parent.mkdir(parents=True)
    box.write_bytes(b"")
    with pytest.raises(StoreError, match=str(box)):
        paths_of(spool)


def test_packets_may_be_removed_while_they_are_listed(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for _ in range(20):
        commit(spool, make_packet())
    for job in spool.jobs(NODE, Box.TX):
        spool.remove(job)
    assert paths_of(spool) == []
    assert list((spool.layout.box(NODE, Box.TX) / "hdr").iterdir()) == []


def test_packet_that_disappears_meanwhile_is_passed_over(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, nohdr=True)
    for _ in range(5):
        commit(spool, make_packet())
    reported: dict[Path, GatewayError] = {}
    jobs = spool.jobs(NODE, Box.TX, reported.__setitem__)
    first = next(jobs)
    for path in list(first.path.parent.iterdir()):
        path.unlink()
    assert list(jobs) == []
    assert reported == {}


def test_removing_twice_is_no_error(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    commit(spool, make_packet())
    (job,) = spool.jobs(NODE, Box.TX)
    spool.remove(job)
    spool.remove(job)
    assert not job.path.exists()


def test_seen_packet_is_remembered(tmp_path: Path) -> None:
    spool, packet = open_spool(tmp_path), new_packet_id()
    assert not spool.is_seen(NODE, packet)
    spool.mark_seen(NODE, packet)
    spool.mark_seen(NODE, packet)
    assert spool.is_seen(NODE, packet)
    assert (spool.layout.box(NODE, Box.RX) / "seen" / packet.text).read_bytes() == b""


def test_lock_excludes_another_process_and_its_file_stays(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    path = spool.layout.lock(NODE, LockKind.TOSS)
    program = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    argv = [sys.executable, "-c", program, str(path)]
    with spool.lock(NODE, LockKind.TOSS):
        with pytest.raises(StoreBusy, match=r"toss\.lock"), spool.lock(NODE, LockKind.TOSS):
            pass
        assert subprocess.run(argv, capture_output=True, check=False).returncode != 0
        with spool.lock(NODE, LockKind.TX):
            pass
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0
    assert path.exists()
    assert spool.layout.box(NODE, Box.RX).is_dir()


def test_missing_spool_is_told_in_the_words_of_the_go_tools(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    with pytest.raises(StoreError, match=r"Can not stat spool .*: No such file"):
        spool.check()
    with pytest.raises(StoreError, match="Can not stat spool"):
        spool.free_bytes()
    spool.root.mkdir()
    spool.check()
    assert spool.free_bytes() > 0


def test_modes_are_left_to_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = commit(open_spool(tmp_path), make_packet())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    assert stat.S_IMODE((path.parent / "hdr" / path.name).stat().st_mode) == 0o640


@pytest.mark.parametrize("alias", ["tmp", "a/b", "../x", "", ".", "A\0"])
def test_alias_that_cannot_be_a_link_is_passed_over(tmp_path: Path, alias: str) -> None:
    spool, data = open_spool(tmp_path), make_packet()
    with spool.new_temporary() as temporary:
        temporary.write(data)
        assert spool.commit(temporary, NODE, Box.TX, new_packet_id(), None, alias).exists()
    assert sorted(path.name for path in spool.root.iterdir()) == sorted(["tmp", NODE.text])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spool"]


def test_existing_link_stays(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.root.mkdir()
    (spool.root / "bob").symlink_to("elsewhere")
    commit(spool, make_packet())
    assert (spool.root / "bob").readlink() == Path("elsewhere")


def test_listing_does_not_read_ahead(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, nohdr=True)
    for _ in range(3):
        commit(spool, make_packet())
    jobs = spool.jobs(NODE, Box.TX)
    first = next(jobs)
    assert isinstance(first, Job)
    for path in first.path.parent.iterdir():
        path.write_bytes(make_packet(nice=200))
    assert [job.header.nice for job in jobs] == [200, 200]


def test_steps_of_a_commit_come_in_the_durable_order(tmp_path: Path) -> None:
    steps: list[tuple[str, Path]] = []
    spool = open_spool(tmp_path, Disk(hook=lambda step, path: steps.append((step, path))))
    path = commit(spool, make_packet())
    names = [
        (step, where.name if where.parent != path.parent else "box/" + where.name) for step, where in steps
    ]
    packet = "box/" + path.name
    assert names.index(("rename", packet)) > names.index(("sync", steps[4][1].name))
    assert names[names.index(("rename", packet)) + 1] == ("sync-directory", "tx")
    assert names.index(("symlink", "bob")) > names.index(("rename", packet))
    assert [step for step, where in steps if where.parent.name == "hdr"] == ["rename"]
