from pathlib import Path

import pytest

from gateway.config.nncp_document import parse_document, read_document
from gateway.errors import ConfigError

PATH = Path("cfg")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a: 1\nb: x", {"a": 1, "b": "x"}),
        ("{a: 1}", {"a": 1}),
        ('{"a": 1, "b": [true, null]}', {"a": 1, "b": [True, None]}),
        ("# c\n// c\n/* c */ a: b", {"a": "b"}),
        ("umask: 022\n", {"umask": "022"}),
        ("umask: 22\n", {"umask": 22}),
        ("umask: 022 # c\n", {"umask": "022 # c"}),
        ("a: '''\n  x\n  y\n  '''", {"a": "x\ny"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 08\n", {"a": "08"}),
        ("a: NaN", {"a": "NaN"}),
    ],
)
def test_hjson_and_json(tmp_path: Path, text: str, tree: object) -> None:
    path = tmp_path / "cfg"
    path.write_text(text)
    assert read_document(path) == tree


def test_last_of_several_equal_keys_counts_and_is_remembered() -> None:
    for text in ("a: x\nb: 1\na: y\n", '{"a": "x", "b": 1, "a": "y"}'):
        found = parse_document(text, PATH)
        assert found == {"a": "y", "b": 1}
        assert found.repeated == ("a",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{a: b, c: d}", "cfg: line "),
        ("{\n a: 1\n}\n}", "cfg: line 4, column 1: Extra data"),
        ("a: 1\nb c: 2\n", "cfg: line 2, column "),
        ("{\n  a: {\n", "cfg: line "),
        ("", "cfg: no settings in it"),
        ("# nothing\n", "cfg: no settings in it"),
        ("[1]", "cfg: "),
        ("word", "cfg: "),
        ('{"a": NaN}', "cfg: "),
        ('{"a": ' + "[" * 100_000, "cfg: "),
        ("{a: '''", "cfg: a text or a comment has no end"),
        ("/*", "cfg: a text or a comment has no end"),
        ("a: " + "1" * 5000, "cfg: a text or a comment has no end, or a number is too large"),
        ("a: 1e999999", "cfg: a text or a comment has no end, or a number is too large"),
    ],
)
def test_fault_is_told_with_its_line(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, PATH)
    assert str(caught.value).startswith(error)


def test_forms_that_are_not_read_are_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a directory: this form .* not read yet.*one Hjson file"):
        read_document(tmp_path)
    blob = tmp_path / "blob"
    blob.write_bytes(b"NNCPB\0\0\x03" + bytes(100))
    with pytest.raises(ConfigError, match=r"encrypted .* not read yet.*Hjson file, as nncp-cfgenc -d"):
        read_document(blob)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent: cannot read the configuration: No such file"):
        read_document(tmp_path / "absent")
    latin = tmp_path / "latin"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match="latin: line 2: not UTF-8"):
        read_document(latin)
