"""Received packets that share one sync of their file system, stopped at each step around it.

The kernel is watched where the program meets it: each sync of a file, of a directory or of the file system
is a step before and a step behind it. Nothing is really synced; what counts is the order.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import file_system
from gateway.carry.online import commit
from gateway.durable import Disk
from gateway.spool.layout import PART_SUFFIX, Box
from tests.support.crash import run_until_step
from tests.support.online_sessions import LASTING_SECONDS, Site, meet_until

PACKET_COUNT = 4
STEP_LIMIT = 60
STOPS = frozenset({"sync", "rename", "remove", "sync-directory", "fsynced", "syncfs", "syncfs-done"})
TOGETHER, EACH, REFUSED = "together", "each by itself", "refused together"
ROWS = {"on its way, waits", "here, waits", "here, gone"}


class Kernel:
    """Stands in for the calls of the kernel that sync, and tells of each.

    Args:
        tell: told of the step and the path.
        is_refusing: whether the file system can not be synced.
    """

    def __init__(self, tell: Callable[[str, str], None], *, is_refusing: bool) -> None:
        self._tell = tell
        self._is_refusing = is_refusing

    def fsync(self, fd: int) -> None:
        """As ``os.fsync``."""
        self._tell("fsynced", str(Path(f"/proc/self/fd/{fd}").readlink()))

    def syncfs(self, fd: int) -> int:
        """As the C library has it."""
        directory = Path(f"/proc/self/fd/{fd}").readlink()
        # What is not whole yet comes too late for this sync.
        whole = sorted(path.name for path in directory.glob(f"*{PART_SUFFIX}"))
        self._tell("syncfs", " ".join(whole))
        if self._is_refusing:
            return -1
        self._tell("syncfs-done", " ".join(whole))
        return 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a site told of: ``fsynced`` and ``syncfs-done`` when it was over, all else before it."""

    site: str
    step: str
    path: str


class Scene:
    """Packets that wait at a for b."""

    def __init__(self, home: Path, mode: str) -> None:
        self.home, self.mode = home, mode
        self.a, self.b = Site(home, "a"), Site(home, "b")
        self.log = home / "steps"
        self.log.touch()
        packets = [self.a.queue(bytes([number]) * 3000) for number in range(PACKET_COUNT)]
        self.contents = {packet.text: (self.a.box(Box.TX) / packet.text).read_bytes() for packet in packets}
        self.b.box(Box.RX).mkdir(parents=True)

    def meet(self, stopping: Disk) -> None:
        """Hold a session in which steps at either node may be the last."""

        def tell(site: str, step: str, path: str) -> None:
            if step in STOPS:
                stopping.hook(step, Path(path))
            with self.log.open("a") as log:
                log.write(f"{site}\t{step}\t{path}\n")

        def site(name: str) -> Site:
            disk = Disk(hook=lambda step, path: tell(name, step, str(path)))
            return Site(self.home, name, disk, deadline_seconds=LASTING_SECONDS)

        kernel = Kernel(lambda step, path: tell("b", step, path), is_refusing=self.mode == REFUSED)
        os.fsync = kernel.fsync  # type: ignore[assignment] # in a child of the test, which ends behind it
        file_system._libc = kernel  # type: ignore[assignment]
        asyncio.run(meet_until(site("a"), site("b"), lambda: self.rows() == {"here, gone"}))

    def events(self) -> list[Event]:
        """All that was told, in order."""
        return [Event(*line.split("\t")) for line in self.log.read_text().splitlines()]

    def rows(self) -> set[str]:
        """Where the packets are."""
        found = set()
        for name in self.contents:
            where = "waits" if (self.a.box(Box.TX) / name).exists() else "gone"
            found.add(f"{'here' if (self.b.box(Box.RX) / name).exists() else 'on its way'}, {where}")
        return found

    def check_whole(self) -> None:
        """See that each packet is whole on one side at least, and whatever has its name is it."""
        for name, content in self.contents.items():
            places = [site.box(box) / name for site, box in ((self.a, Box.TX), (self.b, Box.RX))]
            found = [place.read_bytes() for place in places if place.exists()]
            assert found
            assert set(found) == {content}


def check_order(events: Sequence[Event]) -> None:
    """See that nothing is renamed before it is synced, nor confirmed before its name is."""
    synced: set[str] = set()
    renamed: set[str] = set()
    named: set[str] = set()
    for event in events:
        name = Path(event.path).name
        if event.site == "a":
            # The sender removes what the receiver has confirmed.
            if event.step == "remove":
                assert name in named, f"{name} was confirmed too early"
        elif event.step == "syncfs-done":
            synced |= {part.removesuffix(PART_SUFFIX) for part in name.split()}
        elif event.step == "fsynced" and name == "rx":
            named |= renamed
        elif event.step == "fsynced":
            synced.add(name.removesuffix(PART_SUFFIX))
        elif event.step == "rename":
            assert name in synced, f"{name} was renamed too early"
            renamed.add(name)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on a file system of a known kind, on a machine with nothing else to write."""
    device = tmp_path.stat().st_dev
    mounts, memory = tmp_path / "mountinfo", tmp_path / "meminfo"
    mounts.write_text(f"1 0 {os.major(device)}:{os.minor(device)} / / rw - ext4 /dev/d rw\n")
    memory.write_text("Dirty: 0 kB\nWriteback: 0 kB\n")
    monkeypatch.setattr(file_system, "_MOUNTS", mounts)
    monkeypatch.setattr(file_system, "_MEMORY", memory)
    # As if each group were large.
    monkeypatch.setattr(commit, "TOGETHER_COUNT", 1)
    return tmp_path


@pytest.mark.parametrize("mode", [TOGETHER, EACH, REFUSED])
def test_nothing_is_renamed_or_confirmed_before_its_sync_is_over(
    known: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Wherever it stops, what has a name was synced first; file by file, packets stand in the same rows."""
    if mode == EACH:
        monkeypatch.setattr(file_system, "_MOUNTS", known / "none")
    rows: set[str] = set()
    for step in range(STEP_LIMIT):
        scene = Scene(known / str(step), mode)
        was_stopped, _ = run_until_step(step, scene.meet)
        scene.check_whole()
        check_order(scene.events())
        rows |= scene.rows()
        if not was_stopped:
            break
    else:
        raise AssertionError("the session never came to its end")
    assert scene.rows() == {"here, gone"}
    assert rows == ROWS
    told = {event.step for event in scene.events() if event.site == "b" and event.path.endswith(PART_SUFFIX)}
    assert ("syncfs-done" in told, "fsynced" in told) == (mode == TOGETHER, mode != TOGETHER)
    assert ("syncfs" in told) == (mode != EACH)
