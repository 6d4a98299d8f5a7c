"""A directory as a PAX archive."""

import inspect
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.tx.directory_tar import DirectoryTar

LONG = "long-" * 30 + "end"


def read(archive: DirectoryTar) -> bytes:
    data = b"".join(bytes(piece) for piece in archive)
    assert len(data) == archive.size_bytes
    return data


def members(archive: DirectoryTar) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(read(archive)), mode="r:") as opened:
        return opened.getmembers()


def make_tree(root: Path) -> Path:
    tree = root / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "z").write_bytes(b"last")
    (tree / "sub" / "y").write_bytes(b"y" * 1000)
    (tree / "link").symlink_to("z")
    (tree / "out").symlink_to("/etc")
    os.mkfifo(tree / "pipe")
    return tree


def test_directories_come_first_and_links_and_pipes_stay_out(tmp_path: Path) -> None:
    found = members(DirectoryTar(make_tree(tmp_path)))
    names = [member.name for member in found]
    assert names == ["tree", "tree/empty", "tree/sub", "tree/sub/deep", "tree/sub/y", "tree/z"]
    assert [member.isdir() for member in found] == [True] * 4 + [False] * 2
    assert {member.mode for member in found} == {0o777, 0o666}
    assert {(member.uid, member.gid, member.uname) for member in found} == {(0, 0, "")}


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 512, b"x" * 513, os.urandom(600_000)], ids=len)
def test_content_arrives(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(content)
    with tarfile.open(fileobj=io.BytesIO(read(DirectoryTar(tmp_path / "d")))) as opened:
        member = opened.extractfile("d/f")
        assert member is not None
        assert member.read() == content


@pytest.mark.parametrize("time_ns", [0, 1_500_000_000_000_000_000, 1_600_000_000_123_456_700, -1_500_000_000])
def test_times_are_kept_to_the_nanosecond(tmp_path: Path, time_ns: int) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").touch()
    os.utime(tmp_path / "d" / "f", ns=(0, time_ns))
    member = members(DirectoryTar(tmp_path / "d"))[1]
    assert member.mtime == pytest.approx(time_ns / 1e9, abs=1e-6)
    fraction = f"{time_ns / 1e9:.9f}"
    assert ("mtime" in member.pax_headers) is (not fraction.endswith("000000000") or time_ns < 0)


@pytest.mark.parametrize("name", [LONG, "ü", "\udcff\udcfe", f"{LONG[:100]}", f"ü{LONG}", "new\nline", "a=b"])
def test_any_name_arrives(tmp_path: Path, name: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(b"content")
    assert [os.fsencode(member.name) for member in members(DirectoryTar(tmp_path / "d"))] == [
        b"d",
        b"d/" + os.fsencode(name),
    ]


def test_a_deep_tree_is_no_recursion(tmp_path: Path) -> None:
    (tmp_path / "d" / "/".join("e" * 200)).mkdir(parents=True)
    archive = DirectoryTar(tmp_path / "d")
    before = sys.getrecursionlimit()
    # Far below one frame for each level.
    sys.setrecursionlimit(len(inspect.stack(0)) + 60)
    try:
        data = read(archive)
    finally:
        sys.setrecursionlimit(before)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as opened:
        assert len(opened.getnames()) == 201


@pytest.mark.parametrize("name", [".", "sub/..", "sub/../", "../tree"])
def test_the_archive_is_called_after_the_directory_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(make_tree(tmp_path))
    archive = DirectoryTar(Path(name))
    assert archive.name == b"tree"
    assert members(archive)[0].name == "tree"


@pytest.mark.parametrize("change", ["shorter", "gone", "more", "a link now"])
def test_a_tree_that_changes_while_it_is_sent_is_an_error(tmp_path: Path, change: str) -> None:
    tree = make_tree(tmp_path)
    archive = DirectoryTar(tree)
    match change:
        case "shorter":
            (tree / "sub" / "y").write_bytes(b"1")
        case "gone":
            (tree / "z").unlink()
        case "more":
            (tree / "zz").write_bytes(b"1")
        case _:
            (tree / "z").unlink()
            (tree / "z").symlink_to("/etc/hostname")
    with pytest.raises(StoreError):
        read(archive)


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        DirectoryTar(tmp_path / "nowhere")


def test_gnu_tar_unpacks_it(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / LONG).write_bytes(b"long")
    data = read(DirectoryTar(tree))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", "-", "-C", str(out)], input=data, check=True, timeout=60)
    assert (out / "tree" / "sub" / "y").read_bytes() == b"y" * 1000
    assert (out / "tree" / LONG).read_bytes() == b"long"
    assert (out / "tree" / "sub" / "y").stat().st_mtime_ns == (tree / "sub" / "y").stat().st_mtime_ns
