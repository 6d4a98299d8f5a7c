import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from gateway.config.gateway_toml import load_gateway_config
from gateway.daemon.online import OnlinePart
from gateway.daemon.parts import Parts
from gateway.errors import ConfigError
from tests.support.gateways import GatewayNode, kept_logging
from tests.support.ports import free_port
from tests.support.processes import is_listening

WAIT_SECONDS = 60
Make = Callable[[str], OnlinePart]


@pytest.fixture
def make(tmp_path: Path) -> Generator[Make]:
    """A part with an ``[online]`` table; its node is closed in the end."""
    node = GatewayNode(tmp_path / "a", "a.test")
    opened: list[Parts] = []

    def make_part(table: str) -> OnlinePart:
        node.set_toml("online", table)
        opened.append(Parts(load_gateway_config(node.config_path, {}), {}))
        return OnlinePart(opened[0], lambda: None)

    with kept_logging():
        yield make_part
        for parts in opened:
            parts.close()


class Run:
    """A run in a thread of its own."""

    def __init__(self, part: OnlinePart) -> None:
        self.error: Exception | None = None
        self._part = part
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._part.run()
        except ConfigError as error:
            self.error = error

    def wait_end(self) -> None:
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()


def test_part_listens_until_it_is_told_to_end(make: Make) -> None:
    part = make('listen = ["127.0.0.1:0", "127.0.0.2:0"]\n')
    run = Run(part)
    (first, port), (second, _) = part.wait_listening()
    assert (first, second) == ("127.0.0.1", "127.0.0.2")
    assert is_listening(port)
    part.ask_end()
    run.wait_end()
    assert run.error is None
    assert not is_listening(port)


def test_part_that_was_told_to_end_before_does_not_begin(make: Make) -> None:
    part = make('listen = ["127.0.0.1:0"]\n')
    part.ask_end()
    part.run()
    assert part.wait_listening() == ()


def test_address_that_is_taken_is_told_and_can_be_tried_again(make: Make) -> None:
    port, other = free_port(), free_port()
    part = make(f'listen = ["127.0.0.1:{other}", "127.0.0.1:{port}"]\n')
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(ConfigError, match=str(port)):
            part.run()
        with pytest.raises(ConfigError, match=str(port)):
            part.wait_listening()
        assert not is_listening(other), "a part of the addresses is none"
    run = Run(part)
    try:
        while not is_listening(port):
            assert run.error is None
        assert is_listening(other)
    finally:
        part.ask_end()
        run.wait_end()


def test_pattern_of_multicast_that_is_none_is_told(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "a" / "nncp.hjson"
    path.write_text(path.read_text().replace("{", '{\n  "mcd-send": {"eth(": 10}', 1))
    part = make('listen = ["127.0.0.1:0"]\n')
    with pytest.raises(ConfigError, match="mcd-send: pattern"):
        part.run()


def test_calls_without_any_neighbour_are_no_reason_to_fail(make: Make) -> None:
    part = make("calls = true\n")
    part.run()
    assert part.wait_listening() == []
