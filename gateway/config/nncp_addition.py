"""Adding to an NNCP configuration in the form that it has.

Contract: an addition can be looked at as a configuration before anything is changed. A text keeps its
comments, and the file as it was stays beside it; to a directory files are added, and none is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gateway.config.candidate import Candidate
from gateway.config.edit_directory import add_to_directory, added_to, object_of
from gateway.config.edit_hjson import HjsonText
from gateway.config.nncp import NncpConfig, check_document, load_nncp_config
from gateway.config.nncp_directory import read_directory
from gateway.config.nncp_forms import DIRECTORY, TEXT, form_of
from gateway.durable import Disk
from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Addition:
    """What is to be added.

    Args:
        where: keys that lead to the object it is added to; the last may be missing.
        members: keys and values: texts, lists of texts, and objects of those; empty: nothing.
        comments: lines to stand before them, in a form that has comments.
        changes: the same in words, a line each.
    """

    where: tuple[str, ...]
    members: Mapping[str, object]
    comments: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


class Edit(Protocol):
    """A configuration and what is to be added to it; a context manager."""

    def load(self, environ: Mapping[str, str]) -> NncpConfig:
        """The configuration as it will be.

        Raises:
            ConfigError: it can't be used.
        """

    def take(self) -> None:
        """Make it so.

        Raises:
            ConfigError: it was changed meanwhile.
            StoreError: the disk refused.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def begin_edit(path: Path, addition: Addition, disk: Disk) -> Edit:
    """Prepare an addition.

    Args:
        path: the configuration, of a form that can be edited.
        addition: what it has not.
        disk: how files are changed.

    Raises:
        ConfigError: its text is not understood.
    """
    is_directory = form_of(path) is DIRECTORY
    return (_DirectoryEdit if is_directory else _TextEdit)(path, addition, disk)


def check_form(path: Path) -> None:
    """See that a configuration has a form that can be edited, before anybody types a passphrase for it.

    Raises:
        ConfigError: it has not.
    """
    form = form_of(path)
    if form not in {TEXT, DIRECTORY}:
        raise ConfigError(
            f"{path}: is {form}, which can't be edited; allowed: {TEXT}, or {DIRECTORY}."
            f" Decrypt it (nncp-gateway nncp cfgenc -d {path} > NEW), name NEW as node.nncp_config, accept,"
            " and encrypt NEW again"
        )


def read_text(path: Path) -> str:
    """A configuration file as it stands.

    Raises:
        ConfigError: it can't be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text and can't be edited") from None


class _TextEdit:
    """See ``Edit``, for an Hjson or JSON file."""

    def __init__(self, path: Path, addition: Addition, disk: Disk) -> None:
        self._path = path
        self._old = read_text(path)
        self._candidate = Candidate(disk, path, _edited(self._old, path, addition))

    def load(self, environ: Mapping[str, str]) -> NncpConfig:
        return replace(load_nncp_config(self._candidate.path, environ), path=self._path)

    def take(self) -> None:
        self._candidate.take(self._old)

    def __enter__(self) -> Self:
        self._candidate.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._candidate.__exit__()


def _edited(text: str, path: Path, addition: Addition) -> str:
    if not addition.members:
        return text
    document = HjsonText(text, str(path))
    where, members = addition.where, addition.members
    if document.find(where) is None:
        where, members = where[:-1], {where[-1]: members}
    return document.insert(where, members, addition.comments)


class _DirectoryEdit:
    """See ``Edit``, for a directory."""

    def __init__(self, path: Path, addition: Addition, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._addition = object_of(addition.where, addition.members)

    def load(self, environ: Mapping[str, str]) -> NncpConfig:
        return check_document(self._path, added_to(read_directory(self._path), self._addition), environ)

    def take(self) -> None:
        add_to_directory(self._path, self._addition, self._disk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was begun."""
