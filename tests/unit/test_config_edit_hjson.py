import json

import hjson
import pytest

from gateway.config.edit_hjson import HjsonText, render_members
from gateway.errors import ConfigError

BOB = {"bob": {"id": "ABC", "exec": {"sendmail": ["/usr/sbin/sendmail", "-i"]}}}

TEXTS = [
    "{\n  neigh: {\n    self: {id: 1}\n  }\n}\n",
    "{neigh: {self: {id: X\n}}}",
    "neigh: {\n  self: {\n    id: X\n  }\n}\n",
    "# c\nspool: /s # all of this is the value\nneigh:\n{\n\tself:\n\t{\n\t\tid: X\n\t}\n}\n",
    "{\n  spool: /s\n  # neigh: {}\n  /* neigh: { */\n  // }\n  neigh: {}\n}\n",
    '{"neigh": {"self": {"id": "}{#,"}}, "a": [1, 2, [3]], "b": null}',
    '{\n  "neigh": {\n    "self": {\n      "id": "X"\n    }\n  }\n}\n',
    '{\n  "neigh": {}\n}\n',
    "{\n  a: '''\n    neigh: {\n    '''\n  neigh: {\n    self: {id: 'it''s'\n}\n  }\n}".replace("''s", "s"),
    "{\n  a: true, b: -1.5e3, c: nulls\n  'neigh': {\n    x: {}, y: {}\n  } # end\n}\n",
    "{\r\n  neigh: {\r\n    self: {id: X\r\n}\r\n  }\r\n}\r\n",
    "{\n  NEIGH: {\n    self: {\n      id: 01 # not a number\n    }\n  }\n  b: [\n    a\n    b\n  ]\n}\n",
    '{ # c\n"a\\"b": 1\nneigh: { # why\n}\n}',
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_member_is_added_and_all_else_stays(text: str) -> None:
    document = HjsonText(text, "f")
    after = document.insert(("neigh",), BOB, ("a comment",))
    before = hjson.loads(text)
    name = next(key for key in before if key.lower() == "neigh")
    before[name].update(BOB)
    assert json.dumps(hjson.loads(after)) == json.dumps(before)
    lines = iter(after.replace(",\n", "\n").splitlines())
    assert all(line.rstrip(",") in lines for line in text.replace(",\n", "\n").splitlines()[:-3])
    assert ("# a comment" in after) != document.is_json


@pytest.mark.parametrize("text", TEXTS)
def test_it_can_be_added_to_again_and_again(text: str) -> None:
    for number in range(3):
        text = HjsonText(text, "f").insert(("neigh",), {f"n{number}": {"id": "A"}})
    text = HjsonText(text, "f").insert(("neigh", "n1"), {"exec": {"h": ["/bin/true"]}})
    neigh = next(value for key, value in hjson.loads(text).items() if key.lower() == "neigh")
    assert neigh["n0"] == neigh["n2"] == {"id": "A"}
    assert neigh["n1"] == {"id": "A", "exec": {"h": ["/bin/true"]}}


def test_json_stays_json() -> None:
    for text in TEXTS:
        if HjsonText(text, "f").is_json:
            after = HjsonText(text, "f").insert(("neigh",), BOB, ("no comment in JSON",))
            assert json.loads(after)["neigh"]["bob"] == BOB["bob"]


def test_the_indentation_is_that_of_the_neighbours() -> None:
    text = "{\n    neigh: {\n        self: {\n        }\n    }\n}\n"
    after = HjsonText(text, "f").insert(("neigh",), {"bob": {"id": "A"}}, ("why",))
    assert after == (
        "{\n    neigh: {\n        self: {\n        }\n        # why\n        bob: {\n"
        '          id: "A"\n        }\n    }\n}\n'
    )


def test_members_can_be_added_to_a_root_without_braces() -> None:
    after = HjsonText("a: 1", "f").insert((), {"b": "2"})
    assert hjson.loads(after) == {"a": 1, "b": "2"}


def test_find_follows_keys_in_any_case() -> None:
    document = HjsonText("{Neigh: {Bob: {id: X\n}}}", "f")
    found = document.find(("neigh", "bob"))
    assert found is not None
    assert document.text[found.start : found.end] == "{id: X\n}"
    assert document.find(("neigh", "eve")) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{\n  neigh: {}\n  Neigh: {}\n}", "f: line 3: neigh stands twice"),
        ("{\n  neigh: {\n", "f: line 3: a key is expected"),
        ("{ neigh: [\n", "f: line 2: a value is missing"),
        ('{ neigh: "x\n', "f: line 1: a string that does not end"),
        ("{ neigh: '''x\n", "f: line 1: a string in ''' that does not end"),
        ("{ a b\n}", "f: line 1: a key is expected"),
        ("{ a: }", "f: line 1: a value is missing"),
        ("{ neigh: {} } x", "f: line 1: something stands after"),
        ('{ "a" 1 }', "f: line 1: a colon must follow the key a"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_line(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HjsonText(text, "f").insert(("neigh",), BOB)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize("text", ["{neigh: 3\n}", "{a: 1\n}", "{neigh: []}"])
def test_there_must_be_an_object_to_add_to(text: str) -> None:
    with pytest.raises(ConfigError, match="f: neigh must be an object"):
        HjsonText(text, "f").insert(("neigh",), BOB)


def test_odd_keys_and_values_are_quoted() -> None:
    members = {"plain-1.x": "a # b", "two words": ['"', "ä"], "1st": {"": "}"}}
    text = "{\n" + "\n".join(render_members(members)) + "\n}"
    assert json.loads(json.dumps(hjson.loads(text))) == members
