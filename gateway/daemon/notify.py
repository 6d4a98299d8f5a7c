"""Tell systemd that we are ready or stopping, and hear from other processes that there is work.

``wake.sock`` in the state directory takes datagrams: the names of stages to wake, separated by
spaces. It carries no data and needs no answer: work is found on disk, and a wake that is lost
costs no more than the time to the next rescan.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.durable import Disk, store_errors

WAKE_NAME = "wake.sock"
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
    disk.remove(state_directory / WAKE_NAME, is_synced=False)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        with store_errors(state_directory / WAKE_NAME, "listen on"), _short_name(state_directory) as name:
            receiver.bind(name)
        receiver.setblocking(False)
    except BaseException:
        receiver.close()
        raise
    return receiver


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
            with _short_name(state_directory) as name:
                sender.sendto(" ".join(names).encode("ascii"), name)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _short_name(state_directory: Path) -> Iterator[str]:
    """A name of the socket that fits the 108 bytes the kernel has for it, however deep we are."""
    fd = os.open(state_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{WAKE_NAME}"
    finally:
        os.close(fd)
