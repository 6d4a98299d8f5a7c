"""Which gateway.toml goes with an NNCP configuration."""

from pathlib import Path

import pytest

from gateway.config.gateway_place import find_gateway
from gateway.config.state_place import PATH_VARIABLE


@pytest.fixture
def nncp(tmp_path: Path) -> Path:
    path = tmp_path / "nncp.hjson"
    path.touch()
    return path


def find(nncp: Path, text: str | bytes, name: str = "gateway.toml") -> Path | None:
    path = nncp.parent / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = find_gateway(nncp, {PATH_VARIABLE: str(path)})
    assert found in {None, path}
    return found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[node]",
        '[node]\nnncp_config = "nncp.hjson"',
        '[node]\nnncp_config = "x/../nncp.hjson"',
        "[smpt]\n",
    ],
)
def test_one_that_names_the_same_configuration(nncp: Path, text: str) -> None:
    assert find(nncp, text) is not None


def test_one_that_names_it_by_another_way(nncp: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(nncp)
    assert find(nncp, f'[node]\nnncp_config = "{link}"') is not None


@pytest.mark.parametrize(
    "text",
    [
        '[node]\nnncp_config = "other.hjson"',
        "node = 5",
        "[node]\nnncp_config = 5",
        "node = [",
        b"\xff",
        "x = " + "[" * 5000,
    ],
    ids=["other", "no-table", "no-text", "no-toml", "no-utf-8", "deep"],
)
def test_one_that_does_not_or_that_is_none(nncp: Path, text: str | bytes) -> None:
    assert find(nncp, text) is None


def test_none_is_there(nncp: Path, tmp_path: Path) -> None:
    assert find_gateway(nncp, {PATH_VARIABLE: str(tmp_path / "missing")}) is None
    assert find_gateway(nncp, {PATH_VARIABLE: str(tmp_path)}) is None


def test_the_configuration_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").touch()
    assert find_gateway(tmp_path / "nncp.hjson", {PATH_VARIABLE: str(tmp_path / "gateway.toml")}) is None
