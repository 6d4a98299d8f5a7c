from pathlib import Path

import pytest

from gateway.config.nncp_forms import DIRECTORY, ENCRYPTED, TEXT, form_of, read_document
from gateway.errors import ConfigError
from gateway.packet.eblob import EBLOB_MAGIC, Costs, seal_eblob

SEALED = seal_eblob(b"a: 1\nb: x\n", b"secret", Costs(1, 1, 1), bytes(32))


def nobody(_prompt: str) -> bytes:
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a: 1\nb: x", {"a": 1, "b": "x"}),
        ('{"a": [true, null]}', {"a": [True, None]}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_text_is_read(tmp_path: Path, text: str, tree: object) -> None:
    path = tmp_path / "cfg"
    path.write_text(text)
    assert read_document(path, nobody) == tree
    assert form_of(path) == TEXT


def test_encrypted_text_is_read_after_asking(tmp_path: Path) -> None:
    path = tmp_path / "cfg"
    path.write_bytes(SEALED)
    assert read_document(path, lambda _: b"secret") == {"a": 1, "b": "x"}
    assert form_of(path) == ENCRYPTED
    with pytest.raises(ConfigError, match="cfg: the passphrase is wrong, or the file is damaged"):
        read_document(path, lambda _: b"Secret")


def test_who_cannot_be_asked_is_told_for_which_file(tmp_path: Path) -> None:
    def refuse(_prompt: str) -> bytes:
        raise ConfigError("no terminal")

    path = tmp_path / "cfg"
    path.write_bytes(SEALED)
    with pytest.raises(ConfigError, match="cfg: no terminal"):
        read_document(path, refuse)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (SEALED[:40], "cfg: the encrypted configuration is cut off"),
        (b"NNCPB\0\0\x01" + SEALED[8:], "cfg: not an encrypted configuration that can be opened"),
        (EBLOB_MAGIC + b"\xff" * 12 + SEALED[20:], "cfg: space cost 4294967295, allowed: to"),
    ],
)
def test_encrypted_text_that_cannot_be_opened_asks_nobody(tmp_path: Path, raw: bytes, error: str) -> None:
    path = tmp_path / "cfg"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=error):
        read_document(path, nobody)


def test_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("/x\n")
    assert read_document(tmp_path, nobody) == {"spool": "/x"}
    assert form_of(tmp_path) == DIRECTORY


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent: cannot read the configuration: No such file"):
        read_document(tmp_path / "absent", nobody)
    assert form_of(tmp_path / "absent") == TEXT
    latin = tmp_path / "latin"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match="latin: line 2: not UTF-8"):
        read_document(latin, nobody)
