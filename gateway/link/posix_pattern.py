r"""POSIX extended regular expressions, as NNCP names interfaces by them.

Contract: a pattern means what it means to the Go tools, and one that they refuse is refused. It may
match anywhere in a name; ``^`` and ``$`` tie it to the ends. Python's own syntax differs: ``a*?`` is
no lazy star here, ``\d`` is nothing at all, and ``[[:alpha:]]`` is a class.

Spec: NNCP 8 manual, MCD configuration; IEEE Std 1003.1, 9.4 Extended Regular Expressions.
"""

import re
import string
from collections.abc import Mapping
from typing import NoReturn

from gateway.errors import ConfigError

PATTERN_LIMIT_CHARS = 256
"""Interfaces have names of 15 characters."""

REPEAT_LIMIT_COUNT = 1000
"""Go refuses more in one pair of braces."""

ASCII_COUNT = 128

_ALLOWED = "a POSIX extended regular expression, such as ^(eth|wlan)[0-9]+$"
_BRACES = re.compile(r"\{([0-9]{1,6})(,([0-9]{1,6})?)?\}", re.ASCII)
_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]", re.ASCII)
_CLASSES: Mapping[str, str] = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t\x20",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": r"\x20-~",
    "punct": r"!-/:-@\[-`\{-~",
    "space": r"\t\n\v\f\r\x20",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


def compile_posix(text: str) -> re.Pattern[str]:
    """Read a pattern; use its ``search``.

    Raises:
        ConfigError: it is no such pattern.

    Spec: IEEE Std 1003.1, 9.4 Extended Regular Expressions.
    """
    if len(text) > PATTERN_LIMIT_CHARS:
        raise ConfigError(f"a pattern of {len(text)} characters, allowed: {PATTERN_LIMIT_CHARS}")
    translation = _Translation(text)
    try:
        return re.compile(translation.whole(), re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        translation.refuse(str(error))


class _Translation:
    """One pass over a pattern, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def refuse(self, problem: str) -> NoReturn:
        raise ConfigError(f"pattern {self._text!r}: {problem}, allowed: {_ALLOWED}")

    def whole(self) -> str:
        found = self._alternatives()
        if self._at < len(self._text):
            self.refuse("a ) without its (")
        return found

    def _next(self) -> str:
        """The character at hand, or nothing at the end."""
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._next()
        self._at += 1
        return char

    def _alternatives(self) -> str:
        branches = [self._branch()]
        while self._next() == "|":
            self._take()
            branches.append(self._branch())
        return "|".join(branches)

    def _branch(self) -> str:
        pieces = []
        while self._next() not in {"", "|", ")"}:
            piece = self._atom()
            while (repeat := self._repeat()) is not None:
                piece = f"(?:{piece}){repeat}"
            pieces.append(piece)
        return "".join(pieces)

    def _repeat(self) -> str | None:
        if self._next() in {"*", "+", "?"}:
            return self._take()
        braces = _BRACES.match(self._text, self._at)
        if braces is None:
            return None
        low, comma, high = braces.groups()
        if int(high or low) > REPEAT_LIMIT_COUNT or int(high or low) < int(low):
            self.refuse(f"{braces[0]} is no number of times")
        self._at = braces.end()
        return f"{{{low}{',' if comma else ''}{high or ''}}}"

    def _atom(self) -> str:
        char = self._take()
        match char:
            case "(":
                inner = self._alternatives()
                if self._take() != ")":
                    self.refuse("a ( without its )")
                return f"(?:{inner})"
            case "[":
                return self._bracket()
            case "\\":
                return re.escape(self._escaped())
            case "*" | "+" | "?":
                self.refuse(f"nothing in front of {char}")
            case "{" if _BRACES.match(self._text, self._at - 1):
                self.refuse("nothing in front of {")
            case "^":
                return r"\A"
            case "$":
                return r"\Z"
        return "." if char == "." else re.escape(char)

    def _escaped(self) -> str:
        char = self._take()
        if not char or char not in string.punctuation:
            self.refuse(f"\\{char} means nothing")
        return char

    def _bracket(self) -> str:
        start = self._at
        is_negated = self._next() == "^"
        if is_negated:
            self._take()
            start += 1
        found: list[str] = []
        while self._next() != "]" or self._at == start:
            if not self._next():
                self.refuse("a [ without its ]")
            found.append(self._class() or self._range(is_first=self._at == start))
        self._take()
        return f"[{'^' if is_negated else ''}{''.join(found)}]"

    def _class(self) -> str | None:
        named = _CLASS.match(self._text, self._at)
        if named is None:
            return None
        if named[2] not in _CLASSES:
            self.refuse(f"{named[0]} is not known")
        self._at = named.end()
        return _others(_CLASSES[named[2]]) if named[1] else _CLASSES[named[2]]

    def _range(self, *, is_first: bool) -> str:
        if self._next() == "-" and not is_first and self._text[self._at + 1 : self._at + 2] != "]":
            self.refuse("a - that is neither first, last nor between two characters")
        low = self._one()
        if self._next() != "-" or self._text[self._at + 1 : self._at + 2] in {"", "]"}:
            return _literal(low)
        self._take()
        high = self._one()
        if high < low:
            self.refuse(f"{low}-{high} ends before it begins")
        return f"{_literal(low)}-{_literal(high)}"

    def _one(self) -> str:
        char = self._take()
        return self._escaped() if char == "\\" else char


def _others(chars: str) -> str:
    """All characters but those of a class, which are ASCII."""
    ascii_chars = "".join(map(chr, range(ASCII_COUNT)))
    rest = re.sub(f"[{chars}]", "", ascii_chars)
    return "".join(map(_literal, rest)) + r"\U00000080-\U0010ffff"


def _literal(char: str) -> str:
    """A character within brackets, whatever it means there to Python."""
    return f"\\U{ord(char):08x}"
