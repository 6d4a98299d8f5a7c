"""Packets carried through a directory, one half by Go NNCP and the other by us."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh
from tests.support.peers import require

NAME_CHARS = 52


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    require("nncp-xfer", "nncp-exec")
    made = GoMesh(place / "mesh", ["a", "b", "c"])
    for number, target in enumerate(["b", "b", "b", "c"]):
        body = os.urandom(100_000 * number)
        made["a"].run("nncp-exec", "-quiet", f"-nice={50 + number}", target, "x", stdin=body)
    (place / "stick").mkdir()
    return made


def is_packet_name(path: str) -> bool:
    return len(Path(path).name) == NAME_CHARS


def tree(root: Path) -> list[tuple[str, bytes]]:
    """Every directory and file with its content."""
    return sorted(
        (str(path.relative_to(root)), path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
    )


@pytest.mark.parametrize("sender", [GO, OURS])
@pytest.mark.parametrize("receiver", [GO, OURS])
def test_packets_arrive_whoever_does_each_half(mesh: GoMesh, place: Path, sender: str, receiver: str) -> None:
    """Every packet for b is in b's rx afterwards, unchanged, and nowhere else."""
    stick = place / "stick"
    before = {path.name: path.read_bytes() for path in mesh["a"].packets("tx", mesh["b"].id)}
    run_nncp(sender, mesh["a"], "xfer", "-quiet", "-mkdir", stick)
    assert mesh["a"].packets("tx", mesh["b"].id) == []
    run_nncp(receiver, mesh["b"], "xfer", "-quiet", stick)
    after = {path.name: path.read_bytes() for path in mesh["b"].packets("rx", mesh["a"].id)}
    assert after == before
    left = [path.name for path in stick.rglob("*") if path.is_file()]
    assert len(left) == 1


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-mkdir"],
        ["-mkdir", "-keep"],
        ["-mkdir", "-rx"],
        ["-mkdir", "-tx"],
        ["-mkdir", "-node", "c"],
        ["-mkdir", "-nice", "51"],
    ],
)
def test_our_sending_leaves_stick_and_spool_as_gos_does(mesh: GoMesh, place: Path, flags: list[str]) -> None:
    """With every flag the same files are on the stick and in the spool afterwards."""
    node, stick = mesh["a"], place / "stick"
    shutil.copytree(node.spool, place / "saved", symlinks=True)
    sticks, spools, logs, told = [], [], [], []
    for who in (GO, OURS):
        node.log_path.write_text("")
        done = run_nncp(who, node, "xfer", *flags, stick)
        told.append(without_times(done.stderr))
        sticks.append(tree(stick))
        spools.append([entry for entry in tree(node.spool) if entry[1] and is_packet_name(entry[0])])
        logs.append(records_of(node.log_text()))
        for root in (node.spool, stick):
            shutil.rmtree(root)
        shutil.copytree(place / "saved", node.spool, symlinks=True)
        stick.mkdir()
    assert sticks[0] == sticks[1]
    assert spools[0] == spools[1]
    assert logs[0] == logs[1]
    assert told[0] == told[1]


@pytest.mark.parametrize("flags", [[], ["-keep"], ["-tx"], ["-node", "c"], ["-nice", "51"]])
def test_our_receiving_leaves_stick_and_spool_as_gos_does(
    mesh: GoMesh, place: Path, flags: list[str]
) -> None:
    """With every flag the same packets are received, logged and removed."""
    node, stick = mesh["b"], place / "stick"
    run_nncp(GO, mesh["a"], "xfer", "-quiet", "-mkdir", stick)
    seen = node.spool / mesh["a"].id / "rx" / "seen"
    seen.mkdir(parents=True)
    place_of_one = next(path for path in (stick / node.id / mesh["a"].id).iterdir())
    (seen / place_of_one.name).touch()
    shutil.copytree(node.spool, place / "saved", symlinks=True)
    shutil.copytree(stick, place / "saved-stick")
    sticks, received, logs, told = [], [], [], []
    for who in (GO, OURS):
        node.log_path.write_text("")
        done = run_nncp(who, node, "xfer", *flags, stick)
        told.append(without_times(done.stderr))
        sticks.append(tree(stick))
        received.append([path.name for path in node.packets("rx", mesh["a"].id)])
        logs.append(records_of(node.log_text()))
        for root in (node.spool, stick):
            shutil.rmtree(root)
        shutil.copytree(place / "saved", node.spool, symlinks=True)
        shutil.copytree(place / "saved-stick", stick)
    assert sticks[0] == sticks[1]
    assert received[0] == received[1]
    assert logs[0] == logs[1]
    assert told[0] == told[1]


def test_a_damaged_packet_is_refused_as_by_go(mesh: GoMesh, place: Path) -> None:
    """A packet that does not hash to its name stays on the stick, with status 1."""
    stick = place / "stick"
    run_nncp(GO, mesh["a"], "xfer", "-quiet", "-mkdir", stick)
    damaged = next(path for path in (stick / mesh["b"].id / mesh["a"].id).iterdir())
    damaged.write_bytes(damaged.read_bytes() + b"x")
    statuses = []
    for who in (GO, OURS):
        done = run_nncp(who, mesh["b"], "xfer", "-rx", stick, is_checked=False)
        statuses.append(done.returncode)
        assert b"checksum mismatch" in done.stderr
        assert damaged.exists()
        assert len(mesh["b"].packets("rx", mesh["a"].id)) == 2
    assert statuses == [1, 1]


@pytest.mark.parametrize(
    "arguments",
    [[], ["one", "two"], ["-rx", "-tx", "stick"], ["-nice", "zz", "stick"], ["-node", "zz", "stick"]],
)
def test_the_exit_status_is_gos(mesh: GoMesh, arguments: list[str]) -> None:
    """A wrong use ends with the same status."""
    statuses = [
        run_nncp(who, mesh["a"], "xfer", *arguments, is_checked=False).returncode for who in (GO, OURS)
    ]
    assert statuses == [1, 1]
