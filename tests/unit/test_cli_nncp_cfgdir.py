from pathlib import Path

import pytest

from gateway.cli.nncp.main import main
from gateway.config.nncp_document import parse_document
from tests.support.gateways import GatewayNode
from tests.support.nncp_configs import changed, config_tree, secrets_of, write_config


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = changed(config_tree(tmp_path), "neigh.bob.via", ["carol"])
    path = write_config(tmp_path, tree | {"Odd": 1})
    directory = str(tmp_path / "cfg")
    environ = {"NNCPNOSYNC": "1"}
    assert main(["cfgdir", "-cfg", str(path), "-dump", directory], environ) == 0
    assert capsys.readouterr() == ("", f"nncp-cfgdir: warning: {path}: Odd: unknown key\n")
    assert main(["cfgdir", "-load", directory], environ) == 0
    assert parse_document(capsys.readouterr().out, Path("x")) == tree
    assert main(["cfgdir", "-dump", str(tmp_path / "again")], environ | {"NNCPCFG": directory}) == 0
    assert (tmp_path / "again/neigh/bob/via").read_text() == "carol\n"


def test_every_verb_reads_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(tmp_path, config_tree(tmp_path))
    assert main(["cfgmin", "-cfg", str(path)], {}) == 0
    public = capsys.readouterr().out
    assert main(["cfgdir", "-cfg", str(path), "-dump", str(tmp_path / "cfg")], {"NNCPNOSYNC": "1"}) == 0
    assert main(["cfgmin", "-cfg", str(tmp_path / "cfg")], {}) == 0
    assert capsys.readouterr().out == public


def test_gateway_toml_may_name_a_directory(tmp_path: Path) -> None:
    node = GatewayNode(tmp_path / "a", "a.test")
    block = node.run("invite").out
    directory = node.home / "nncp.d"
    assert main(["cfgdir", "-cfg", str(node.nncp_path), "-dump", str(directory)], {"NNCPNOSYNC": "1"}) == 0
    node.nncp_path.unlink()
    node.config_path.write_text(node.config_path.read_text().replace("nncp.hjson", "nncp.d"))
    assert node.run("invite").out == block
    assert node.run("check").out.startswith(f"{node.config_path}: in order\n")
    assert node.run("nncp", "stat").out == "self\n"
    (directory / "self/signprv").chmod(0o644)
    assert f"remedy: chmod o-rwx {directory}/self/signprv" in node.run("check", is_checked=False).out


def test_faults_are_told_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = changed(config_tree(tmp_path), "mcd-send", {"a/b": 5})
    path = write_config(tmp_path, tree)
    assert main(["cfgdir", "-cfg", str(path), "-dump", str(tmp_path / "cfg")], {}) == 1
    assert capsys.readouterr().err.startswith(f"nncp-cfgdir: {path}: mcd-send.a/b: a name that can't be")
    assert main(["cfgdir", "-load", str(path)], {}) == 1
    assert main(["cfgdir", "-load", str(tmp_path / "absent")], {}) == 1
    (tmp_path / "half/self").mkdir(parents=True)
    (tmp_path / "half/self/signprv").write_text(tree["self"]["signprv"] + "\n")
    assert main(["cfgdir", "-load", str(tmp_path / "half")], {}) == 1
    told = capsys.readouterr()
    assert "half: self.exchprv: missing" in told.err
    assert not any(secret in told.err + told.out for secret in secrets_of(tree))


@pytest.mark.parametrize("flags", [[], ["-dump"], ["-load", "a", "b"], ["-dump", "-load", "a"], ["a"]])
def test_wrong_usage(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfgdir", *flags], {}) == 1
    assert "Usage: nncp-cfgdir [options] [-cfg ...] -dump /path/to/dir" in capsys.readouterr().err
