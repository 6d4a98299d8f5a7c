"""The proxy of the online tests: what it passes on, and where it cuts."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.tcp_proxy import HOST, Cut, Proxy

SECONDS = 60
MESSAGE = bytes(range(256)) * 4096


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that sends back what it gets."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((HOST, free_port())))
        thread = threading.Thread(target=_serve, args=(server,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown, socket.SHUT_RDWR)
        yield stack.enter_context(Proxy(server.getsockname()[1]))


def _serve(server: socket.socket) -> None:
    while True:
        try:
            end, _ = server.accept()
        except OSError:
            return
        with end, contextlib.suppress(OSError):
            while data := end.recv(65536):
                end.sendall(data)


def _send_all(end: socket.socket, data: bytes) -> None:
    end.sendall(data)
    end.shutdown(socket.SHUT_WR)


def _read_all(end: socket.socket) -> bytes:
    data = b""
    while piece := end.recv(65536):
        data += piece
    return data


def test_everything_passes_and_the_end_after_it(proxy: Proxy) -> None:
    with socket.create_connection((HOST, proxy.port), SECONDS) as end:
        sender = threading.Thread(target=_send_all, args=(end, MESSAGE), daemon=True)
        sender.start()
        assert _read_all(end) == MESSAGE
        sender.join()
    assert proxy.passed_bytes == 2 * len(MESSAGE)


def test_cut_comes_at_the_very_byte_and_once(proxy: Proxy) -> None:
    struck: list[int] = []
    proxy.cut_next(Cut(1234, then=lambda: struck.append(proxy.passed_bytes)))
    with socket.create_connection((HOST, proxy.port), SECONDS) as end:
        end.sendall(MESSAGE[:2000])
        assert len(_read_all(end)) <= 1234
    assert struck == [1234]
    assert not proxy.is_cut_pending
    with socket.create_connection((HOST, proxy.port), SECONDS) as end:
        end.sendall(MESSAGE[:2000])
        end.shutdown(socket.SHUT_WR)
        assert _read_all(end) == MESSAGE[:2000]


def test_reset_is_felt_as_a_reset(proxy: Proxy) -> None:
    proxy.cut_next(Cut(10, is_reset=True))
    with socket.create_connection((HOST, proxy.port), SECONDS) as end:
        end.sendall(MESSAGE[:100])
        with pytest.raises(ConnectionResetError):
            _read_all(end)


def test_connection_is_refused_while_nobody_listens_behind_it() -> None:
    with Proxy(free_port()) as proxy, socket.create_connection((HOST, proxy.port), SECONDS) as end:
        assert _read_all(end) == b""
        wait_until(lambda: proxy.connection_count == 1, SECONDS, "the connection's count")
