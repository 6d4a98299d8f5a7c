"""Add to the directory form of an NNCP configuration: nothing that is there is changed or replaced.

    .NAME.RANDOM.new (written whole, synced) ──→ NAME (a value, or a directory of values)

Contract: who reads the directory meanwhile, or after a stop, finds each addition whole or not at all, since
no reader looks at names that begin with a dot. What is added belongs to whom the directory belongs that it
is added to, and can be read by whom that can.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.config.nncp_directory import ValueFile, files_of
from gateway.config.nncp_document import Object
from gateway.durable import Disk, store_errors
from gateway.errors import ConfigError, StoreError

RANDOM_BYTES = 8
PRIVATE_MODE = 0o600
FILE_BITS = 0o666


def added_to(document: Object, addition: Object) -> Object:
    """A tree with another one in it.

    Args:
        document: as it was read; not changed.
        addition: objects, and in them values that the document has not.
    """
    tree = Object(document)
    for key, value in addition.items():
        there = tree.get(key)
        if isinstance(there, Object) and isinstance(value, Object):
            tree[key] = added_to(there, value)
        else:
            tree[key] = value
    return tree


def object_of(where: Sequence[str], members: Mapping[str, object]) -> Object:
    """A tree that holds nothing but some members, at a path of keys."""
    tree = Object(
        {key: object_of((), value) if isinstance(value, Mapping) else value for key, value in members.items()}
    )
    for key in reversed(where):
        tree = Object({key: tree})
    return tree


def add_to_directory(root: Path, addition: Object, disk: Disk) -> None:
    """Add values to a configuration.

    Args:
        root: the directory.
        addition: what it has not.
        disk: how files are written.

    Raises:
        ConfigError: a value is there, or can't stand in a directory; what was before it is added.
        StoreError: the disk refused; as above.
    """
    by_entry: dict[Path, list[ValueFile]] = {}
    for file in files_of(addition):
        by_entry.setdefault(_first_missing(root, file.parts), []).append(file)
    for entry, files in by_entry.items():
        _add(root, entry, files, disk)


def _first_missing(root: Path, parts: Sequence[str]) -> Path:
    path = root
    for name in parts:
        path /= name
        if not os.path.lexists(path):
            return path
    raise ConfigError(f"{path}: is there already")


def _add(root: Path, entry: Path, files: Sequence[ValueFile], disk: Disk) -> None:
    depth = len(entry.relative_to(root).parts)
    staged = entry.with_name(f".{entry.name}.{secrets.token_hex(RANDOM_BYTES)}.new")
    with store_errors(entry.parent, "look at"):
        like = entry.parent.stat()
    try:
        for file in files:
            _write(staged.joinpath(*file.parts[depth:]), file, like, disk)
        for directory in {path for file in files for path in _parents(staged, file.parts[depth:])}:
            with store_errors(directory, "set the owner of"):
                _give(directory, like, like.st_mode & 0o7777)
            disk.sync_directory(directory)
        disk.rename(staged, entry)
    except BaseException:
        with contextlib.suppress(StoreError):
            disk.remove_tree(staged)
        raise


def _parents(staged: Path, parts: Sequence[str]) -> list[Path]:
    """The directories that lead to a staged file, if it does not stand for itself."""
    return [staged.joinpath(*parts[:count]) for count in range(len(parts))]


def _write(path: Path, file: ValueFile, like: os.stat_result, disk: Disk) -> None:
    disk.make_directories(path.parent, PRIVATE_MODE | 0o100)
    with disk.create(path, PRIVATE_MODE) as new:
        new.write(file.data)
        with store_errors(path, "set the owner of"):
            _give(new.fileno(), like, PRIVATE_MODE if file.mode == PRIVATE_MODE else like.st_mode & FILE_BITS)
        new.keep()


def _give(target: Path | int, like: os.stat_result, mode: int) -> None:
    # Who is not root can't give anything away; a directory may hand its group on by itself.
    if os.geteuid() == 0:
        os.chown(target, like.st_uid, like.st_gid)
    os.chmod(target, mode)  # noqa: PTH101 -- a descriptor, too
