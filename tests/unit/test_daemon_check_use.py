"""``check`` says what will not come true, though both files can be read."""

import os
from pathlib import Path

import pytest

from gateway.daemon.notify import open_wake_socket
from gateway.durable import Disk
from tests.support.gateways import GatewayNode, pair

CALLS = 'calls: [{cron: "0 * * * *"}]'


@pytest.fixture
def node(tmp_path: Path) -> GatewayNode:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    return a


def add_to_neighbour(node: GatewayNode, text: str) -> None:
    """Put lines into the entry of b in the NNCP configuration."""
    before = node.nncp_path.read_text()
    assert before.count("b: {") == 1
    node.nncp_path.write_text(before.replace("b: {", f"b: {{\n{text}\n"))


def warnings(node: GatewayNode) -> list[str]:
    """What is warned of; nothing of it is fatal."""
    return [line for line in node.run("check").out.splitlines() if line.startswith("warning: ")]


def test_a_node_that_is_in_order_is_not_warned_of(node: GatewayNode) -> None:
    said = node.run("check").out
    assert said.startswith(f"{node.config_path}: in order\ndaemon: does not run (nncp-gateway serve)\n")
    assert "relayed for" not in said


def test_a_disk_whose_reserve_is_touched(node: GatewayNode) -> None:
    node.set_toml("queue", "reserve_bytes = 1125899906842624\n")
    (warning,) = warnings(node)
    assert "[queue] reserve_bytes keeps 1125899906842624: no mail is taken in; remedy: make room" in warning
    assert "in order, but for the warnings" in node.run("check").out


def test_calls_that_nobody_makes(node: GatewayNode) -> None:
    add_to_neighbour(node, f'{CALLS}\naddrs: {{main: "[::1]:5400"}}')
    (warning,) = warnings(node)
    assert "b has calls, but" in warning
    assert "remedy: [online] calls = true" in warning


def test_calls_that_are_to_be_made_and_are_not_there(node: GatewayNode) -> None:
    node.set_toml("online", "calls = true\n")
    (warning,) = warnings(node)
    assert f"no neighbour in {node.nncp_path} has calls" in warning


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        ("", 'neigh.b has calls, but no address to call; remedy: addrs: {main: "HOST:5400"}'),
        ('addrs: {main: "b.test"}', "neigh.b.addrs.main: 'b.test' has no port; remedy: \"b.test:5400\""),
    ],
    ids=["none", "without a port"],
)
def test_an_address_that_can_not_be_called(node: GatewayNode, addresses: str, text: str) -> None:
    node.set_toml("online", "calls = true\n")
    add_to_neighbour(node, f"{CALLS}\n{addresses}")
    (warning,) = warnings(node)
    assert text in warning


@pytest.mark.parametrize("address", ["b.test:5400", "|modem b"])
def test_an_address_that_can_be_called(node: GatewayNode, address: str) -> None:
    node.set_toml("online", "calls = true\n")
    add_to_neighbour(node, f'{CALLS}\naddrs: {{main: "{address}"}}')
    assert warnings(node) == []


def test_handles_that_are_missing_or_start_nothing(node: GatewayNode) -> None:
    text = node.nncp_path.read_text()
    begin = text.index("exec: {")
    end = text.index("}", begin)
    node.nncp_path.write_text(text[:begin] + 'exec: {fetch: ["/nowhere/fetch"]' + text[end:])
    no_mail, no_program = warnings(node)
    assert "neigh.b.exec has no handle for mail" in no_mail
    assert "nncp-gateway accept b" in no_mail
    assert "exec of b.fetch: /nowhere/fetch can't be started" in no_program


def test_a_daemon_that_does_not_know_the_files_as_they_are(node: GatewayNode) -> None:
    with open_wake_socket(node.home / "state", Disk(is_syncing=False)):
        started = (node.home / "state" / "wake.sock").stat().st_mtime
        os.utime(node.config_path, (started, started))
        os.utime(node.nncp_path, (started, started))
        assert warnings(node) == []
        assert "\ndaemon: runs\n" in node.run("check").out
        os.utime(node.nncp_path, (started + 1, started + 1))
        (warning,) = warnings(node)
    assert f"{node.nncp_path} was changed after the daemon had started" in warning


def test_a_hub_sees_whom_it_relays_for(node: GatewayNode, tmp_path: Path) -> None:
    node.accept(GatewayNode(tmp_path / "c", "c.test"))
    assert "\nrelayed for: nobody (relay_to of a neighbour)\n" in node.run("check").out
    node.set_toml("neighbour.c", 'relay_to = ["b.test"]\n')
    assert "\nrelayed for: c\n" in node.run("check").out


def test_what_is_in_quarantine_waits_for_a_person(node: GatewayNode) -> None:
    kept = node.home / "state" / "queue" / "quarantine"
    kept.mkdir(parents=True)
    (kept / f"{'0' * 32}.batch").write_bytes(b"?")
    assert "1 in quarantine (nncp-gateway queue quarantine list)" in node.run("check").out
