"""Change an Hjson (or JSON) text in place: comments, order and spelling of the rest stay.

Contract: the text is only ever added to, at one place; whoever calls loads the result and
compares before it replaces the file. What the scanner does not understand is a ``ConfigError``
with its line, never a guess.

Spec: Hjson syntax (https://hjson.github.io/syntax.html): braces of the root and commas may be
left out, keys and strings may be without quotes, a string without quotes runs to the end of its
line.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from gateway.errors import ConfigError

INDENT = "  "

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SINGLE_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.)*'")
_DOUBLE_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_MULTI_LINE = re.compile(r"'''.*?'''", re.DOTALL)
_PLAIN_KEY = re.compile(r"[^\s:,{}\[\]'\"#][^:\n,{}\[\]]*(?=:)")
_LITERAL = re.compile(
    r"(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)(?=[ \t]*(?:[,}\]#\r\n]|//|/\*|$))"
)
_TO_END_OF_LINE = re.compile(r"[^\n]*")


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the text.

    Args:
        start: index of its first character.
        end: index after its last character.
        members: of an object, in the order of the text; None: not an object.
    """

    start: int
    end: int
    members: tuple["Member", ...] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One ``key: value`` of an object."""

    key: str
    start: int
    value: Value


class HjsonText:
    """A text whose objects can be found and added to.

    Args:
        text: the whole file.
        name: the file's name, for errors.

    Raises:
        ConfigError: the text is not understood; says the line.
    """

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self._name = name
        self.is_json = _is_json(text)
        self._has_braces = True
        self.root = self._scan_root()

    def find(self, path: Sequence[str]) -> Value | None:
        """The value under a path of keys, or None.

        Args:
            path: keys from the root; upper and lower case are the same, as for Go NNCP.

        Raises:
            ConfigError: a key stands twice, so that nobody can say which one counts.
        """
        value = self.root
        for depth, key in enumerate(path):
            found = [member for member in value.members or () if member.key.lower() == key.lower()]
            if len(found) > 1:
                self._fail(
                    found[1].start, f"{'.'.join(path[: depth + 1])} stands twice; merge the two by hand"
                )
            if not found:
                return None
            value = found[0].value
        return value

    def insert(self, path: Sequence[str], member: Mapping[str, object], comments: Sequence[str] = ()) -> str:
        """The text with members added at the end of an object.

        Args:
            path: of the object; it must exist.
            member: keys and values (strings, lists of strings, objects) to add.
            comments: lines to stand before them; left out in JSON, which has none.

        Raises:
            ConfigError: there is no object at that path.
        """
        target = self.find(path)
        if target is None or target.members is None:
            raise ConfigError(f"{self._name}: {'.'.join(path)} must be an object, such as {{}}")
        newline = "\r\n" if "\r\n" in self.text else "\n"
        indent = self._indent_of(target, path)
        if self.is_json:
            lines = json.dumps(member, indent=len(INDENT), ensure_ascii=False).split("\n")[1:-1]
            block = [f"{indent}{line.removeprefix(INDENT)}" for line in lines]
        else:
            block = [f"{indent}# {line}" for line in comments]
            block += [indent + line for line in render_members(member)]
        return self._put(target, newline.join(block), newline)

    def _put(self, target: Value, block: str, newline: str) -> str:
        text, members = self.text, target.members or ()
        if target is self.root and not self._has_braces:
            gap = "" if not text or text.endswith("\n") else newline
            return f"{text}{gap}{block}{newline}"
        close = target.end - 1
        line_start = text.rfind("\n", 0, close) + 1
        tail = text[line_start:close]
        if self.is_json and members:
            last_end = members[-1].value.end
            return f"{text[:last_end]},{newline}{block}{text[last_end:]}"
        if tail.strip():
            outer = self._line_indent(target.start)
            return f"{text[:close].rstrip(' ')}{newline}{block}{newline}{outer}{text[close:]}"
        return f"{text[:line_start]}{block}{newline}{text[line_start:]}"

    def _indent_of(self, target: Value, path: Sequence[str]) -> str:
        for member in target.members or ():
            head = self.text[self.text.rfind("\n", 0, member.start) + 1 : member.start]
            if not head.strip():
                return head
        return self._line_indent(target.start) + (INDENT if path or self._has_braces else "")

    def _line_indent(self, index: int) -> str:
        line = self.text[self.text.rfind("\n", 0, index) + 1 :]
        return line[: len(line) - len(line.lstrip(" \t"))]

    # Scanning

    def _scan_root(self) -> Value:
        start = self._skip(0)
        if self.text[start : start + 1] == "{":
            root = self._scan_object(start)
            if self._skip(root.end) == len(self.text):
                return root
            self._fail(root.end, "something stands after the closing brace")
        self._has_braces = False
        members, end = self._scan_members(start, "")
        return Value(start, end, members)

    def _scan_value(self, index: int) -> Value:
        first = self.text[index : index + 1]
        if first == "{":
            return self._scan_object(index)
        if first == "[":
            return self._scan_array(index)
        if self.text.startswith("'''", index):
            return self._match(_MULTI_LINE, index, "a string in ''' that does not end")
        if first in {'"', "'"}:
            return self._match(_quoted(first), index, "a string that does not end on its line")
        if first in {"", "}", "]", ",", ":"}:
            self._fail(index, "a value is missing")
        literal = _LITERAL.match(self.text, index)
        found = literal or _TO_END_OF_LINE.match(self.text, index)
        if found is None:
            raise AssertionError("internal error: the pattern matches everything")
        return Value(index, index + len(found[0].rstrip()))

    def _scan_object(self, start: int) -> Value:
        members, end = self._scan_members(self._skip(start + 1), "}")
        return Value(start, end + 1, members)

    def _scan_members(self, index: int, closing: str) -> tuple[tuple[Member, ...], int]:
        """Members up to ``closing`` ("" is the end of the text); the index of what closes them."""
        members: list[Member] = []
        while self.text[index : index + 1] != closing:
            start = index
            key, index = self._scan_key(index)
            index = self._skip(index)
            if self.text[index : index + 1] != ":":
                self._fail(index, f"a colon must follow the key {key}")
            value = self._scan_value(self._skip(index + 1))
            members.append(Member(key, start, value))
            index = self._skip(value.end)
            if self.text[index : index + 1] == ",":
                index = self._skip(index + 1)
        return tuple(members), index

    def _scan_key(self, index: int) -> tuple[str, int]:
        first = self.text[index : index + 1]
        if first in {'"', "'"} and first:
            found = self._match(_quoted(first), index, "a key whose quote does not end")
            raw = self.text[found.start : found.end]
            try:
                return (json.loads(raw) if first == '"' else raw[1:-1]), found.end
            except ValueError:
                self._fail(index, "a key with an escape that is not known")
        plain = _PLAIN_KEY.match(self.text, index)
        if plain is None:
            self._fail(index, "a key is expected here, or the end of the object")
        return plain[0].strip(), plain.end()

    def _scan_array(self, start: int) -> Value:
        index = self._skip(start + 1)
        while self.text[index : index + 1] != "]":
            index = self._skip(self._scan_value(index).end)
            if self.text[index : index + 1] == ",":
                index = self._skip(index + 1)
        return Value(start, index + 1)

    def _skip(self, index: int) -> int:
        found = _BLANK.match(self.text, index)
        return index if found is None else found.end()

    def _match(self, pattern: re.Pattern[str], index: int, otherwise: str) -> Value:
        found = pattern.match(self.text, index)
        if found is None:
            self._fail(index, otherwise)
        return Value(index, found.end())

    def _fail(self, index: int, text: str) -> NoReturn:
        line = self.text.count("\n", 0, index) + 1
        raise ConfigError(f"{self._name}: line {line}: {text}")


def render_members(members: Mapping[str, object]) -> list[str]:
    """Hjson lines of members: strings, lists of strings, and objects of those."""
    lines: list[str] = []
    for key, value in members.items():
        name = key if re.fullmatch(r"[A-Za-z][\w.-]*", key, re.ASCII) else json.dumps(key, ensure_ascii=False)
        if isinstance(value, Mapping):
            lines.append(f"{name}: {{")
            lines += [INDENT + line for line in render_members(value)]
            lines.append("}")
        else:
            lines.append(f"{name}: {json.dumps(value, ensure_ascii=False)}")
    return lines


def _quoted(quote: str) -> re.Pattern[str]:
    return _DOUBLE_QUOTED if quote == '"' else _SINGLE_QUOTED


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
