"""Whether an endpoint answers: connect, and read the line that it greets with."""

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 3.0
LINE_LIMIT_BYTES = 512
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - to be reached, not listened on


@dataclass(frozen=True, slots=True)
class Greeting:
    """What came of a look at an endpoint.

    Args:
        address: HOST:PORT or the path of a socket.
        line: what it said; "" where it speaks TLS first, and a connection was all that could be had.
        error: why there is nobody, or "".
    """

    address: str
    line: str = ""
    error: str = ""


def read_greeting(host: str, port: int, *, is_tls: bool = False) -> Greeting:
    """Look at a TCP address that is listened on.

    Args:
        host: as it is listened on; any address of this machine is asked by loopback.
        port: which.
        is_tls: nothing is read.
    """
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with socket.create_connection((_ANY.get(host, host), port), TIMEOUT_SECONDS) as link:
            return Greeting(name, "" if is_tls else _read_line(link))
    except OSError as error:
        return Greeting(name, error=error.strerror or str(error))


def read_socket_greeting(path: Path) -> Greeting:
    """Look at a unix socket."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(TIMEOUT_SECONDS)
            link.connect(str(path))
            return Greeting(str(path), _read_line(link))
    except OSError as error:
        return Greeting(str(path), error=error.strerror or str(error))


def _read_line(link: socket.socket) -> str:
    data = b""
    while b"\n" not in data and len(data) < LINE_LIMIT_BYTES and (more := link.recv(LINE_LIMIT_BYTES)):
        data += more
    if not data:
        raise OSError("it closed the connection")
    with contextlib.suppress(OSError):
        link.sendall(b"QUIT\r\n")
    return data.partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace")
