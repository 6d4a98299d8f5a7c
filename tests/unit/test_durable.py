"""Files are created, renamed and removed durably, and a refusal says which path."""

import errno
import os
from pathlib import Path

import pytest

from gateway.durable import WRITEBACK_BYTES, Disk, free_bytes
from gateway.errors import StoreError, StoreFull


class Recorder:
    """Remembers the steps, and fails at one of them."""

    def __init__(self, failing: str = "", code: int = errno.EIO) -> None:
        self.steps: list[tuple[str, str]] = []
        self._failing = failing
        self._code = code

    def __call__(self, step: str, path: Path) -> None:
        self.steps.append((step, path.name))
        if step == self._failing:
            raise OSError(self._code, os.strerror(self._code))


def test_a_commit_syncs_the_file_before_the_rename_and_the_directory_after(tmp_path: Path) -> None:
    recorder = Recorder()
    with Disk(hook=recorder).create(tmp_path / "new") as new:
        new.write(b"one ")
        new.write(memoryview(b"two"))
        new.commit(tmp_path / "final")
    assert (tmp_path / "final").read_bytes() == b"one two"
    assert [step for step, _ in recorder.steps] == [
        "create", "write", "write", "sync", "rename", "sync-directory",
    ]  # fmt: skip
    assert recorder.steps[-1] == ("sync-directory", tmp_path.name)


@pytest.mark.parametrize("step", ["create", "write", "sync"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EFBIG, StoreFull), (errno.EIO, StoreError)],
)
def test_a_refusing_disk_leaves_no_file_and_names_the_path(
    tmp_path: Path, step: str, code: int, kind: type[StoreError]
) -> None:
    disk = Disk(hook=Recorder(step, code))
    with pytest.raises(kind, match=r"new: ") as caught, disk.create(tmp_path / "new") as new:
        new.write(b"x")
        new.commit(tmp_path / "final")
    assert type(caught.value) is kind
    assert caught.value.is_temporary
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_committed_is_removed(tmp_path: Path) -> None:
    with Disk().create(tmp_path / "new") as new:
        new.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_kept_file_stays_under_its_temporary_name(tmp_path: Path) -> None:
    disk = Disk()
    with disk.create(tmp_path / "new") as new:
        new.write(b"x")
        new.keep()
    disk.rename(tmp_path / "new", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_an_existing_file_is_never_opened_for_writing(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"precious")
    with pytest.raises(StoreError, match="create"):
        Disk().create(tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == b"precious"


def test_a_whole_file_is_replaced_at_once_and_a_leftover_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / f".file.{os.getpid()}.new").write_bytes(b"left by a crash")
    with pytest.raises(StoreFull):
        Disk(hook=Recorder("rename", errno.ENOSPC)).write_file(path, b"new", 0o600)
    assert path.read_bytes() == b"old"
    Disk().write_file(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_missing_parents_are_made_and_each_entry_is_synced(tmp_path: Path) -> None:
    recorder = Recorder()
    Disk(hook=recorder).make_directories(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert recorder.steps == [
        ("mkdir", "a"),
        ("sync-directory", tmp_path.name),
        ("mkdir", "b"),
        ("sync-directory", "a"),
    ]
    Disk(hook=recorder).make_directories(tmp_path / "a" / "b")
    assert len(recorder.steps) == 4


def test_a_file_in_the_way_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StoreError, match="create directory"):
        Disk().make_directories(tmp_path / "a" / "b")


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    Disk().remove(tmp_path / "x")
    Disk().remove(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_without_syncing_the_steps_are_the_same(tmp_path: Path) -> None:
    recorder = Recorder()
    disk = Disk(is_syncing=False, hook=recorder)
    disk.write_file(tmp_path / "x", b"1")
    disk.touch(tmp_path / "y")
    assert [step for step, _ in recorder.steps] == [
        "create", "write", "sync", "rename", "sync-directory", "touch", "sync-directory",
    ]  # fmt: skip


def test_free_space_of_a_missing_place_is_an_error(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
    with pytest.raises(StoreError, match="missing"):
        free_bytes(tmp_path / "missing")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_name_never_replaces_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    disk = Disk(is_syncing=False)
    (tmp_path / "source").write_bytes(b"source")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "taken").write_bytes(b"taken")
    assert [disk.rename_new(tmp_path / "source", tmp_path / name) for name in ("taken", "dangling")] == [
        False
    ] * 2
    assert (tmp_path / "taken").read_bytes() == b"taken"
    assert disk.rename_new(tmp_path / "source", tmp_path / "free")
    assert (tmp_path / "free").read_bytes() == b"source"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "free", "taken"]


def test_a_new_name_is_synced(tmp_path: Path) -> None:
    recorder = Recorder()
    (tmp_path / "source").write_bytes(b"x")
    assert Disk(hook=recorder).rename_new(tmp_path / "source", tmp_path / "target")
    assert [step for step, _ in recorder.steps] == ["rename", "unlink", "sync-directory"]


def test_a_new_name_that_the_disk_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="rename to"):
        Disk().rename_new(tmp_path / "missing", tmp_path / "target")


def test_a_part_goes_on_where_it_was_and_loses_what_is_beyond(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    path.write_bytes(b"onetwo and junk")
    part = Disk().open_part(path, 6)
    part.write(memoryview(b" three"))
    part.close()
    part.close()
    assert part.size_bytes == 12
    assert path.read_bytes() == b"onetwo three"


def test_a_part_that_is_shorter_than_it_was_or_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    path.write_bytes(b"one")
    with pytest.raises(StoreError, match="has 3 bytes, and had 6"):
        Disk().open_part(path, 6)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(StoreError, match=r"cannot open .*link"):
        Disk().open_part(tmp_path / "link")
    assert path.read_bytes() == b"one"


def test_files_are_synced_renamed_and_removed_together_with_one_sync_of_the_directory(tmp_path: Path) -> None:
    recorder = Recorder()
    disk = Disk(hook=recorder)
    parts = [disk.open_part(tmp_path / name) for name in ("a.part", "b.part")]
    assert disk.sync_files([part.path for part in parts], map) == [None, None]
    pairs = [(part.path, part.path.with_suffix("")) for part in parts]
    assert disk.rename_together(pairs) == [None, None]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
    assert disk.remove_together([path for _, path in pairs]) == [None, None]
    assert list(tmp_path.iterdir()) == []
    for part in parts:
        part.close()
    assert [step for step, _ in recorder.steps] == [
        "open", "open", "sync", "sync", "rename", "rename", "sync-directory",
        "remove", "remove", "sync-directory",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("is_syncing", "is_done", "steps"), [(True, True, 0), (True, False, 2), (False, True, 2)]
)
def test_files_that_are_synced_all_together_are_not_synced_one_by_one(
    tmp_path: Path, *, is_syncing: bool, is_done: bool, steps: int
) -> None:
    recorder = Recorder()
    disk = Disk(is_syncing=is_syncing, hook=recorder)
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.touch()
    asked: list[bool] = []

    def sync_all() -> bool:
        asked.append(True)
        return is_done

    assert disk.sync_files(paths, map, sync_all) == [None, None]
    assert len(recorder.steps) == steps
    # Without syncing nobody is asked to.
    assert asked == [True] * is_syncing


def test_one_file_that_cannot_be_synced_or_renamed_does_not_stop_the_others(tmp_path: Path) -> None:
    def hook(step: str, path: Path) -> None:
        if step == "sync" and path.name == "a.part":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk = Disk(hook=hook)
    parts = [disk.open_part(tmp_path / name) for name in ("a.part", "b.part")]
    failed, synced = disk.sync_files([part.path for part in parts], map)
    assert isinstance(failed, StoreError)
    assert synced is None
    for part in parts:
        part.close()
    missing, renamed = disk.rename_together(
        [(tmp_path / "gone", tmp_path / "c"), (tmp_path / "b.part", tmp_path / "b")]
    )
    assert isinstance(missing, StoreError)
    assert renamed is None
    assert (tmp_path / "b").exists()


def test_the_disk_begins_to_write_a_large_file_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []

    def refuse(_fd: int, offset_bytes: int, size_bytes: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_DONTNEED
        begun.append((offset_bytes, size_bytes))
        raise OSError(errno.ESPIPE, "an advice may be refused")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    for is_syncing in (True, False):
        with Disk(is_syncing=is_syncing).create(tmp_path / "new") as new:
            for _ in range(5):
                new.write(bytes(WRITEBACK_BYTES // 2))
            new.commit(tmp_path / "final")
        assert (tmp_path / "final").stat().st_size == WRITEBACK_BYTES // 2 * 5
    assert begun == [(0, WRITEBACK_BYTES), (WRITEBACK_BYTES, WRITEBACK_BYTES)]
