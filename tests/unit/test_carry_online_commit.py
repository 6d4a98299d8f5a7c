"""Received packets become durable in groups, and each fails alone."""

import dataclasses
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.carry.online.commit import GROUP_COUNT, TOGETHER_COUNT, Committer, Whole
from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.ids import PacketId
from gateway.spool.layout import Box
from tests.support.online_sessions import Site


class Bench:
    """A committer of the node b, and what it told."""

    def __init__(
        self,
        home: Path,
        hook: Callable[[str, Path], None] = lambda _step, _path: None,
        disk: Disk | None = None,
    ) -> None:
        self.site = Site(home, "b", disk or Disk(is_syncing=False, hook=hook))
        self.rx = self.site.box(Box.RX)
        self.rx.mkdir(parents=True)
        self.groups: list[Sequence[Whole]] = []
        self.failures: list[tuple[Whole, StoreError]] = []
        self.committer = Committer(
            self.site.spool, self.groups.append, lambda whole, error: self.failures.append((whole, error))
        )

    def put(self, number: int, *, is_verified: bool = True) -> Whole:
        packet = PacketId(bytes([number]) * 32)
        path = self.rx / f"{packet}.part"
        path.write_bytes(b"x" * 200)
        whole = Whole(packet, path, 200, b"x" * 172, is_verified=is_verified)
        self.committer.add([whole])
        return whole


def test_all_that_waits_is_renamed_with_one_sync_of_the_directory_and_told_after_it(tmp_path: Path) -> None:
    steps: list[str] = []
    bench = Bench(tmp_path, lambda step, path: steps.append(f"{step} {path.name[-5:]}"))
    verified = [bench.put(number) for number in range(20)]
    nock = bench.put(20, is_verified=False)
    steps.clear()
    bench.committer.run_once()
    assert steps[:21] == ["sync .part"] * 21
    assert [step.split()[0] for step in steps[21:42]] == ["rename"] * 21
    assert steps[42:] == ["sync-directory rx"]
    assert bench.groups == [[*verified, nock]]
    assert {path.name for path in bench.rx.iterdir()} == {
        *(whole.packet.text for whole in verified), f"{nock.packet}.nock",
    }  # fmt: skip


def test_more_than_a_group_is_committed_in_groups(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    wholes = [bench.put(number) for number in range(GROUP_COUNT // 2)]
    more = [dataclasses.replace(whole, packet=PacketId(os.urandom(32))) for whole in wholes * 3]
    for whole in more:
        path = bench.rx / f"{whole.packet}.part"
        path.write_bytes(b"x")
        bench.committer.add([dataclasses.replace(whole, path=path)])
    bench.committer.run_once()
    assert [len(group) for group in bench.groups] == [GROUP_COUNT, GROUP_COUNT]
    assert len(list(bench.rx.glob("*.part"))) == 0


def test_packets_on_a_disk_that_syncs_are_there_after_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, disk=Disk())
    bench.committer.open(bench.rx)
    bench.committer.open(bench.rx)
    wholes = [bench.put(number) for number in range(2 * TOGETHER_COUNT)]
    bench.committer.run_once()
    assert bench.groups == [wholes]
    bench.committer.close()
    assert len(list((bench.rx / "hdr").iterdir())) == len(wholes)


def test_nothing_to_do_is_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.committer.run_once()
    bench.committer.close()
    assert bench.groups == []


def test_headers_are_kept_at_the_end_for_packets_that_are_still_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    stays, tossed, unknown = bench.put(1), bench.put(2), bench.put(3, is_verified=False)
    bench.committer.run_once()
    assert not (bench.rx / "hdr").exists()
    tossed.target.unlink()
    bench.committer.close()
    assert [path.name for path in (bench.rx / "hdr").iterdir()] == [stays.packet.text]
    assert unknown.target.exists()


@pytest.mark.parametrize("step", ["sync", "rename"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_packet_that_the_disk_refuses_fails_alone(tmp_path: Path, step: str, number: int) -> None:
    bad = PacketId(bytes([3]) * 32).text

    def hook(name: str, path: Path) -> None:
        if name == step and path.name.startswith(bad):
            raise OSError(number, os.strerror(number))

    bench = Bench(tmp_path, hook)
    wholes = [bench.put(number) for number in range(6)]
    bench.committer.run_once()
    assert [whole for whole, _ in bench.failures] == [wholes[3]]
    assert bench.groups == [wholes[:3] + wholes[4:]]
    assert wholes[3].path.exists()


def test_nothing_counts_when_the_directory_can_not_be_synced(tmp_path: Path) -> None:
    def hook(name: str, _path: Path) -> None:
        if name == "sync-directory":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    bench = Bench(tmp_path, hook)
    wholes = [bench.put(number) for number in range(3)]
    bench.committer.run_once()
    assert bench.groups == []
    assert [whole for whole, _ in bench.failures] == wholes
