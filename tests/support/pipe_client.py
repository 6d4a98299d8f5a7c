"""The client that mail servers start, as a process of its own; and a daemon that does what a test says."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.handover import frames
from tests.support.peers import PROJECT

CLIENT_SECONDS = 60
PIPE_BYTES = 64 << 10
"""What a pipe holds."""
DIRECT = ("/bin/sh", "-c", 'echo "direct $*"; cat; exit 67', "sh")
"""Stands for the whole program: it tells its words and its input, and ends with 67."""


def client_argv(
    directory: Path, name: str, words: Sequence[str | bytes], direct: Sequence[str] = DIRECT
) -> list[str | bytes]:
    """The command line that starts the client as the script of ``links --mail`` does."""
    code = (
        f"import posix, sys; sys.path.insert(0, {str(PROJECT)!r}); from gateway.cli.pipe_client import run;"
        f" posix._exit(run({name!r}, sys.argv[1:], posix.environ, {str(directory)!r}, {list(direct)!r}))"
    )
    return [sys.executable, "-I", "-S", "-c", code, *words]


def run_client(
    directory: Path,
    name: str,
    *words: str | bytes,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    direct: Sequence[str] = DIRECT,
) -> subprocess.CompletedProcess[bytes]:
    """Run the client to its end.

    Args:
        directory: the state directory.
        name: of the command.
        words: its arguments.
        stdin: the body; up to ``PIPE_BYTES`` it is in the pipe from the beginning.
        environ: what is in the environment beside PATH.
        direct: what is started where there is no daemon.
    """
    with contextlib.ExitStack() as stack:
        source: dict[str, Any] = {"input": stdin}
        if len(stdin) <= PIPE_BYTES:
            # All of it, and its end, is there before the client looks.
            read_end, write_end = os.pipe()
            stack.callback(os.close, read_end)
            os.write(write_end, stdin)
            os.close(write_end)
            source = {"stdin": read_end}
        return subprocess.run(
            client_argv(directory, name, words, direct),
            **source,
            capture_output=True,
            check=False,
            timeout=CLIENT_SECONDS,
            env={"PATH": os.defpath, **(environ or {})},
        )


@contextlib.contextmanager
def daemon(directory: Path, work: Callable[[socket.socket], None]) -> Generator[None]:
    """A daemon that does what it is told with one connection, and then closes it."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.settimeout(CLIENT_SECONDS)
    listening.bind(str(directory / frames.SOCKET_NAME))
    listening.listen()

    def serve() -> None:
        with contextlib.suppress(ConnectionError):
            link, _ = listening.accept()
            link.settimeout(CLIENT_SECONDS)
            with link, contextlib.suppress(ConnectionError):
                work(link)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(CLIENT_SECONDS)
        listening.close()


def read_request(link: socket.socket) -> tuple[bytes, bytes, list[bytes], bool]:
    """What the client asks for: name, node, arguments and whether a person types."""
    head = _exactly(link, len(frames.MAGIC) + frames.LENGTH_BYTES)
    assert head.startswith(frames.MAGIC)
    return frames.decode_request(_exactly(link, int.from_bytes(head[len(frames.MAGIC) :], "big")))


def read_body(link: socket.socket) -> bytes:
    """The body to its end."""
    body = b""
    while size_bytes := int.from_bytes(_exactly(link, frames.LENGTH_BYTES), "big"):
        body += _exactly(link, size_bytes)
    return body


def _exactly(link: socket.socket, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        piece = link.recv(size_bytes - len(data))
        assert piece, "the client ended early"
        data += piece
    return data
