from pathlib import Path

import pytest

from gateway.cli.nncp.main import main
from gateway.config.nncp import load_nncp_config
from gateway.config.nncp_document import parse_document
from gateway.ids import decode_base32
from gateway.packet.keys import node_id_of


@pytest.mark.parametrize("flags", [[], ["-nocomments"]])
def test_new_configuration_is_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    assert main(["cfgnew", *flags], {}) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (tmp_path / "cfg").write_text(out)
    config = load_nncp_config(tmp_path / "cfg", {})
    keys = config.book.private_keys()
    assert keys.public == config.book.self_node.keys
    assert keys.id == node_id_of(keys.signpub)
    assert config.warnings == ()


def test_each_configuration_has_keys_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cfgnew", "-nocomments"], {})
    first = capsys.readouterr().out
    main(["cfgnew", "-nocomments"], {})
    assert capsys.readouterr().out != first


def test_new_area_has_the_id_of_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfgnew", "-area", "local news"], {}) == 0
    tree = parse_document(capsys.readouterr().out, Path("x"))
    areas = tree["areas"]
    assert isinstance(areas, dict)
    area = areas["local news"]
    assert area["id"] == node_id_of(decode_base32(area["pub"], 32)).text
    assert len(decode_base32(area["prv"], 32)) == 32


def test_yggdrasil_is_refused_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cfgnew", "-yggdrasil"], {}) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "nncp-cfgnew: -yggdrasil: the Yggdrasil network is not supported\n"
