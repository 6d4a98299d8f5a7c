"""Two nodes with a daemon on each and nothing but a connection between them."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import MODULE, GatewayNode, clean_environ, mail, pair
from tests.support.network import CABLE, cabled
from tests.support.ports import free_port
from tests.support.processes import Running, slowness, tail, wait_until

ALICE, BOB = "alice@a.test", "bob@b.test"
EVERY_SECOND = "* * * * * * *"
WAIT_SECONDS = 60
WHEN_NEEDED: dict[str, Any] = {"when-tx-exists": True}
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
    set_neighbour(a, b.name, addrs={"main": f"{address}:{port}"}, calls=[{"cron": EVERY_SECOND, **call}])
    return port


def set_neighbour(node: GatewayNode, name: str, **fields: object) -> None:
    """Change what a node's configuration says of a neighbour."""
    config: dict[str, Any] = node.nncp()
    config["neigh"][name] |= fields
    node.nncp_path.write_text(json.dumps(config))


def set_globals(node: GatewayNode, values: dict[str, object]) -> None:
    """Change what a node's configuration says of no neighbour."""
    node.nncp_path.write_text(json.dumps({**node.nncp(), **values}))


def nncp_log(node: GatewayNode) -> str:
    """The log that NNCP's own tools would write."""
    path = Path(node.nncp()["log"])
    return path.read_text() if path.exists() else ""


def call_count(node: GatewayNode) -> int:
    """How many sessions a node began."""
    return nncp_log(node).count("Who: call-started\n")


def wait_for_calls(node: GatewayNode, count: int) -> None:
    """Wait until a node has begun that many sessions."""
    wait_until(
        lambda: call_count(node) >= count, WAIT_SECONDS, f"{count} calls", explain=lambda: tail(node.log_path)
    )


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


def test_nodes_that_call_each_other_at_the_same_seconds_exchange_mail(nodes: Nodes) -> None:
    """Where two calls meet, one of them goes through at the latest after a pause."""
    a, b = nodes
    connect(nodes, onlinedeadline=1)
    connect((b, a), onlinedeadline=1)
    with a.serving(), b.serving():
        for number in range(1, 4):
            a.submit(ALICE, [BOB], mail(number, ALICE, BOB))
            b.submit(BOB, [ALICE], mail(number, BOB, ALICE))
            b.wait_for_mails(number)
            a.wait_for_mails(number)
    assert "Traceback" not in a.log_text() + b.log_text()


def test_open_lane_makes_a_call_needed_and_travels_with_it(nodes: Nodes) -> None:
    """With when-tx-exists nobody is called in vain, and mail whose batch is still open is reason enough."""
    a, b = nodes
    connect(nodes, onlinedeadline=1, **WHEN_NEEDED)
    with b.serving(), a.serving():
        started = time.monotonic()
        wait_until(lambda: time.monotonic() > started + 2.5, 60, "two times at which no call was needed")
        assert call_count(a) == 0
        a.submit(ALICE, [BOB], mail(1, ALICE, BOB))
        b.wait_for_mails(1)
    assert 1 <= call_count(a) <= 3


def test_caller_without_a_daemon_takes_mail_along(nodes: Nodes) -> None:
    """Mail in the outbox is reason for a call of nncp caller too, and travels with it."""
    a, b = nodes
    connect(nodes, onlinedeadline=1, **WHEN_NEEDED)
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    argv = [*MODULE, "-c", str(a.config_path), "nncp", "caller"]
    with b.serving(), Running(argv, a.home / "caller.log", env=clean_environ()) as caller:
        b.wait_for_mails(1)
        assert caller.stop() == 0
    assert "Traceback" not in (a.home / "caller.log").read_text()


def test_mail_that_comes_up_during_a_session_travels_in_it(nodes: Nodes) -> None:
    """A session that is kept open carries each new batch at once, both ways, without another call."""
    a, b = nodes
    connect(nodes, onlinedeadline=600)
    set_neighbour(b, "a", onlinedeadline=600)
    for node in nodes:
        text = node.config_path.read_text().replace("max_age_seconds = 86400.0", "max_age_seconds = 0.2")
        node.config_path.write_text(text)
    with b.serving(), a.serving() as calling:
        for number in range(1, 4):
            a.submit(ALICE, [BOB], mail(number, ALICE, BOB))
            b.wait_for_mails(number)
            b.submit(BOB, [ALICE], mail(number, BOB, ALICE))
            a.wait_for_mails(number)
        assert call_count(a) == 1
        assert calling.stop() == 0
    assert nncp_log(a).count("Who: call-finished\n") == 1


def test_neighbours_on_one_link_find_each_other(nodes: Nodes) -> None:
    """Without any address, b announces itself, and a hears and calls it."""
    a, b = nodes
    with cabled() as (_, machine):
        port = connect(nodes, "[::]", onlinedeadline=1)
        set_neighbour(a, "b", addrs={})
        # Both are on one machine: multicast comes back to it.
        set_globals(a, {"mcd-listen": [f"^{CABLE}$"]})
        set_globals(b, {"mcd-send": {f"^{CABLE}$": 1}})
        with b.serving(on=machine), a.serving(on=machine):
            a.send(ALICE, [BOB], mail(1, ALICE, BOB))
            b.wait_for_mails(1)
    assert f"MCD discovered b's address: [fe80::b%{CABLE}]:{port}\n" in nncp_log(a)


def test_online_alone_leaves_tossing_to_others(nodes: Nodes) -> None:
    """With --only online packets are exchanged, and stay until somebody tosses them."""
    a, b = nodes
    connect(nodes, onlinedeadline=1)
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    with b.serving("--only", "online"), a.serving("--only", "online"):
        wait_until(lambda: b.packets(a.id, "rx"), WAIT_SECONDS, "a packet", explain=lambda: tail(b.log_path))
    assert "ready: online\n" in a.log_text()
    b.run("toss")
    b.run("deliver")
    assert len(b.mails()) == 1


def test_stop_ends_a_session_that_is_kept_open(nodes: Nodes) -> None:
    """SIGTERM on either side ends the session at once and cleanly; the other side goes on and calls again."""
    a, b = nodes
    connect(nodes, onlinedeadline=600)
    set_neighbour(b, "a", onlinedeadline=600)
    with a.serving():
        for number in (1, 2):
            with b.serving() as called:
                wait_for_calls(a, number)
                b.submit(BOB, [ALICE], mail(number, BOB, ALICE))
                b.run("flush")
                a.wait_for_mails(number)
                started = time.monotonic()
                assert called.stop() == 0
                assert time.monotonic() - started < 60 * slowness()
    assert "Traceback" not in a.log_text() + b.log_text()


def test_address_that_is_taken_ends_the_start(nodes: Nodes) -> None:
    """The daemon says where it cannot listen, and ends with the status of a configuration error."""
    _, b = nodes
    port = connect(nodes)
    with socket.create_server(("127.0.0.1", port)):
        done = b.run("serve", is_checked=False, is_child=True)
    assert done.status == 78
    assert f"127.0.0.1:{port}" in done.err


def test_without_the_table_nothing_is_called_or_taken(nodes: Nodes) -> None:
    """Calls in the NNCP configuration alone do not make the daemon call."""
    a, _ = nodes
    set_neighbour(a, "b", addrs={"main": "127.0.0.1:1"}, calls=[{"cron": EVERY_SECOND}])
    with a.serving():
        a.submit(BOB, [ALICE], mail(1, BOB, ALICE))
        a.wait_for_mails(1)
    assert "online" not in a.log_text()
    assert "calling" not in nncp_log(a)
