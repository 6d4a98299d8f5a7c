"""What can be sent as a file."""

import os
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.tx.file_source import open_source


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    content = os.urandom(600_000)
    (tmp_path / "f").write_bytes(content)
    with open_source(tmp_path / "f") as source:
        assert (source.name, source.size_bytes, source.default_destination) == (
            f"{tmp_path}/f",
            600_000,
            b"f",
        )
        assert b"".join(bytes(piece) for piece in source.pieces) == content


def test_a_link_is_followed_and_gives_the_name(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    with open_source(tmp_path / "link", "called") as source:
        assert (source.name, source.size_bytes, source.default_destination) == ("called", 1, b"link")


def test_a_directory_becomes_an_archive_with_a_known_size(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with open_source(tmp_path / "d") as source:
        assert source.default_destination == b"d.tar"
        assert source.size_bytes == sum(len(piece) for piece in source.pieces)


@pytest.mark.parametrize("change", [b"", b"longer than before"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, change: bytes) -> None:
    (tmp_path / "f").write_bytes(b"before")
    with open_source(tmp_path / "f") as source:
        (tmp_path / "f").write_bytes(change)
        with pytest.raises(StoreError, match="changed while it was being sent"):
            list(source.pieces)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    with pytest.raises(StoreError, match="unsupported file type"), open_source(tmp_path / "p"):
        pass


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"), open_source(tmp_path / "missing"):
        pass
