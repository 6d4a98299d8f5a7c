"""Two nodes with a daemon on each and nothing but a connection between them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import GatewayNode, mail, pair
from tests.support.ports import free_port

ALICE, BOB = "alice@a.test", "bob@b.test"
EVERY_SECOND = "* * * * * * *"
WAIT_SECONDS = 60
Nodes = tuple[GatewayNode, GatewayNode]


@pytest.fixture
def nodes(place: Path) -> Nodes:
    """A calls b; no batch is closed by its age before a test ends."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    for node in (a, b):
        text = node.config_path.read_text().replace("max_age_seconds = 60.0", "max_age_seconds = 86400.0")
        node.config_path.write_text(text)
    return a, b


def connect(nodes: Nodes, address: str = "127.0.0.1", **call: object) -> int:
    """Let b listen, and a call it every second; returns the port."""
    a, b = nodes
    port = free_port()
    b.set_toml("online", f'listen = ["{address}:{port}"]\n')
    a.set_toml("online", "calls = true\n")
    set_neighbour(a, "b", addrs={"main": f"{address}:{port}"}, calls=[{"cron": EVERY_SECOND, **call}])
    return port


def set_neighbour(node: GatewayNode, name: str, **fields: object) -> None:
    """Change what a node's configuration says of a neighbour."""
    config: dict[str, Any] = node.nncp()
    config["neigh"][name] |= fields
    node.nncp_path.write_text(json.dumps(config))


def call_count(node: GatewayNode) -> int:
    return (node.home / "log").read_text().count("Who: call-started\n")


def test_mail_travels_by_calls_in_both_directions(nodes: Nodes) -> None:
    """A mail handed in on either side is delivered on the other, unchanged, with no carrier but calls."""
    a, b = nodes
    connect(nodes, onlinedeadline=1)
    there, back = mail(1, ALICE, BOB, ".dot\nschön\n"), mail(2, BOB, ALICE)
    with a.serving() as first, b.serving() as second:
        a.submit(ALICE, [BOB], there)
        b.submit(BOB, [ALICE], back)
        assert b.wait_for_mails(1)[0].endswith(there)
        assert a.wait_for_mails(1)[0].endswith(back)
        for node in nodes:
            node.wait_for_states(["sent", "delivered"])
        assert first.stop() == 0
        assert second.stop() == 0
    assert "Traceback" not in a.log_text() + b.log_text()
    assert not a.packets(b.id)
    assert not b.packets(a.id)
