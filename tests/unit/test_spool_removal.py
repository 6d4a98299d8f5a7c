"""What the operator selects is removed from the spool, and nothing else."""

import fcntl
import os
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreBusy, StoreError
from gateway.spool.layout import Box, Layout
from gateway.spool.removal import Remover, Selection
from tests.support.crash import run_until_step
from tests.support.spools import NODE, OTHER
from tests.support.tossing import failing_disk, files_below

P, Q = "P" * 51 + "A", "Q" * 51 + "A"


def put(root: Path, *names: str) -> list[Path]:
    paths = [root / NODE.text / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return paths


class Told:
    """A remover, and what it told."""

    def __init__(self, root: Path, disk: Disk | None = None, before_seconds: float | None = None) -> None:
        self.removed: list[str] = []
        self.held: list[str] = []
        self.remover = Remover(
            Layout(root),
            disk or Disk(is_syncing=False),
            before_seconds=before_seconds,
            is_dry_run=False,
            tell=lambda path: self.removed.append(path.name),
            tell_held=self._tell_held,
        )

    def _tell_held(self, path: Path, error: StoreBusy) -> None:
        assert str(path) in str(error)
        self.held.append(path.name)


def test_a_lock_that_is_held_stays(tmp_path: Path) -> None:
    held, free = put(tmp_path, "toss.lock", "rx.lock")
    told = Told(tmp_path)
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        told.remover.remove_locks()
    assert (told.removed, told.held) == (["rx.lock"], ["toss.lock"])
    assert (held.exists(), free.exists()) == (True, False)


def test_an_acknowledgement_is_found_where_its_way_begins(tmp_path: Path) -> None:
    put(tmp_path, f"tx/ack/{P}", "tx/ack/other", "tx/other")
    first_hop = tmp_path / OTHER.text / "tx"
    (first_hop / "hdr").mkdir(parents=True)
    for path in (first_hop / P, first_hop / "hdr" / P, first_hop / Q):
        path.write_bytes(b"x")
    told = Told(tmp_path)
    told.remover.remove_of(NODE, Selection(is_ack=True))
    assert sorted(told.removed) == sorted([P, P, "other"])
    assert {path.name for path in files_below(tmp_path)} == {Q, "other"}


def test_acknowledgements_go_together_with_named_packets(tmp_path: Path) -> None:
    put(tmp_path, f"tx/ack/{P}", f"tx/{P}", f"rx/{Q}", "rx/other")
    Told(tmp_path).remover.remove_of(NODE, Selection(is_ack=True, packets=frozenset({Q})))
    assert [path.name for path in files_below(tmp_path)] == ["other"]


def test_a_packet_that_is_being_sealed_in_tx_stays(tmp_path: Path) -> None:
    put(tmp_path, f"tx/{P}", "tx/batch-1.sealing", f"tx/{Q}.x")
    Told(tmp_path).remover.remove_of(NODE, Selection(boxes=frozenset({Box.TX})))
    assert [path.name for path in files_below(tmp_path)] == [f"{Q}.x", "batch-1.sealing"]


def test_acknowledgements_that_toss_made_go_with_their_markers(tmp_path: Path) -> None:
    put(tmp_path, f"tx/{P}", f"tx/hdr/{P}", f"tx/ack/{P}", f"tx/{Q}", f"tx/ack/{'R' * 51}A", "tx/ack/odd")
    told = Told(tmp_path)
    told.remover.remove_of(NODE, Selection(boxes=frozenset({Box.TX}), is_ack=True))
    assert [path.name for path in files_below(tmp_path)] == [Q]
    assert sorted(told.removed) == sorted([P, P, "R" * 51 + "A", "odd"])


def test_acknowledgements_younger_than_asked_for_stay(tmp_path: Path) -> None:
    [packet, marker] = put(tmp_path, f"tx/{P}", f"tx/ack/{P}")
    os.utime(packet, (0, 0))
    Told(tmp_path, before_seconds=1000.0).remover.remove_of(NODE, Selection(is_ack=True))
    assert files_below(tmp_path) == [packet, marker]
    os.utime(marker, (0, 0))
    Told(tmp_path, before_seconds=1000.0).remover.remove_of(NODE, Selection(is_ack=True))
    assert files_below(tmp_path) == []


def test_no_link_is_followed_and_none_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    put(outside, f"rx/{P}", f"area/X/{P}", "toss.lock")
    root = tmp_path / "spool"
    (root / NODE.text).mkdir(parents=True)
    (root / OTHER.text).symlink_to(outside / NODE.text)
    for name in ("rx", "tx", "area"):
        (root / NODE.text / name).symlink_to(outside / NODE.text / "area")
    before = files_below(outside)
    told = Told(root)
    told.remover.remove_locks()
    told.remover.remove_temporaries()
    everything = Selection(boxes=frozenset(Box), is_area=True)
    told.remover.remove_of(NODE, Selection(packets=frozenset({"..", ".", "", P})))
    assert told.removed == []
    told.remover.remove_of(NODE, everything)
    assert files_below(outside) == before


def test_missing_directories_are_empty(tmp_path: Path) -> None:
    told = Told(tmp_path / "none")
    told.remover.remove_temporaries()
    told.remover.remove_locks()
    told.remover.remove_of(
        NODE, Selection(frozenset(Box), is_seen=True, is_area=True, is_ack=True, is_part=True, is_hdr=True)
    )
    assert told.removed == []


def test_a_stop_at_any_step_leaves_what_the_next_run_removes(tmp_path: Path) -> None:
    names = [f"tx/{P}", f"tx/hdr/{P}", f"tx/ack/{P}", f"tx/{Q}", f"tx/ack/{Q}"]
    for step in range(50):
        root = tmp_path / str(step)
        put(root, *names)

        def work(disk: Disk, root: Path = root) -> None:
            Told(root, disk).remover.remove_of(NODE, Selection(is_ack=True))

        was_stopped, _ = run_until_step(step, work)
        left = {path.relative_to(root / NODE.text).as_posix() for path in files_below(root)}
        for packet in (P, Q):
            assert f"tx/{packet}" not in left or f"tx/ack/{packet}" in left
        Told(root).remover.remove_of(NODE, Selection(is_ack=True))
        assert [path for path in files_below(root) if path.parent.name != "hdr"] == []
        if not was_stopped:
            break
    else:
        raise AssertionError("it never came to its end")


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    put(tmp_path, f"rx/{P}")
    disk, _ = failing_disk(0)
    with pytest.raises(StoreError, match="made to fail"):
        Told(tmp_path, disk).remover.remove_of(NODE, Selection(boxes=frozenset({Box.RX})))
