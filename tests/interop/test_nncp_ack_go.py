"""Acknowledgements that toss makes: what Go NNCP knows of them in 8.11, which Debian 13 has."""

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hjson
import pytest

from tests.support.both_nncp import GO, OURS, carry, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh, GoNode, is_go_8_8
from tests.support.nncp_configs import changed, config_tree, write_config
from tests.support.nncp_verbs import run_verb_process, verb_environ
from tests.support.online import OnlinePair
from tests.support.peers import require
from tests.support.processes import wait_until

BOTH = (OURS, GO)
BOTH_WAYS = list(itertools.product(BOTH, BOTH))
WAIT_SECONDS = 60
P, Q = "P" * 51 + "A", "Q" * 51 + "A"
ACKS: list[dict[str, object]] = [
    {}, {"nice": "F"}, {"nice": "77", "minsize": 4}, {"nice": "MAX", "minsize": 0}, {"minsize": 1},
]  # fmt: skip
BAD_ACKS: list[object] = [
    {"nice": 33}, {"nice": "0"}, {"nice": "x"}, {"nice": ""}, {"minsize": -1}, {"minsize": "4"},
    {"minsize": 1.5}, [], "x",
]  # fmt: skip


@pytest.fixture(autouse=True)
def newer_go() -> None:
    require(
        "nncp-toss", "nncp-exec", "nncp-file", "nncp-freq", "nncp-xfer", "nncp-rm", "nncp-ack", "nncp-pkt"
    )
    if is_go_8_8():
        pytest.skip("NOT COMPARED: Go NNCP 8.8 has no -gen-ack, no ack in its configuration, no rm -ack")


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    return GoMesh(place / "mesh", ["a", "b", "c"])


def configure(node: GoNode, change: Callable[[dict[str, Any]], None]) -> None:
    config = node.config()
    change(config)
    node.save(config)


def welcome(mesh: GoMesh, **settings: object) -> None:
    """Let a run ``cat`` at b, and change b's entry for a."""
    entry = {"exec": {"x": ["/bin/cat"]}, "freq": {"path": str(mesh.directory)}, **settings}
    configure(mesh["b"], lambda config: config["neigh"]["a"].update(entry))


def send_all_kinds(mesh: GoMesh) -> None:
    """From a to b: a file, an exec, a request, a packet for c, an acknowledgement."""
    source = mesh.directory / "source"
    source.write_bytes(b"x" * 1000)
    node = mesh["a"]
    node.run("nncp-file", "-quiet", str(source), "b:")
    node.run("nncp-exec", "-quiet", "b", "x", stdin=b"body")
    node.run("nncp-freq", "-quiet", "b:source")
    node.run("nncp-file", "-quiet", "-via", "b", str(source), "c:")
    node.run("nncp-ack", "-quiet", "-node", "b", "-pkt", P)
    mesh.carry("a", "b")


def acks_of(mesh: GoMesh, box: Path) -> list[tuple[str, int, list[str]]]:
    """The acknowledgements among the packets for a: what is acknowledged, size of the file, who and nice."""
    found = []
    for path in box.iterdir():
        if not path.is_file():
            continue
        outside = mesh["a"].run("nncp-pkt", stdin=path.read_bytes()).stdout.decode().splitlines()
        plain = mesh["a"].run("nncp-pkt", "-dump", stdin=path.read_bytes()).stdout
        inside = mesh["a"].run("nncp-pkt", stdin=plain).stdout.decode().splitlines()
        if "Payload type: acknowledgement" in inside:
            [arrived] = [line for line in inside if line.startswith("Path: ")]
            lines = [line for line in (*outside, *inside) if line != arrived]
            found.append((arrived, path.stat().st_size, lines))
    return sorted(found)


@pytest.mark.parametrize("ack", ACKS)
def test_toss_acknowledges_as_gos_does(mesh: GoMesh, ack: dict[str, object]) -> None:
    """The same packets are acknowledged with the same niceness and size, marked and told the same."""
    welcome(mesh, ack=ack)
    send_all_kinds(mesh)
    node = mesh["b"]
    before = mesh.directory / "before"
    shutil.copytree(node.home, before, symlinks=True)
    outcomes = []
    for who in BOTH:
        shutil.rmtree(node.home)
        shutil.copytree(before, node.home, symlinks=True)
        done = run_nncp(who, node, "toss", "-gen-ack")
        box = node.spool / mesh["a"].id / "tx"
        acks = acks_of(mesh, box)
        names = {path.name for path in (box / "ack").iterdir()}
        assert len(names) == len(acks) == 4
        assert all((box / name).is_file() for name in names)
        records = records_of(node.log_text(), ("When", "NewPkt"))
        made = [record for record in records if "Who: tx" in record and "Type: ack" in record]
        told = [line for line in without_times(done.stderr) if line.startswith("ACK ")]
        outcomes.append((acks, made, told))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0][1]) == len(outcomes[0][2]) == 4


@pytest.mark.parametrize(("receiver", "sender"), BOTH_WAYS)
def test_what_one_sides_toss_acknowledges_leaves_the_others_tx(
    mesh: GoMesh, receiver: str, sender: str
) -> None:
    """A sender that keeps its packets drops them when the receiver's toss has acknowledged them."""
    welcome(mesh)
    for body in (b"one", b"two"):
        run_nncp(sender, mesh["a"], "exec", "-quiet", "b", "x", stdin=body)
    stick = mesh.directory / "stick"
    stick.mkdir()
    run_nncp(sender, mesh["a"], "xfer", "-quiet", "-mkdir", "-keep", "-tx", stick)
    run_nncp(receiver, mesh["b"], "xfer", "-quiet", "-rx", stick)
    run_nncp(receiver, mesh["b"], "toss", "-quiet", "-gen-ack")
    carry(mesh, "b", "a", sender=receiver, receiver=sender)
    assert len(mesh["a"].packets("tx", mesh["b"].id)) == 2
    run_nncp(sender, mesh["a"], "toss", "-quiet", "-noack")
    assert len(mesh["a"].packets("tx", mesh["b"].id)) == 2
    run_nncp(sender, mesh["a"], "toss", "-quiet", "-gen-ack")
    for box in ("tx", "rx"):
        assert mesh["a"].packets(box, mesh["b"].id) == []


@pytest.mark.parametrize(("tosser", "caller"), [(OURS, GO), (GO, OURS), (GO, GO)])
def test_a_session_acknowledges_what_it_tosses(place: Path, tosser: str, caller: str) -> None:
    """With -autotoss-gen-ack each file that comes is acknowledged, as the neighbour's ack says."""
    pair = OnlinePair(place / "pair")
    incoming = place / "incoming"
    incoming.mkdir()
    pair.change("a", incoming=str(incoming), ack={"nice": "F"})
    for name in ("one", "two"):
        (place / name).write_text(name)
        pair.run(GO, "b", "file", "-quiet", str(place / name), "a:")
    with pair.listening(tosser, "a", "-autotoss", "-autotoss-gen-ack") as (port, _):
        pair.call(caller, "b", "--", f"127.0.0.1:{port}")
        wait_until(
            lambda: pair.log_text("a").count("\nWho: tx\nType: ack\n") == 2,
            WAIT_SECONDS,
            "acknowledgements",
            explain=pair.explain,
        )
    made = [record for record in records_of(pair.log_text("a")) if "Type: ack" in record]
    assert all("Who: tx" in record and "Nice: 32" in record for record in made)
    assert {path.name for path in incoming.iterdir()} == {"one", "two"}


@pytest.mark.parametrize(("tosser", "remover"), BOTH_WAYS)
@pytest.mark.parametrize("command", ["-node a -ack", "-all -ack"])
def test_acknowledgements_are_taken_back(mesh: GoMesh, tosser: str, remover: str, command: str) -> None:
    """What one side's toss acknowledged, the other side's rm takes back, and nothing else."""
    welcome(mesh)
    send_all_kinds(mesh)
    node = mesh["b"]
    run_nncp(tosser, node, "toss", "-quiet", "-gen-ack")
    assert len(node.packets("tx", mesh["a"].id)) == 5
    done = run_nncp(remover, node, "rm", *command.split())
    assert len(done.stderr.splitlines()) == 8
    # The file that was requested, and the packet for c.
    assert len(node.packets("tx", mesh["a"].id)) == len(node.packets("tx", mesh["c"].id)) == 1
    assert list((node.spool / mesh["a"].id / "tx" / "ack").iterdir()) == []


@pytest.mark.parametrize("tosser", BOTH)
def test_acknowledgements_that_go_through_others_are_taken_back(mesh: GoMesh, tosser: str) -> None:
    """Go's marker lies with the destination, ours with the first hop: our rm finds the packet of both."""
    welcome(mesh, via=["c"])
    mesh["a"].run("nncp-exec", "-quiet", "b", "x", stdin=b"body")
    mesh.carry("a", "b")
    node = mesh["b"]
    run_nncp(tosser, node, "toss", "-quiet", "-gen-ack")
    assert len(node.packets("tx", mesh["c"].id)) == 1
    run_nncp(OURS, node, "rm", "-quiet", "-all", "-ack")
    assert node.packets("tx", mesh["c"].id) == []
    assert [path for path in node.spool.glob("*/tx/ack/*") if path.is_file()] == []


@pytest.mark.parametrize(("command", "is_ours_the_same"), [("-ack", True), ("-node b -ack -dryrun", False)])
def test_rm_without_a_node_and_in_a_dry_run(mesh: GoMesh, command: str, *, is_ours_the_same: bool) -> None:
    """Both refuse to guess the node; Go's dry run removes, ours does not."""
    node = mesh["a"]
    statuses, left = [], []
    for who in BOTH:
        for name in (P, f"ack/{P}"):
            path = node.spool / mesh["b"].id / "tx" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        statuses.append(run_nncp(who, node, "rm", *command.split(), is_checked=False).returncode)
        left.append(len(node.packets("tx", mesh["b"].id)))
    assert statuses[0] == statuses[1]
    assert left == ([1, 1] if is_ours_the_same else [1, 0])


@pytest.mark.parametrize("minsize", [[], ["-minsize", "0"], ["-minsize", "2"], ["-minsize", "-5"]])
def test_ack_pads_as_the_configuration_says(mesh: GoMesh, minsize: list[str]) -> None:
    """Without -minsize, or with a negative one, that of the neighbour's ack counts."""
    welcome(mesh, ack={"minsize": 3, "nice": "F"})
    sizes, records = [], []
    node = mesh["b"]
    for who in BOTH:
        shutil.rmtree(node.spool)
        node.spool.mkdir()
        node.log_path.unlink(missing_ok=True)
        run_nncp(who, node, "ack", "-quiet", *minsize, "-node", "a", "-pkt", Q)
        sizes.append([path.stat().st_size for path in node.packets("tx", mesh["a"].id)])
        records.append(records_of(node.log_text(), ("When", "NewPkt")))
    assert sizes[0] == sizes[1]
    assert records[0] == records[1]


@pytest.mark.parametrize("ack", BAD_ACKS, ids=json.dumps)
def test_ack_settings_that_go_refuses_are_refused(mesh: GoMesh, ack: object) -> None:
    """A configuration with a bad ack is of no use to either."""
    welcome(mesh, ack=ack)
    for who in BOTH:
        assert run_nncp(who, mesh["b"], "stat", is_checked=False).returncode == 1


def test_directory_holds_ack_and_the_flags_of_autotoss_alike(tmp_path: Path) -> None:
    """Both write the same files of them, and print the same keys in the same order."""
    tree = changed(config_tree(tmp_path), "neigh.bob.ack", {"nice": "P", "minsize": 5})
    tree = changed(tree, "neigh.carol.ack", {"nice": "F"})
    flags = {"autotoss": True, "autotoss-gen-ack": True, "autotoss-noack": True, "autotoss-noarea": False}
    tree = changed(tree, "neigh.carol.calls", [{"cron": "@hourly", **flags}, {"cron": "@daily"}])
    path = write_config(tmp_path, tree)
    for who in BOTH:
        _cfgdir(who, "-cfg", path, "-dump", tmp_path / who)
    files = [
        {
            name.relative_to(tmp_path / who): name.read_bytes()
            for name in (tmp_path / who).rglob("*")
            if name.is_file()
        }
        for who in BOTH
    ]
    assert files[0] == files[1]
    printed = [hjson.loads(_cfgdir(who, "-load", tmp_path / OURS).decode()) for who in BOTH]
    # Ordered, and so compared: the keys in their order.
    assert json.dumps(printed[0]) == json.dumps(printed[1])


def _cfgdir(who: str, *arguments: str | Path) -> bytes:
    if who == OURS:
        return run_verb_process("cfgdir", *arguments).stdout
    argv = [require("nncp-cfgdir"), *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, check=True, timeout=60, env=verb_environ()).stdout
