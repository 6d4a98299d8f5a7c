"""A unix socket is made with the right permissions, and taken from nobody."""

import socket
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.ingest.unix_socket import PATH_LIMIT_BYTES, UnixSocket, bind_unix, remove_unix


def test_what_a_killed_program_left_is_replaced(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "s", 0o640)
    bind_unix(place, "lmtp.socket").close()
    with bind_unix(place, "lmtp.socket") as bound:
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o640
        bound.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place.path))
    remove_unix(place)
    assert not place.path.exists()
    remove_unix(place)


def test_nobody_connects_before_it_listens(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "s")
    with (
        bind_unix(place, "lmtp.socket"),
        socket.socket(socket.AF_UNIX) as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.connect(str(place.path))


def test_a_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "s")
    with bind_unix(place, "lmtp.socket") as other:
        other.listen()
        with pytest.raises(ConfigError, match=r"lmtp\.socket: another program listens on .*allowed: "):
            bind_unix(place, "lmtp.socket")
        assert place.path.exists()


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ConfigError, match=r"is no socket; allowed: "):
        bind_unix(UnixSocket(path), "lmtp.socket")
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (UnixSocket(Path("/nowhere/at/all")), "No such file or directory"),
        (UnixSocket(Path("/" + "x" * PATH_LIMIT_BYTES)), "allowed: a path of up to 107 bytes"),
    ],
)
def test_what_can_not_be_is_said(place: UnixSocket, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        bind_unix(place, "lmtp.socket")
    assert str(caught.value).startswith("lmtp.socket: ")


def test_a_group_that_is_not_there_leaves_no_socket_open_to_others(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "s", group="no such group")
    with pytest.raises(ConfigError, match=r"there is no group 'no such group'"):
        bind_unix(place, "lmtp.socket")
    assert not place.path.exists()
