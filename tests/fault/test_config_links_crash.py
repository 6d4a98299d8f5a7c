"""What is left of links when their making stops."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.command_links import make_links
from gateway.durable import Disk
from gateway.errors import StoreError, StoreFull

NAMES = ("nncp-exec", "nncp-stat")
TARGET = Path("/opt/new/bin/nncp-gateway")
OLD = Path("/opt/old/bin/nncp-gateway")


def test_a_name_always_leads_to_the_old_or_the_new_program(tmp_path: Path) -> None:
    """Wherever the making stops, each link is whole, and doing it again finishes."""
    stop_at, is_done = 0, False
    while not is_done:
        place = tmp_path / str(stop_at)
        place.mkdir()
        (place / "nncp-exec").symlink_to(OLD)
        steps = iter(range(stop_at))

        def hook(_step: str, _path: Path, steps: Iterator[int] = steps) -> None:
            if next(steps, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")

        try:
            make_links(place, NAMES, TARGET, Disk(is_syncing=False, hook=hook))
            is_done = True
        except StoreFull:
            assert (place / "nncp-exec").readlink() in (OLD, TARGET)
            assert not (place / "nncp-stat").is_symlink() or (place / "nncp-stat").readlink() == TARGET
        make_links(place, NAMES, TARGET, Disk(is_syncing=False))
        assert {path.name: path.readlink() for path in place.iterdir()} == dict.fromkeys(NAMES, TARGET)
        stop_at += 1
    assert stop_at > 4


def test_a_file_where_the_directory_must_be_is_told(tmp_path: Path) -> None:
    """A place that is no directory is an error, not a crash."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        make_links(tmp_path / "file", NAMES, TARGET, Disk(is_syncing=False))
