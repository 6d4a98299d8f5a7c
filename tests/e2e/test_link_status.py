"""What ``status`` tells of sessions that really run, end, fail and die."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateways import MODULE, Done, GatewayNode, clean_environ, mail, pair
from tests.support.ports import free_port
from tests.support.processes import Running, is_listening, tail, wait_until

ALICE, BOB = "alice@a.test", "bob@b.test"
WAIT_SECONDS = 60
SET_UP_BYTES = {"sent_bytes": 108, "received_bytes": 60}
"""Of whoever calls over a thin link: docs/howto/thin-links.md has the sum."""

Nodes = tuple[GatewayNode, GatewayNode]


def set_neighbour(node: GatewayNode, name: str, **fields: object) -> None:
    """Change what a node's configuration says of a neighbour."""
    config = node.nncp()
    config["neigh"][name] |= fields
    node.nncp_path.write_text(json.dumps(config))


@pytest.fixture
def nodes(place: Path) -> Nodes:
    """Two nodes with a thin link between them."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    set_neighbour(a, "b", addrs={"main": f"127.0.0.1:{free_port()}"}, link={"thin": True}, onlinedeadline=1)
    set_neighbour(b, "a", link={"thin": True}, onlinedeadline=WAIT_SECONDS)
    return a, b


@pytest.fixture
def listening(nodes: Nodes) -> Generator[Running]:
    """B takes calls."""
    a, b = nodes
    address = a.nncp()["neigh"]["b"]["addrs"]["main"]
    argv = [*MODULE, "-c", str(b.config_path), "nncp", "daemon", "-quiet", "-bind", address]
    with Running(argv, b.log_path, env=clean_environ()) as daemon:
        port = int(address.rpartition(":")[2])
        daemon.wait_ready(lambda: is_listening(port), WAIT_SECONDS, "the port")
        yield daemon


def call(node: GatewayNode, *flags: str, is_checked: bool = True) -> Done:
    return node.run("nncp", "call", "-quiet", *flags, "b", is_checked=is_checked, is_child=True)


def link(node: GatewayNode) -> dict[str, Any]:
    """What a node tells of its only neighbour."""
    [found] = json.loads(node.run("status", "--json").out)
    assert isinstance(found, dict)
    return found


def wait_for_session(node: GatewayNode) -> dict[str, Any]:
    """The last session, once the process that had it has told of its end."""
    wait_until(
        lambda: link(node)["last_session"], WAIT_SECONDS, "the end", explain=lambda: tail(node.log_path)
    )
    found = link(node)["last_session"]
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("listening")
def test_a_thin_session_costs_what_the_guide_says(nodes: Nodes) -> None:
    """A session in which nothing is to be sent takes 168 bytes, and both sides tell the same of it."""
    a, b = nodes
    call(a)
    ours = link(a)["last_session"]
    theirs = wait_for_session(b)
    assert {key: ours[key] for key in SET_UP_BYTES} == SET_UP_BYTES
    assert (theirs["sent_bytes"], theirs["received_bytes"]) == (60, 108)
    assert (ours["role"], theirs["role"]) == ("caller", "listener")
    assert ours["address"] == a.nncp()["neigh"]["b"]["addrs"]["main"]
    assert (ours["error"], theirs["error"]) == ("", "")
    assert ours["seconds"] >= ours["idle_seconds"] > 0.5
    assert link(a)["last_contact"]["age_seconds"] < WAIT_SECONDS
    assert link(a)["sessions"] == link(b)["sessions"] == []
    assert a.run("status", "--stale", "1").status == 0


@pytest.mark.usefixtures("listening")
def test_mail_of_the_outbox_travels_with_the_call(nodes: Nodes) -> None:
    """A mail that waited in an open lane arrives by the next call, without a daemon that makes packets."""
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    assert link(a)["outbox"][0]["message_count"] == 1
    call(a)
    assert link(a)["outbox"] == link(a)["tx"] == []
    assert link(b)["rx"][0]["packet_count"] == 1
    b.run("toss")
    b.run("deliver")
    assert len(b.mails()) == 1
    assert link(a)["last_session"]["sent_bytes"] > 600


def test_a_call_that_meets_nobody_is_told(nodes: Nodes) -> None:
    """The reason, how often in a row, and that nobody was ever met."""
    a, _ = nodes
    for row_count in (1, 2):
        assert call(a, is_checked=False).status == 1
        told = link(a)
        assert told["last_error"]["row_count"] == row_count
        assert "refused" in told["last_error"]["text"].lower()
        assert told["last_attempt"]["error"] == told["last_error"]["text"]
        assert told["last_contact"] is None
    assert told["total"]["failed_count"] == 2
    assert a.run("status", "--stale", "1", is_checked=False).status == 1


@pytest.mark.usefixtures("listening")
def test_a_session_whose_process_is_killed_is_told_and_counted_once(nodes: Nodes) -> None:
    """While it runs both sides show it; killed, it is told as broken off until the next call counts it."""
    a, b = nodes
    argv = [*MODULE, "-c", str(a.config_path), "nncp", "call", "-quiet", "-onlinedeadline", "60", "b"]
    with Running(argv, a.log_path, env=clean_environ()) as caller:
        for node in nodes:
            wait_until(
                lambda node=node: link(node)["sessions"],  # type: ignore[misc] # mypy can't infer it
                WAIT_SECONDS,
                "a session",
                explain=lambda: tail(a.log_path),
            )
        [ours], [theirs] = link(a)["sessions"], link(b)["sessions"]
        assert (ours["pid"], ours["is_alive"], theirs["is_alive"]) == (caller.pid, True, True)
        caller.kill_group()
    [left] = link(a)["sessions"]
    assert (left["pid"], left["is_alive"]) == (ours["pid"], False)
    assert "broken off:" in a.run("status").out
    wait_for_session(b)
    call(a)
    told = link(a)
    assert (told["sessions"], told["total"]["session_count"]) == ([], 2)
    assert "ended in the middle" in told["last_error"]["text"]
