"""The exchange through a directory while a disk refuses, is full, or the program is stopped."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.carry.xfer import Xfer, XferResult, XferSettings
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.spool.store import Spool
from gateway.toss.incoming import Incoming
from tests.support.crash import run_until_step
from tests.support.own_kernel import has_own_kernel, run_in_own_kernel
from tests.support.peers import require, require_root
from tests.support.small_disk import small_disk_at
from tests.support.tossing import Pair, failing_disk, files_below, packets_below

STEP_LIMIT = 150
BODIES = (b"small", os.urandom(200_000))
FAT_DEVICE = "FAT_STICK_DEVICE"
KERNEL_SECONDS = 240


class Site(Pair):
    """Two packets of a for b, and a stick."""

    def __init__(self, directory: Path, stick: Path | None = None) -> None:
        super().__init__(directory)
        self.stick = stick or directory / "stick"
        self.stick.mkdir(exist_ok=True)

    def queue(self, *bodies: bytes, **fields: Any) -> None:
        for body in bodies:
            self.send("x", body, **fields).unlink()

    def xfer(self, at: str, disk: Disk | None = None, **settings: Any) -> XferResult:
        spool = self.spools[at] if disk is None else Spool(self.spools[at].root, disk)
        return Xfer(self.books[at], spool, self.log(at), self.stick, XferSettings(**settings)).run_once()

    def on_stick(self) -> set[str]:
        return packets_below(self.stick)

    def all_packets(self) -> set[str]:
        return self.on_stick() | packets_below(self.spools["a"].root) | packets_below(self.spools["b"].root)


def prepared(directory: Path, half: str) -> tuple[Site, set[str]]:
    site = Site(directory)
    site.queue(*BODIES)
    names = site.all_packets()
    assert len(names) == len(BODIES)
    if half == "b":
        assert site.xfer("a", is_making_directories=True).sent_count == len(BODIES)
    return site, names


@pytest.mark.parametrize("half", ["a", "b"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_refusal_at_any_step_loses_nothing(tmp_path: Path, half: str, number: int) -> None:
    """Every packet is whole on one side at least, the fault is told, and the next exchange ends the work."""
    for step in range(STEP_LIMIT):
        site, names = prepared(tmp_path / str(step), half)
        disk, steps = failing_disk(step, number)
        result = site.xfer(half, disk, is_making_directories=True)
        assert site.all_packets() == names
        if len(steps) <= step:
            assert result.bad_count == 0
            break
        if result.bad_count:
            assert "made to fail" in site.log_text(half)
        site.xfer("a", is_making_directories=True)
        site.xfer("b")
        site.xfer("a")
        site.xfer("b")
        assert {job.packet.text for job in site.received()} == names
    else:
        raise AssertionError("the exchange never came to its end")


@pytest.mark.parametrize("half", ["a", "b"])
def test_a_stop_at_any_step_loses_nothing(tmp_path: Path, half: str) -> None:
    """After kill -9 at any step every packet is whole on one side at least."""
    for step in range(STEP_LIMIT):
        site, names = prepared(tmp_path / str(step), half)

        def work(disk: Disk, site: Site = site) -> None:
            site.xfer(half, disk, is_making_directories=True)

        was_stopped, _ = run_until_step(step, work)
        assert site.all_packets() == names
        if not was_stopped:
            break
    else:
        raise AssertionError("the exchange never came to its end")
    assert step > 10


@pytest.fixture
def small_stick(tmp_path: Path) -> Iterator[Path]:
    """A stick of half a megabyte."""
    with small_disk_at(tmp_path / "stick") as mount:
        yield mount


def test_a_full_stick_takes_the_most_urgent(tmp_path: Path, small_stick: Path) -> None:
    """What does not fit stays in the spool; the urgent packets went, and the fault is told once."""
    site = Site(tmp_path / "nodes", small_stick)
    for nice in (200, 100, 50):
        site.queue(os.urandom(150_000), os.urandom(150_000), nice=nice, is_compressed=False)
    names = site.all_packets()
    by_nice = {job.packet.text: job.header.nice for job in site.waiting("b")}
    result = site.xfer("a", is_making_directories=True)
    assert (result.sent_count, result.bad_count) == (3, 1)
    assert sorted(by_nice[name] for name in site.on_stick()) == [50, 50, 100]
    assert site.all_packets() == names
    assert len(site.waiting("b")) == 3
    assert site.log_text("a").count("Err: is not enough space") == 1
    assert "3 packets" in site.log_text("a")
    assert not [path for path in files_below(small_stick) if path.name.startswith("nncpxfer")]
    site.xfer("b")
    site.xfer("a")
    site.xfer("b")
    assert {job.packet.text for job in site.received()} == names


def test_a_stick_that_cannot_be_written(tmp_path: Path, small_stick: Path) -> None:
    """A write-protected stick is told, and its packets are still received."""
    site = Site(tmp_path / "nodes", small_stick)
    site.queue(b"on the stick")
    site.xfer("a", is_making_directories=True)
    site.queue(b"one", b"two")
    subprocess.run(["mount", "-o", "remount,ro", str(small_stick)], check=True)
    sending = site.xfer("a")
    assert (sending.sent_count, sending.bad_count) == (0, 1)
    assert "Read-only file system" in site.log_text("a")
    assert len(site.waiting("b")) == 2
    receiving = site.xfer("b", is_sending=False)
    assert receiving.bad_count == 1
    assert len(site.received()) == 1
    assert "Read-only file system" in site.log_text("b")


def test_a_stick_that_is_unmounted_meanwhile_gets_nothing_under_its_mount_point(
    tmp_path: Path, small_stick: Path
) -> None:
    """No packet leaves the spool for the empty directory that a pulled-out stick was mounted on."""
    spare = tmp_path / "spare"
    spare.mkdir()
    for step in range(STEP_LIMIT):
        site = Site(tmp_path / str(step), small_stick)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small_stick)], check=True)
        site.queue(*BODIES)
        names = site.all_packets()
        steps: list[str] = []

        def pull_out(name: str, _path: Path, step: int = step, steps: list[str] = steps) -> None:
            steps.append(name)
            if len(steps) - 1 == step:
                subprocess.run(["mount", "--bind", str(spare), str(small_stick)], check=True)

        result = site.xfer("a", Disk(is_syncing=False, hook=pull_out), is_making_directories=True)
        is_pulled = len(steps) > step
        on_spare = packets_below(spare)
        if is_pulled:
            subprocess.run(["umount", str(small_stick)], check=True)
        kept = packets_below(site.spools["a"].root) | site.on_stick()
        subprocess.run(["umount", str(small_stick)], check=True)
        shutil.rmtree(spare)
        spare.mkdir()
        assert kept == names
        if not is_pulled:
            assert result == XferResult(sent_count=2)
            break
        assert result.bad_count or not on_spare
    else:
        raise AssertionError("the exchange never came to its end")


def send_with_a_file_limit(site: Site, limit_bytes: int) -> int:
    """Send in a child process whose files cannot grow beyond a limit; returns how many were sent."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
            status = site.xfer("a", Disk(is_syncing=False), is_making_directories=True).sent_count
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_packet_that_the_file_system_finds_too_large_stays_and_the_others_go(tmp_path: Path) -> None:
    """The system's limit for one file (on FAT32 4 GiB) keeps one packet back, told, and no other."""
    site = Site(tmp_path)
    site.queue(os.urandom(300_000), nice=10)
    site.queue(b"small", b"small too", nice=20)
    assert send_with_a_file_limit(site, 100_000) == 2
    assert len(site.on_stick()) == 2
    assert len(site.waiting("b")) == 1
    assert site.log_text("a").count("Err: cannot write") == 1
    assert "File too large" in site.log_text("a")
    assert [path.name for path in files_below(site.stick) if path.name.startswith("nncpxfer")] == []


def fat_image(path: Path) -> Path:
    """A FAT32 stick of 6 GiB, in a file with holes."""
    require_root()
    require("mkfs.vfat")
    with path.open("wb") as file:
        file.truncate(6 * 1024**3)
    subprocess.run(["mkfs.vfat", "-F", "32", "-s", "64", str(path)], check=True, capture_output=True)
    return path


def mount_fat(directory: Path, device: str | None = None) -> str:
    """Mount a FAT32 stick on ``DIRECTORY/fat``; returns why it can't be, or an empty text."""
    mount = directory / "fat"
    mount.mkdir()
    source = [device] if device is not None else ["-o", "loop", str(fat_image(directory / "fat.img"))]
    argv = ["mount", "-t", "vfat", *source, str(mount)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return f"vfat cannot be mounted: {done.stderr.strip()}" if done.returncode else ""


@pytest.fixture
def fat_stick(tmp_path: Path) -> Iterator[Path]:
    """A FAT32 stick, mounted."""
    device = os.environ.get(FAT_DEVICE)
    refused = mount_fat(tmp_path, device)
    if refused and device is None:
        # Even where every peer must be there: the kernel decides this.
        pytest.skip(f"not under this kernel, {refused}")
    assert not refused, refused
    yield tmp_path / "fat"
    subprocess.run(["umount", str(tmp_path / "fat")], check=True)


def test_a_packet_beyond_4_gib_stays_off_a_fat32_stick_and_the_others_go(
    tmp_path: Path, fat_stick: Path
) -> None:
    """It is told before a byte of it is copied."""
    site = Site(tmp_path / "nodes", fat_stick)
    site.queue(b"large", nice=10)
    [large] = site.waiting("b")
    os.truncate(large.path, 4 * 1024**3)
    site.queue(b"small", nice=20)
    result = site.xfer("a", is_making_directories=True)
    assert (result.sent_count, result.bad_count) == (1, 1)
    assert "takes no file of 4.0 GiB (FAT32: less than 4.0 GiB)" in site.log_text("a")
    assert large.path.exists()
    assert site.xfer("b").received_count == 1


def test_a_file_for_a_fat32_disk_never_replaces_another(tmp_path: Path, fat_stick: Path) -> None:
    """Where there are no hard links a received file gets the next free name, too."""
    place = Incoming(fat_stick / "in", Disk())
    for number, content in enumerate([b"one", b"two", b"three"]):
        place.put(place.place(b"dir/name"), PacketId(bytes([number]) * 32), [content])
    found = {path.name: path.read_bytes() for path in files_below(fat_stick)}
    assert found == {"name": b"one", "name.0": b"two", "name.1": b"three"}


FAT_TESTS = (
    test_a_packet_beyond_4_gib_stays_off_a_fat32_stick_and_the_others_go,
    test_a_file_for_a_fat32_disk_never_replaces_another,
)


def test_fat32_under_a_kernel_that_has_it(tmp_path: Path) -> None:
    """Where this machine's kernel mounts no FAT, the tests of it run under another."""
    refused = mount_fat(tmp_path)
    if not refused:
        subprocess.run(["umount", str(tmp_path / "fat")], check=True)
        pytest.skip("this kernel has FAT: the tests of it ran under it")
    if not has_own_kernel():
        # Ubuntu has no such package.
        pytest.skip(f"FAT32 IS NOT TESTED: {refused}, and user-mode-linux is not installed")
    place = tmp_path / "kernel"
    place.mkdir()
    flags = ["-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inside'}"]
    status, said = run_in_own_kernel(
        [sys.executable, "-m", "pytest", *flags, *(f"{__file__}::{test.__name__}" for test in FAT_TESTS)],
        place,
        {**os.environ, FAT_DEVICE: "/dev/ubda"},
        disk=tmp_path / "fat.img",
        modules=("nls_cp437", "nls_iso8859-1", "nls_ascii", "fat", "vfat"),
        seconds=KERNEL_SECONDS,
    )
    assert (status, f"{len(FAT_TESTS)} passed" in said) == (0, True), said
