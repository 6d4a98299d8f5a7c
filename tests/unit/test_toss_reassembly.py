"""Joining chunked files."""

import os
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadMagic, PacketError, StoreError, TooLarge
from gateway.packet.chunked import META_LIMIT_BYTES, ChunkMeta, encode_chunk_meta
from gateway.packet.mth import mth
from gateway.toss.reassembly import (
    BadChunk,
    ChunkedFile,
    ChunkMissing,
    copy_chunks,
    find_chunked_files,
    finish_removal,
    is_joined,
    join_chunks,
    missing_chunks,
    prove_chunks,
    read_chunked_file,
    remove_chunks,
)
from tests.support.chunked import lay_chunks
from tests.support.packets import pat

DISK = Disk(is_syncing=False)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    ("content", "chunk"),
    [(b"", 4), (b"x", 4), (b"1234", 4), (b"12345", 4), (b"12345678", 4), (os.urandom(1_000_000), 300_000)],
)
def test_chunks_become_the_file_and_go(tmp_path: Path, content: bytes, chunk: int) -> None:
    file = read_chunked_file(lay_chunks(tmp_path, "name", content, chunk))
    assert list(missing_chunks(file)) == []
    prove_chunks(file)
    seen: list[int] = []
    assert join_chunks(file, DISK, seen.append) == tmp_path / "name"
    assert sum(seen) == len(content)
    remove_chunks(file, DISK)
    assert names(tmp_path) == ["name"]
    assert (tmp_path / "name").read_bytes() == content


def test_a_name_that_is_taken_is_not_replaced(tmp_path: Path) -> None:
    file = read_chunked_file(lay_chunks(tmp_path, "name", b"12345", 2))
    (tmp_path / "name").write_bytes(b"old")
    assert join_chunks(file, DISK) == tmp_path / "name.0"
    assert (tmp_path / "name").read_bytes() == b"old"


def test_chunks_that_have_not_come_are_listed(tmp_path: Path) -> None:
    file = read_chunked_file(lay_chunks(tmp_path, "name", b"123456", 2))
    file.chunk(0).unlink()
    file.chunk(2).unlink()
    assert list(missing_chunks(file)) == [0, 2]
    with pytest.raises(ChunkMissing, match="chunk 0 missing"):
        prove_chunks(file)


@pytest.mark.parametrize("damage", ["shorter", "longer", "changed", "a directory", "a link", "a pipe"])
def test_a_chunk_that_is_not_what_the_meta_file_says_is_refused(tmp_path: Path, damage: str) -> None:
    file = read_chunked_file(lay_chunks(tmp_path, "name", b"123456", 2))
    path = file.chunk(1)
    match damage:
        case "shorter":
            path.write_bytes(b"3")
        case "longer":
            path.write_bytes(b"345")
        case "changed":
            path.write_bytes(b"3x")
        case "a directory":
            path.unlink()
            path.mkdir()
        case "a link":
            path.rename(tmp_path / "elsewhere")
            path.symlink_to("elsewhere")
        case _:
            path.unlink()
            os.mkfifo(path)
    with pytest.raises((BadChunk, StoreError)):
        prove_chunks(file)
    with pytest.raises((BadChunk, StoreError)):
        join_chunks(file, DISK)
    assert not (tmp_path / "name").exists()
    assert not [name for name in names(tmp_path) if name.startswith("nncpreass")]


def test_copying_gives_the_chunks_in_order(tmp_path: Path) -> None:
    file = read_chunked_file(lay_chunks(tmp_path, "name", b"1" * 25, 2))
    pieces: list[bytes] = []
    copy_chunks(file, lambda piece: pieces.append(bytes(piece)))
    assert b"".join(pieces) == b"1" * 25


def test_a_removal_that_was_stopped_is_finished(tmp_path: Path) -> None:
    path = lay_chunks(tmp_path, "name", b"12345", 2)
    path.rename(tmp_path / "name.nncp.joined")
    (tmp_path / "name.nncp.chunk0").unlink()
    assert list(find_chunked_files(tmp_path)) == [path]
    assert is_joined(path)
    finish_removal(path, DISK)
    assert names(tmp_path) == []
    assert not is_joined(path)


def test_meta_files_are_found_by_name(tmp_path: Path) -> None:
    for name in ("b.nncp.meta", "a.nncp.meta", ".nncp.meta", "meta", "c.nncp.chunk0", "a.nncp.joined"):
        (tmp_path / name).touch()
    assert [path.name for path in find_chunked_files(tmp_path)] == ["a.nncp.meta", "b.nncp.meta"]
    assert list(find_chunked_files(tmp_path / "nowhere")) == []
    with pytest.raises(StoreError, match="cannot list"):
        list(find_chunked_files(tmp_path / "meta"))


@pytest.mark.parametrize("name", ["name.meta", ".nncp.meta", "name"])
def test_a_meta_file_has_its_suffix(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encode_chunk_meta(ChunkMeta(1, 1, (mth(b"1"),))))
    with pytest.raises(PacketError, match="invalid filename suffix"):
        read_chunked_file(tmp_path / name)


def test_what_is_no_meta_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "name.nncp.meta"
    path.write_bytes(b"hello, world")
    with pytest.raises(BadMagic):
        read_chunked_file(path)
    with path.open("wb") as file:
        file.truncate(META_LIMIT_BYTES + 1)
    with pytest.raises(TooLarge):
        read_chunked_file(path)
    with pytest.raises(StoreError, match="missing"):
        read_chunked_file(tmp_path / "missing.nncp.meta")


def test_golden_chunks_of_go_are_joined() -> None:
    golden = Path(__file__).parents[1] / "vectors" / "chunked"
    whole: list[bytes] = []
    file = ChunkedFile(golden / "big.bin.nncp.meta", read_chunked_file(golden / "big.bin.nncp.meta").meta)
    prove_chunks(file)
    copy_chunks(file, lambda piece: whole.append(bytes(piece)))
    assert b"".join(whole) == pat(5820)
    exact = read_chunked_file(golden / "ex.bin.nncp.meta").meta
    assert (exact.size_bytes, exact.chunk_bytes, len(exact.checksums)) == (4096, 2048, 2)
    empty = read_chunked_file(golden / "zero.bin.nncp.meta").meta
    assert empty == ChunkMeta(0, 2048, (mth(b""),))
