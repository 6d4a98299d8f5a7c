import errno
import os
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.spool.late_sync import LATE_SYNC_SECONDS, LateSync


class Recorder:
    """Remembers the steps, and fails at one of them."""

    def __init__(self, failing: str = "") -> None:
        self.steps: list[tuple[str, str]] = []
        self._failing = failing

    def __call__(self, step: str, path: Path) -> None:
        self.steps.append((step, path.name))
        if step == self._failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_changes_of_one_second_are_synced_together(tmp_path: Path) -> None:
    recorder, now = Recorder(), [0.0]
    with LateSync(Disk(hook=recorder), tmp_path, lambda: now[0]) as late:
        late.changed()
        late.changed()
        assert recorder.steps == []
        now[0] = LATE_SYNC_SECONDS
        late.changed()
        assert recorder.steps == [("sync-directory", tmp_path.name)]
        late.changed()
    assert len(recorder.steps) == 2


def test_a_disk_that_takes_long_is_asked_less_often(tmp_path: Path) -> None:
    now, syncs = [0.0], []

    def slow(_step: str, _path: Path) -> None:
        now[0] += 2
        syncs.append(now[0])

    with LateSync(Disk(hook=slow), tmp_path, lambda: now[0]) as late:
        for second in range(1, 31):
            now[0] = max(now[0], second)
            late.changed()
        assert syncs == [3, 23]


def test_what_was_not_changed_is_not_synced(tmp_path: Path) -> None:
    recorder = Recorder()
    with LateSync(Disk(hook=recorder), tmp_path):
        pass
    assert recorder.steps == []


def test_a_late_sync_that_the_disk_refuses_is_told_unless_something_else_went_wrong(tmp_path: Path) -> None:
    disk = Disk(hook=Recorder("sync-directory"))
    with pytest.raises(StoreError, match="cannot sync directory"), LateSync(disk, tmp_path) as late:
        late.changed()
    with pytest.raises(KeyboardInterrupt), LateSync(disk, tmp_path) as late:
        late.changed()
        raise KeyboardInterrupt
