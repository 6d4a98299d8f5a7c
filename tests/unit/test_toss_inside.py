"""Paths that a neighbour names stay in their directory."""

import os
from pathlib import Path

import pytest

from gateway.errors import PacketError
from gateway.toss.inside import Traversal, relative_name, resolve_inside


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"x", b"x"),
        (b"a/../b", b"b"),
        (b"a/./b//c/", b"a/b/c"),
        (b"...", b"..."),
        (b"..x/y", b"..x/y"),
        (b"a/..", b"."),
        (b"", b"."),
        (b".", b"."),
    ],
)
def test_names_are_shortened(path: bytes, name: bytes) -> None:
    assert relative_name(path, "source") == name


@pytest.mark.parametrize("path", [b"..", b"../x", b"a/../../x", b"./..", b"../incoming/x", b"../incomingX/y"])
def test_what_leads_up_is_refused_component_by_component(path: bytes) -> None:
    with pytest.raises(Traversal, match="source path traversal"):
        relative_name(path, "source")


@pytest.mark.parametrize("path", [b"/", b"/etc/passwd", b"//etc", b"a\0b", b"\0"])
def test_absolute_and_impossible_paths_are_refused(path: bytes) -> None:
    with pytest.raises(PacketError, match=r"non-relative source path|NUL"):
        relative_name(path, "source")


def test_links_are_followed_as_long_as_they_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "in").symlink_to("dir")
    assert resolve_inside(root, b"in/new/file", "incoming") == root / "dir" / "new" / "file"
    assert resolve_inside(root, b".", "incoming") == root


@pytest.mark.parametrize("target", ["/etc", "../rootX", "..", "/nowhere/at/all", "../root/../other"])
def test_links_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "rootX").mkdir()
    (root / "link").symlink_to(target)
    for name in (b"link", b"link/x"):
        with pytest.raises(Traversal, match="a symbolic link leads from"):
            resolve_inside(root, name, "incoming")


def test_the_directory_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    assert resolve_inside(tmp_path / "root", b"\xff", "incoming") == tmp_path / "real" / os.fsdecode(b"\xff")
