"""Flags as the Go tools take them, and the usage text that goes with them.

Contract: one or two dashes; ``-x v`` or ``-x=v``; a boolean takes a value only after ``=``; the
first argument that is no flag ends them, and so does ``--``. A verb's table of flags drives both
the parser and the usage text. A wrong flag is exit status 2, help is 0, as in Go; a wrong use of
the arguments is 1.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from gateway import __version__

STATUS_OK = 0
STATUS_FAILED = 1
STATUS_BAD_FLAG = 2

UINT_LIMIT = 1 << 64
INT_LIMIT = 1 << 63

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_OCTAL = re.compile(r"0_?[0-7]+(_[0-7]+)*", re.ASCII)
_DIGITS = re.compile(r"[0-9a-zA-Z_]+", re.ASCII)

_SHORT_HEAD_CHARS = 4
"""A flag of one letter has its purpose in the same line."""

Value = bool | int | str

LICENCE = """\
nncp-gateway is distributed under the Apache License, Version 2.0
<https://www.apache.org/licenses/LICENSE-2.0>.

It is provided "AS IS", without warranties or conditions of any kind, either express
or implied. See sections 7 and 8 of the licence."""


class Kind(Enum):
    """What a flag takes; the value is the word in the usage text."""

    BOOL = ""
    STRING = "string"
    UINT = "uint"
    INT = "int"


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a verb.

    Args:
        name: without dashes.
        kind: what it takes.
        purpose: one line of the usage text.
        default: its value when it is absent.
    """

    name: str
    kind: Kind
    purpose: str
    default: Value


def switch(name: str, purpose: str) -> Flag:
    """A flag that is on when present."""
    return Flag(name, Kind.BOOL, purpose, default=False)


def text(name: str, purpose: str, default: str = "") -> Flag:
    """A flag that takes a text."""
    return Flag(name, Kind.STRING, purpose, default)


def unsigned(name: str, purpose: str, default: int = 0) -> Flag:
    """A flag that takes a whole number from zero on."""
    return Flag(name, Kind.UINT, purpose, default)


def signed(name: str, purpose: str, default: int = 0) -> Flag:
    """A flag that takes a whole number, negative ones included."""
    return Flag(name, Kind.INT, purpose, default)


@dataclass(frozen=True, slots=True)
class Verb:
    """An ``nncp-*`` command.

    Args:
        name: without ``nncp-``.
        purpose: what it does, in a few words.
        usages: its usage lines, without the command's name.
        flags: all it takes, in any order.
        epilogue: a line after the flags.
    """

    name: str
    purpose: str
    usages: tuple[str, ...]
    flags: tuple[Flag, ...]
    epilogue: str = ""

    @property
    def command(self) -> str:
        """Its name as a command of its own."""
        return f"nncp-{self.name}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a command line said.

    Args:
        values: every flag of the verb, given or not.
        given: names of the flags that were on the command line.
        arguments: what follows the flags.
    """

    values: Mapping[str, Value]
    given: frozenset[str]
    arguments: tuple[str, ...]

    def switch(self, name: str) -> bool:
        """Whether a boolean flag is on; a flag that the verb does not have is off."""
        return self.values.get(name, False) is True

    def text(self, name: str) -> str:
        """The text of a flag; of one that the verb does not have, the empty one."""
        return str(self.values.get(name, ""))

    def number(self, name: str) -> int:
        """The number of a flag."""
        return int(self.values[name])


class _FlagError(Exception):
    """A flag cannot be parsed; the text is Go's."""


class _HelpWanted(Exception):
    """``-h`` or ``-help``."""


def parse(verb: Verb, arguments: list[str]) -> Parsed | int:
    """Read a command line, and answer it where it only asks for help, version or licence.

    Args:
        verb: the verb and its flags.
        arguments: what follows the verb.

    Returns:
        What was said, or the exit status when all is answered already.
    """
    try:
        parsed = _parse(verb, arguments)
    except _HelpWanted:
        print_usage(verb)
        return STATUS_OK
    except _FlagError as error:
        print(error, file=sys.stderr)
        print_usage(verb)
        return STATUS_BAD_FLAG
    if parsed.switch("warranty"):
        print(LICENCE)
        return STATUS_OK
    if parsed.switch("version"):
        print(version_line())
        return STATUS_OK
    return parsed


def wrong_usage(verb: Verb) -> int:
    """Print the usage text; the exit status of a wrong use of the arguments."""
    print_usage(verb)
    return STATUS_FAILED


def version_line() -> str:
    """What ``-version`` prints."""
    version = sys.version_info
    return f"nncp-gateway {__version__} (NNCP 8 compatible), Python {version.major}.{version.minor}"


def print_usage(verb: Verb) -> None:
    """Print the usage text on stderr, in the shape of the Go tools'."""
    print(usage_of(verb), file=sys.stderr)


def usage_of(verb: Verb) -> str:
    """The usage text of a verb."""
    lines = [version_line(), "License Apache-2.0, without any warranty", ""]
    lines += [f"{verb.command} -- {verb.purpose}", ""]
    for number, usage in enumerate(verb.usages):
        lines.append(f"{'Usage:' if number == 0 else '      '} {verb.command} {usage}")
    lines.append("Options:")
    for flag in sorted(verb.flags, key=lambda flag: flag.name):
        head = f"  -{flag.name} {flag.kind.value}".rstrip()
        gap = "\t" if len(head) <= _SHORT_HEAD_CHARS else "\n    \t"
        lines.append(f"{head}{gap}{flag.purpose}{_default_note(flag)}")
    if verb.epilogue:
        lines.append(verb.epilogue)
    return "\n".join(lines)


def _default_note(flag: Flag) -> str:
    if not flag.default:
        return ""
    return f" (default {_quote(flag.default) if isinstance(flag.default, str) else flag.default})"


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parse(verb: Verb, arguments: list[str]) -> Parsed:
    flags = {flag.name: flag for flag in verb.flags}
    values: dict[str, Value] = {flag.name: flag.default for flag in verb.flags}
    given: set[str] = set()
    rest = list(arguments)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        argument = rest.pop(0)
        if argument == "--":
            break
        name, value = _split(argument)
        flag = flags.get(name)
        if flag is None:
            if name in {"h", "help"}:
                raise _HelpWanted
            raise _FlagError(f"flag provided but not defined: -{name}")
        if value is None and flag.kind is not Kind.BOOL:
            if not rest:
                raise _FlagError(f"flag needs an argument: -{name}")
            value = rest.pop(0)
        values[name] = True if value is None else _READERS[flag.kind](flag, value)
        given.add(name)
    return Parsed(values, frozenset(given), tuple(rest))


def _split(argument: str) -> tuple[str, str | None]:
    body = argument[2:] if argument.startswith("--") else argument[1:]
    if not body or body[0] in "-=":
        raise _FlagError(f"bad flag syntax: {argument}")
    name, separator, value = body.partition("=")
    return name, value if separator else None


def _read_bool(flag: Flag, value: str) -> bool:
    if value not in _TRUE | _FALSE:
        raise _FlagError(f"invalid boolean value {_quote(value)} for -{flag.name}: parse error")
    return value in _TRUE


def _read_text(_flag: Flag, value: str) -> str:
    return value


def _read_unsigned(flag: Flag, value: str) -> int:
    return _read_number(flag, value, "", UINT_LIMIT)


def _read_signed(flag: Flag, value: str) -> int:
    sign = value[:1] if value[:1] in {"-", "+"} else ""
    return _read_number(flag, value, sign, INT_LIMIT + (sign == "-"))


def _read_number(flag: Flag, value: str, sign: str, limit: int) -> int:
    digits = value[len(sign) :]
    problem = f"invalid value {_quote(value)} for flag -{flag.name}: "
    try:
        if not _DIGITS.fullmatch(digits):
            raise ValueError
        number = int(digits, 8) if _OCTAL.fullmatch(digits) else int(digits, 0)
    except ValueError:
        raise _FlagError(problem + "parse error") from None
    if number >= limit:
        raise _FlagError(problem + "value out of range")
    return -number if sign == "-" else number


_READERS: Mapping[Kind, Callable[[Flag, str], Value]] = {
    Kind.BOOL: _read_bool,
    Kind.STRING: _read_text,
    Kind.UINT: _read_unsigned,
    Kind.INT: _read_signed,
}
