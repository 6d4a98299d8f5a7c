import os
import re
from pathlib import Path

import pytest

from gateway.config.hjson_text import (
    Places,
    quote_key,
    quote_text,
    render_area,
    render_new_config,
    render_public_config,
)
from gateway.config.nncp import load_nncp_config
from gateway.config.nncp_document import parse_document
from gateway.ids import NodeId, encode_base32
from gateway.packet.keys import generate_keys
from tests.support.nncp_configs import KEYS, config_tree, public_tree, secrets_of, write_config

ODD = [
    "", " ", "a b", "a ", "#a", "a # b", "a, b", "{a", "a}", "[a", "true", "null", "022", "22", "-1.5e3",
    "22 # c", "true, x", "//a", "a//b", "/*a", "it's", "'''", 'q"q', "a:b", ":a", "tab\tx", "new\nline",
    "é ü", "\\", "\x7f", "\u2028", "\u00a0x", "/spool # y", "1a", "false }", "\U0001f600",
]  # fmt: skip


@pytest.mark.parametrize("word", ODD)
def test_any_word_comes_back_as_key_and_as_text(word: str) -> None:
    assert parse_document(f"{{\n  {quote_key(word)}: {quote_text(word)}\n}}", Path("x")) == {word: word}


def test_plain_words_need_no_quotes() -> None:
    for word in ("/var/spool/nncp", "bob", "a.b-c", "ü"):
        assert quote_text(word) == word
        assert quote_key(word) == word
    assert quote_text("/spool # y") == "/spool # y"


@pytest.mark.parametrize("is_commented", [True, False])
def test_new_configuration_is_read_again(tmp_path: Path, *, is_commented: bool) -> None:
    keys, path = generate_keys(os.urandom), tmp_path / "cfg"
    path.write_text(render_new_config(keys, Places("/s p", "/l\to", '/x"y'), is_commented=is_commented))
    config = load_nncp_config(path, {})
    assert config.warnings == ()
    assert config.book.private_keys() == keys
    assert config.book.self_node.keys == keys.public
    assert dict(config.book.self_node.exec) == {"sendmail": ('/x"y',)}
    assert (config.spool, config.log) == (Path("/s p"), "/l\to")


def test_examples_in_the_comments_are_settings_that_are_read(tmp_path: Path) -> None:
    bob, path = generate_keys(os.urandom), tmp_path / "cfg"
    # What has the form of a setting or closes one is an example; the rest explains.
    uncommented = [line.replace("#", " ").strip() for line in render_new_config(KEYS["self"]).splitlines()]
    is_example = re.compile(r"[\w.*-]+: .*|[{}\]]+").fullmatch
    text = "\n".join(line for line in uncommented if is_example(line))
    for name, value in public_tree(bob).items():
        text = re.sub(rf"^{name}: \w+\.\.\.$", f"{name}: {value}", text, flags=re.MULTILINE)
    path.write_text(text.replace('via: ["bob", "eve"]', 'via: ["self"]'))
    config = load_nncp_config(path, {})
    assert config.warnings == ()
    assert sorted(config.book.nodes) == ["alice", "self"]
    assert config.umask == 0o22
    assert config.notify.exec["*.report"].recipient == "reports@example.org"
    assert config.book.find("alice").freq.maxsize_bytes == 4096 * 1024


def test_area_is_read_again(tmp_path: Path) -> None:
    area = render_area("a b", NodeId(bytes(32)), bytes(range(32)), bytes(range(1, 33)))
    found = parse_document(area, Path("x"))
    assert found == {
        "areas": {
            "a b": {
                "id": "A" * 52,
                "pub": encode_base32(bytes(range(32))),
                "prv": encode_base32(bytes(range(1, 33))),
            }
        }
    }
    bare = render_area("a", NodeId(bytes(32)), bytes(32), bytes(32), is_commented=False)
    assert "#" in area
    assert "#" not in bare


def test_public_configuration_holds_no_private_key(tmp_path: Path) -> None:
    tree = config_tree(tmp_path)
    config = load_nncp_config(write_config(tmp_path, tree), {})
    text = render_public_config(str(config.spool), config.log, config.book)
    assert not any(secret in text for secret in secrets_of(tree))
    (tmp_path / "min").write_text(text)
    again = load_nncp_config(tmp_path / "min", {})
    assert again.book.own is None
    assert {node.name: node.keys for node in again.book} == {node.name: node.keys for node in config.book}
