"""Tell systemd that we are ready or stopping, and hear from other processes that there is work.

``wake.sock`` in the state directory takes datagrams: the names of stages to wake, separated by
spaces. It carries no data and needs no answer: work is found on disk, and a wake that is lost
costs no more than the time to the next rescan. The socket by which mail is handed in, ``pipe.sock``, is
made here as well; ``gateway.ingest.pipe_server`` listens on it.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.durable import Disk, store_errors
from gateway.handover.frames import SOCKET_NAME

WAKE_NAME = "wake.sock"
PIPE_MODE = 0o660
WAKE_LIMIT_BYTES = 1024


def notify_systemd(environ: Mapping[str, str], state: str) -> None:
    """Tell the service manager a state such as ``READY=1``; nothing happens without one.

    Spec: sd_notify(3).
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] in {"/", "@"}:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)


def open_wake_socket(state_directory: Path, disk: Disk) -> socket.socket:
    """Listen for wakes; whoever may write to the socket may wake.

    Raises:
        StoreError: the state directory refuses.
    """
    return _bound(state_directory, WAKE_NAME, socket.SOCK_DGRAM, disk)


def open_pipe_socket(state_directory: Path, disk: Disk) -> socket.socket:
    """A socket for local programs that hand mail in: our user and group may connect, nobody else.

    It does not listen yet.

    Raises:
        StoreError: the state directory refuses.
    """
    bound = _bound(state_directory, SOCKET_NAME, socket.SOCK_STREAM, disk)
    try:
        with store_errors(state_directory / SOCKET_NAME, "set the mode of"):
            (state_directory / SOCKET_NAME).chmod(PIPE_MODE)
    except BaseException:
        bound.close()
        raise
    return bound


def _bound(state_directory: Path, name: str, kind: socket.SocketKind, disk: Disk) -> socket.socket:
    path = state_directory / name
    disk.remove(path, is_synced=False)
    bound = socket.socket(socket.AF_UNIX, kind)
    try:
        with store_errors(path, "listen on"), _short_name(state_directory, name) as short:
            bound.bind(short)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def read_wakes(receiver: socket.socket) -> set[str]:
    """The names of the stages that somebody wants woken."""
    names: set[str] = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            names.update(receiver.recv(WAKE_LIMIT_BYTES).decode("ascii", "replace").split())
    return names


def send_wake(state_directory: Path, *names: str) -> bool:
    """Wake stages of the daemon that runs on a state directory.

    Returns:
        Whether a daemon listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            with _short_name(state_directory, WAKE_NAME) as short:
                sender.sendto(" ".join(names).encode("ascii"), short)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _short_name(state_directory: Path, name: str) -> Iterator[str]:
    """A name of a socket that fits the 108 bytes the kernel has for it, however deep we are."""
    fd = os.open(state_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)
