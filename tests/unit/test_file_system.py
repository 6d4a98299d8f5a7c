"""A sync of a whole file system, and where it is left to the files one by one."""

import os
from pathlib import Path

import pytest

from gateway import file_system
from gateway.file_system import FileSystem
from tests.support.descriptors import open_files


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on a file system of a kind that counts as known, on a machine with nothing to write."""
    device = tmp_path.stat().st_dev
    mounts, memory = tmp_path / "mountinfo", tmp_path / "meminfo"
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts.write_text(
        f"1 0 0:1 / /other rw - ext4 /dev/o rw\n2 1 {number} / / rw shared:1 - ext4 /dev/d rw\n"
    )
    memory.write_text("MemTotal: 9 kB\nDirty:             32000 kB\nWriteback:           768 kB\n")
    monkeypatch.setattr(file_system, "_MOUNTS", mounts)
    monkeypatch.setattr(file_system, "_MEMORY", memory)
    return tmp_path


def sync(directory: Path) -> bool:
    found = FileSystem(directory)
    try:
        return found.sync()
    finally:
        found.close()
        found.close()


def test_known_kind_of_file_system_is_synced_as_a_whole(known: Path) -> None:
    assert sync(known)


@pytest.mark.parametrize("kind", ["fuse.sshfs", "nfs4", "overlay", "tmpfs", "btrfs"])
def test_other_kinds_are_left_to_the_files(known: Path, kind: str) -> None:
    mounts = known / "mountinfo"
    mounts.write_text(mounts.read_text().replace("- ext4 /dev/d", f"- {kind} /dev/d"))
    assert not sync(known)


def test_file_system_that_is_not_listed_is_left_to_the_files(known: Path) -> None:
    (known / "mountinfo").write_text("1 0 0:1 / /other rw - ext4 /dev/o rw\n")
    assert not sync(known)


@pytest.mark.parametrize(
    ("release", "is_synced"),
    [
        ("5.7.19-generic", False),
        ("4.19.0", False),
        ("strange", False),
        ("5.8", True),
        ("6.1.0-9-amd64", True),
    ],
)
def test_kernels_that_do_not_tell_of_faults_are_not_trusted(
    known: Path, monkeypatch: pytest.MonkeyPatch, release: str, *, is_synced: bool
) -> None:
    uname = os.uname_result(("Linux", "here", release, "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: uname)
    assert sync(known) is is_synced


def test_much_to_write_by_others_is_not_waited_for(known: Path) -> None:
    (known / "meminfo").write_text("Dirty:  32000 kB\nWriteback:  769 kB\n")
    assert not sync(known)


@pytest.mark.parametrize("name", ["_MOUNTS", "_MEMORY"])
def test_kernel_that_does_not_say_is_not_trusted(
    known: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(file_system, name, known / "missing")
    assert not sync(known)


def test_fault_of_the_kernel_is_a_no(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        @staticmethod
        def syncfs(_fd: int) -> int:
            return -1

    monkeypatch.setattr(file_system, "_libc", Failing)
    assert not sync(known)


def test_directory_that_is_gone_is_left_to_the_files(known: Path) -> None:
    assert not sync(known / "gone")


def test_nothing_stays_open(known: Path) -> None:
    sync(known)
    assert not open_files(known)
