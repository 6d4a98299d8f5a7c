import socket
from pathlib import Path

import pytest

from gateway.daemon.notify import notify_systemd, open_wake_socket, read_wakes, send_wake
from gateway.durable import Disk
from gateway.errors import StoreError


def test_wakes_name_the_stages(tmp_path: Path) -> None:
    with open_wake_socket(tmp_path, Disk()) as receiver:
        assert read_wakes(receiver) == set()
        assert send_wake(tmp_path, "batch", "deliver")
        assert send_wake(tmp_path, "batch")
        assert read_wakes(receiver) == {"batch", "deliver"}
        assert read_wakes(receiver) == set()


def test_a_deep_directory_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["x" * 50] * 10)
    deep.mkdir(parents=True)
    with open_wake_socket(deep, Disk()) as receiver:
        assert send_wake(deep, "toss")
        assert read_wakes(receiver) == {"toss"}


def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    open_wake_socket(tmp_path, Disk()).close()
    assert not send_wake(tmp_path, "batch")
    with open_wake_socket(tmp_path, Disk()) as receiver:
        assert send_wake(tmp_path, "batch")
        assert read_wakes(receiver) == {"batch"}


def test_nobody_listens(tmp_path: Path) -> None:
    assert not send_wake(tmp_path, "batch")
    assert not send_wake(tmp_path / "missing", "batch")


def test_a_full_socket_does_not_block(tmp_path: Path) -> None:
    with open_wake_socket(tmp_path, Disk()) as receiver:
        assert all(send_wake(tmp_path, "batch") for _ in range(2000))
        assert read_wakes(receiver) == {"batch"}


def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_wake_socket(tmp_path / "missing", Disk())


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_service_manager_is_told(tmp_path: Path, is_abstract: bool) -> None:  # noqa: FBT001 - a parameter
    name = f"@{tmp_path}" if is_abstract else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if is_abstract else name)
        notify_systemd({"NOTIFY_SOCKET": name}, "READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("value", [None, "", "relative", "/nonexistent/socket"])
def test_without_a_service_manager_nothing_happens(value: str | None) -> None:
    notify_systemd({} if value is None else {"NOTIFY_SOCKET": value}, "READY=1")
