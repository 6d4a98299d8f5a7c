"""Paths that a neighbour names, kept within the directory it was given.

Contract: what is returned lies in the directory, component by component, after every symbolic link
that exists was followed. Nothing on disk is changed. Whoever may write to the directory itself on
this machine can still move things under us; a neighbour can't.
"""

import os
import posixpath
from pathlib import Path

from gateway.errors import GatewayError, PacketError

UP = b".."
HERE = b"."


class Traversal(GatewayError):
    """A path leads out of the directory it belongs in."""

    status = "5.7.1"


def relative_name(path: bytes, what: str) -> bytes:
    """Shorten a path as it is written: ``a/../b`` is ``b``, the empty path is ``.``.

    Args:
        path: from a packet.
        what: what messages call it.

    Raises:
        PacketError: it is absolute, or can't be a path.
        Traversal: it begins with ``..``.
    """
    if path.startswith(b"/"):
        raise PacketError(f"non-relative {what} path")
    if b"\0" in path:
        raise PacketError(f"{what} path: a NUL byte can't be in a name")
    name = posixpath.normpath(path)
    if name.split(b"/", 1)[0] == UP:
        raise Traversal(f"{what} path traversal: {os.fsdecode(path)!r} leads out of the directory")
    return name


def resolve_inside(root: Path, name: bytes, what: str) -> Path:
    """Where a name lies, all symbolic links followed.

    Args:
        root: the directory; need not be there.
        name: as ``relative_name`` gives it.
        what: what messages call the path.

    Raises:
        Traversal: a symbolic link leads out of the directory.
    """
    top = Path(os.path.realpath(root))
    path = Path(os.path.realpath(top / os.fsdecode(name)))
    if not path.is_relative_to(top):
        raise Traversal(f"{what} path traversal: a symbolic link leads from {root} to {path}")
    return path
