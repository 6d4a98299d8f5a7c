from pathlib import Path

import pytest

from gateway.cli.nncp.main import main
from gateway.config.nncp import load_nncp_config
from tests.support.nncp_configs import changed, config_tree, secrets_of, write_config


def test_public_part_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = changed(config_tree(tmp_path), "neigh.bob.via", ["carol"])
    path = write_config(tmp_path, tree)
    assert main(["cfgmin", "-cfg", str(path)], {"NNCPSPOOL": "/other"}) == 0
    out = capsys.readouterr().out
    assert not any(secret in out for secret in secrets_of(tree))
    (tmp_path / "min").write_text(out)
    config = load_nncp_config(tmp_path / "min", {})
    assert sorted(config.book.nodes) == ["bob", "carol", "self"]
    assert config.book.own is None


def test_fault_of_the_configuration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfgmin", "-cfg", str(tmp_path / "absent")], {}) == 1
    assert capsys.readouterr().err.startswith(f"nncp-cfgmin: {tmp_path}/absent: cannot read")


def test_wrong_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfgmin", "-spool", "x"], {}) == 2
    assert capsys.readouterr().err.startswith("flag provided but not defined: -spool\n")
