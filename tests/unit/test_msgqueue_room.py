"""Free space is asked for seldom, and always near the reserve."""

import shutil
from pathlib import Path

from gateway.msgqueue.room import Room

SLACK_BYTES = 1 << 30
"""Other programs write, too."""


def test_the_figure_is_that_of_the_disk_less_what_was_asked_for(tmp_path: Path) -> None:
    room = Room(tmp_path)
    first = room.left_bytes(1000, 0)
    assert abs(first - shutil.disk_usage(tmp_path).free) < SLACK_BYTES
    assert room.left_bytes(0, 0) == first - 1000


def test_near_the_reserve_the_disk_is_asked_each_time(tmp_path: Path) -> None:
    room = Room(tmp_path)
    free = room.left_bytes(0, 0)
    reserve = free // 2 + SLACK_BYTES
    for _ in range(3):
        room.left_bytes(free // 4, reserve)
    assert abs(room.left_bytes(0, reserve) - free) < SLACK_BYTES
