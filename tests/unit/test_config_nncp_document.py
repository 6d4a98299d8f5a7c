from pathlib import Path

import pytest

from gateway.config.nncp_document import parse_document
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
        ("a: 08\n", {"a": "08"}),
        ("a: NaN", {"a": "NaN"}),
    ],
)
def test_hjson_and_json(text: str, tree: object) -> None:
    assert parse_document(text, PATH) == tree


def test_last_of_several_equal_keys_counts_and_is_remembered() -> None:
    for text in ("a: x\nb: 1\na: y\n", '{"a": "x", "b": 1, "a": "y"}'):
        found = parse_document(text, PATH)
        assert found == {"a": "y", "b": 1}
        assert found.repeated == ("a",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{a: b, c: d}", "cfg: line "),
        ("{\n a: 1\n}\n}", "cfg: line 4, column 1: something stands behind the end; a brace closes"),
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
