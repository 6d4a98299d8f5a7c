"""A unix socket that a mail server hands mail in through: made, with who may open it, and removed again.

Contract: nobody can connect before owner and mode are what they should be, since a socket that does not
listen refuses everybody. A socket that another program listens on is never taken away from it.
"""

import contextlib
import grp
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError

PATH_LIMIT_BYTES = 107
"""Of the name in the kernel's address, and in whatever connects to it; unix(7)."""


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """Where a socket is, and who may open it.

    Args:
        path: absolute; its directory exists.
        mode: permission bits; whoever may write may connect.
        group: that owns it; empty: our own.
    """

    path: Path
    mode: int = 0o660
    group: str = ""


def bind_unix(place: UnixSocket, key: str) -> socket.socket:
    """Make a socket; it does not listen yet.

    Args:
        place: where.
        key: of the configuration, for errors.

    Raises:
        ConfigError: it can't be made there.
    """
    path = os.fsencode(place.path)
    if len(path) > PATH_LIMIT_BYTES:
        text = f"{place.path} has {len(path)} bytes"
        raise ConfigError(f"{key}: {text}; allowed: a path of up to {PATH_LIMIT_BYTES} bytes")
    _remove_stale(place.path, key)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        os.chmod(path, place.mode)  # noqa: PTH101 - as bytes, like the rest
        if place.group:
            os.chown(path, -1, _group_id(place.group, key))
        bound.setblocking(False)
    except BaseException as error:
        if bound.getsockname():
            remove_unix(place)
        bound.close()
        if isinstance(error, OSError):
            raise ConfigError(f"{key}: can not make {place.path}: {error.strerror}") from error
        raise
    return bound


def remove_unix(place: UnixSocket) -> None:
    """Remove a socket of ours that listens no more."""
    with contextlib.suppress(OSError):
        place.path.unlink()


def _remove_stale(path: Path, key: str) -> None:
    """Remove what a program that was killed left.

    Raises:
        ConfigError: it is in use, or no socket.
    """
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{key}: can not look at {path}: {error.strerror}") from None
    if not is_socket:
        raise ConfigError(f"{key}: {path} is there and is no socket; allowed: a path that is free")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fsencode(path))
        except ConnectionRefusedError:
            remove_unix(UnixSocket(path))
            return
        except OSError as error:
            raise ConfigError(f"{key}: can not connect to {path}: {error.strerror}") from None
    raise ConfigError(f"{key}: another program listens on {path}; allowed: a path that is free")


def _group_id(name: str, key: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(f"{key}: there is no group {name!r} on this machine") from None
