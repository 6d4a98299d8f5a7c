"""The directory form of an NNCP configuration: a file for each value.

Contract: reading gives the same tree as the Hjson file of the same content; writing gives the
files that nncp-cfgdir writes. A value that the form can't hold (a name with a slash, a list item
of two lines) is refused before anything is written. ``spool``, which nothing works without, is
written last: a new directory that is not whole is not read. Private keys are 0600 from the start.

A text is a file with one line end behind it; a list has one item in each line; a flag is there or
not; objects are directories. Names that begin with a dot are passed over.

Spec: NNCP manual, Configuration directory.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.nncp_document import Object
from gateway.config.nncp_shape import ROOT, Entry, Kind, members_of
from gateway.durable import FILE_MODE, Disk
from gateway.errors import ConfigError

SECRET_MODE = 0o600
FILE_LIMIT_BYTES = 1 << 20
"""Of one value."""

_LAST = "spool"
_NUMBER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_WHOLE = Entry("", Kind.OBJECT, ROOT)


@dataclass(frozen=True, slots=True)
class ValueFile:
    """The file of one value.

    Args:
        parts: its path below the directory.
        data: its content.
        mode: permission bits before the umask.
    """

    parts: tuple[str, ...]
    data: bytes
    mode: int


def read_directory(path: Path) -> Object:
    """Read a configuration.

    Args:
        path: the directory.

    Returns:
        The tree; what the table does not know is in it as null.

    Raises:
        ConfigError: a file can't be read, is none, or is not UTF-8.
    """
    tree = _read_object(path, _WHOLE)
    if not tree:
        raise ConfigError(f"{path}: no settings in it, allowed: a directory as nncp-cfgdir -dump makes it")
    return tree


def write_directory(path: Path, document: Object, disk: Disk) -> None:
    """Write a configuration; what else is in the directory stays.

    Args:
        path: the directory; made if it is missing.
        document: a tree that was found to be in order.
        disk: how files are written.

    Raises:
        ConfigError: the form can't hold a value; nothing was written.
        StoreError: the disk refused; what was replaced so far is whole.
    """
    for file in sorted(files_of(document), key=lambda file: file.parts == (_LAST,)):
        target = path.joinpath(*file.parts)
        disk.make_directories(target.parent)
        disk.write_file(target, file.data, file.mode)


def files_of(document: Object) -> list[ValueFile]:
    """The files that hold a tree, or a part of one.

    Raises:
        ConfigError: the form can't hold a value.
    """
    return [_check(file) for file in _files((), _WHOLE, document)]


def _files(parts: tuple[str, ...], entry: Entry, value: object) -> Iterator[ValueFile]:
    if value is None:
        return
    if entry.kind in {Kind.OBJECT, Kind.NAMED, Kind.NUMBERED}:
        for name, member, inner in members_of(value, entry):
            yield from _files((*parts, name), member, inner)
        return
    mode = SECRET_MODE if entry.is_secret else FILE_MODE
    yield ValueFile(parts, _content(parts, entry, value).encode(), mode)


def _content(parts: tuple[str, ...], entry: Entry, value: object) -> str:
    if entry.kind is Kind.FLAG:
        return ""
    if not isinstance(value, list):
        return f"{value}\n"
    for number, item in enumerate(value):
        if "\n" in item:
            key = ".".join((*parts, str(number)))
            raise ConfigError(
                f"{key}: a text of several lines, allowed in a directory: one line for each item"
            )
    return "\n".join(value) + "\n"


def _check(file: ValueFile) -> ValueFile:
    for name in file.parts:
        # Go writes a/../../b where it leads, and never reads .b again.
        if "/" in name or "\0" in name or name == "" or name.startswith("."):
            raise ConfigError(
                f"{'.'.join(file.parts)}: a name that can't be a file's, allowed in a directory: not empty,"
                " no dot in front, no slash"
            )
    return file


def _read_object(path: Path, entry: Entry) -> Object:
    tree = Object()
    names = _names(path)
    for member in entry.members:
        if member.key in names:
            value = _read(path / member.key, member)
            if value is not None:
                tree[member.key] = value
    known = {member.key for member in entry.members}
    # They become warnings. One that differs from a key by its case alone would hide that.
    tree.update({name: None for name in names if name.lower() not in known})
    return tree


def _read(path: Path, entry: Entry) -> object:
    return _READERS[entry.kind](path, entry)


def _read_part(path: Path, entry: Entry) -> object:
    # A file where an object must be stays text, which is refused with all other faults.
    return _read_object(path, entry) if path.is_dir() else _read_text(path)


def _read_named(path: Path, entry: Entry) -> object:
    part = Entry("", entry.of, entry.members)
    return Object({name: _read(path / name, part) for name in _names(path)}) or None


def _read_numbered(path: Path, entry: Entry) -> object:
    part = Entry("", Kind.OBJECT, entry.members)
    return [_read(path / name, part) for name in sorted(_names(path), key=_by_number)] or None


def _read_number(path: Path, _entry: Entry) -> object:
    text = _read_text(path)
    return int(text) if _NUMBER.fullmatch(text) and len(text) <= _NUMBER_CHARS else text


_READERS: Mapping[Kind, Callable[[Path, Entry], object]] = {
    Kind.OBJECT: _read_part,
    Kind.NAMED: _read_named,
    Kind.NUMBERED: _read_numbered,
    Kind.NUMBER: _read_number,
    Kind.FLAG: lambda _path, _entry: True,
    Kind.TEXTS: lambda path, _entry: _read_text(path).split("\n"),
    Kind.TEXT: lambda path, _entry: _read_text(path),
}
_NUMBER_CHARS = 20


def _by_number(name: str) -> tuple[bool, int, str]:
    is_number = name.isascii() and name.isdigit() and len(name) <= _NUMBER_CHARS
    return not is_number, int(name) if is_number else 0, name


def _names(path: Path) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))  # noqa: PTH208 -- names alone
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the directory: {error.strerror or error}") from None
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"{path}: the name {os.fsencode(name)!r} in it is not UTF-8") from None
    return names


def _read_text(path: Path) -> str:
    try:
        # A FIFO would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: not a regular file, allowed: a file that holds the value")
        with path.open("rb") as opened:
            raw = opened.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > FILE_LIMIT_BYTES:
        raise ConfigError(f"{path}: too large, allowed: {FILE_LIMIT_BYTES} bytes")
    try:
        return raw.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
