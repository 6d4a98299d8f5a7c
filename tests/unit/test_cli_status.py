"""``status``: of whom, in which form, with which exit status."""

import json
import tracemalloc
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.spool.layout import Layout
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkStates
from tests.support.gateways import GatewayNode, mail, pair, run_here
from tests.support.spools import make_packet, new_packet_id

Nodes = tuple[GatewayNode, GatewayNode]
ALICE, BOB = "alice@a.test", "bob@b.test"


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    return a, b


def meet(node: GatewayNode, other: GatewayNode) -> None:
    LinkStates(Layout(node.spool), Disk()).met(NodeId.parse(other.id), Role.BUNDLE)


def test_text_and_json_without_a_daemon(nodes: Nodes) -> None:
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    lines = a.run("status").out.splitlines()
    assert lines[0] == "b"
    assert any(line.startswith("  in the outbox:   niceness P: 1 message, ") for line in lines)
    [link] = json.loads(a.run("status", "--json").out)
    assert (link["node"], link["id"], link["outbox"][0]["message_count"]) == ("b", b.id, 1)


def test_a_node_without_neighbours_says_so(tmp_path: Path) -> None:
    alone = GatewayNode(tmp_path / "alone", "a.test")
    assert alone.run("status").out == "no neighbours yet (nncp-gateway accept NAME)\n"
    assert alone.run("status", "--json").out == "[]\n"


def test_neighbours_that_were_asked_for(nodes: Nodes) -> None:
    a, b = nodes
    for words in (["b"], [b.id]):
        assert a.run("status", *words).out.startswith("b\n")
    assert a.run("status", "self").out.startswith("self\n")
    assert a.run("status", "nobody", is_checked=False).status == 68


def test_a_neighbour_that_is_silent_for_too_long(nodes: Nodes) -> None:
    a, b = nodes
    assert a.run("status", "--stale", "1", is_checked=False).status == 1
    meet(a, b)
    assert a.run("status", "--stale", "1").status == 0
    done = a.run("status", "--stale", "0", "--json", is_checked=False)
    assert (done.status, json.loads(done.out)[0]["is_stale"]) == (1, True)


@pytest.mark.parametrize("hours", ["-1", "x"])
def test_hours_that_are_none(nodes: Nodes, hours: str) -> None:
    assert nodes[0].run("status", "--stale", hours, is_checked=False).status == 64


def test_without_a_gateway_toml(nodes: Nodes) -> None:
    a, b = nodes
    meet(a, b)
    a.config_path.unlink()
    done = run_here(["status", "--nncp", str(a.nncp_path), "--json"])
    assert done.status == 0
    [link] = json.loads(done.out)
    assert (link["node"], link["outbox"], link["last_contact"]["role"]) == ("b", None, "bundle")


def test_a_queue_that_can_not_be_opened_hides_no_link(nodes: Nodes) -> None:
    a, b = nodes
    meet(a, b)
    database = a.home / "state" / "queue" / "queue.sqlite"
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(b"no database" * 1000)
    done = a.run("status", "--json")
    assert json.loads(done.out)[0]["last_contact"] is not None
    assert done.err.startswith("the outbox is not shown: ")


def test_a_stick_is_a_contact(nodes: Nodes, tmp_path: Path) -> None:
    a, b = nodes
    stick = tmp_path / "stick"
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(b, stick)
    [link] = json.loads(b.run("status", "--json").out)
    assert (link["last_contact"]["role"], link["last_contact"]["address"]) == ("xfer", str(stick))
    a.send(ALICE, [BOB], mail(2, ALICE, BOB))
    a.run("flush")
    a.run("nncp", "xfer", "-quiet", str(stick))
    b.run("nncp", "xfer", "-quiet", "-rx", str(stick))
    [again] = json.loads(b.run("status", "--json").out)
    assert again["last_contact"]["at"] > link["last_contact"]["at"]
    assert json.loads(a.run("status", "--json").out)[0]["last_contact"] is None


def test_memory_does_not_grow_with_the_spool(nodes: Nodes) -> None:
    a, b = nodes
    tx = a.spool / b.id / "tx"
    tx.mkdir(parents=True)

    def peak_bytes(count: int) -> int:
        for _ in range(count):
            (tx / new_packet_id().text).write_bytes(make_packet())
        tracemalloc.start()
        try:
            a.run("status")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(1)
    few = peak_bytes(100)
    assert peak_bytes(4000) < few + 100_000
