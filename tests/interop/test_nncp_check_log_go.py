"""``check`` and ``log`` by Go's commands and ours, on the same spool and the same logs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.both_nncp import GO, OURS, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh, GoNode
from tests.support.peers import require

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "log"


@pytest.fixture
def node(place: Path) -> GoNode:
    """A node with packets for two others, one of them damaged."""
    require("nncp-check", "nncp-log", "nncp-exec")
    mesh = GoMesh(place / "mesh", ["a", "b", "c"])
    for target in ("b", "c", "c"):
        mesh["a"].run("nncp-exec", "-quiet", target, "x", stdin=b"body" * 1000)
    damaged = mesh["a"].packets("tx", mesh["c"].id)[0]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    [good] = mesh["a"].packets("tx", mesh["b"].id)
    rx = good.parents[1] / "rx"
    rx.mkdir()
    shutil.copy(good, rx / f"{good.name}.nock")
    return mesh["a"]


def files_of(node: GoNode) -> dict[str, bytes]:
    return {
        str(path.relative_to(node.spool)): path.read_bytes()
        for path in node.spool.rglob("*")
        if path.is_file() and path.parent.name != "tmp"
    }


@pytest.mark.parametrize("flags", [[], ["-node", "b"], ["-node", "c"], ["-nock"], ["-nock", "-node", "c"]])
def test_checking_is_as_gos(node: GoNode, flags: list[str]) -> None:
    """The same files, records, lines and status."""
    saved = node.home / "saved"
    shutil.copytree(node.spool, saved, symlinks=True)
    outcomes = []
    for who in (GO, OURS):
        node.log_path.write_text("")
        done = run_nncp(who, node, "check", *flags, is_checked=False)
        outcomes.append(
            (
                done.returncode,
                done.stdout,
                without_times(done.stderr),
                files_of(node),
                records_of(node.log_text()),
            )
        )
        shutil.rmtree(node.spool)
        shutil.copytree(saved, node.spool, symlinks=True)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("flags", [["-node", "nobody"], ["-cycle", "x"], ["-x"]])
def test_a_wrong_use_of_check_has_gos_status(node: GoNode, flags: list[str]) -> None:
    """A wrong use ends with the same status."""
    statuses = [run_nncp(who, node, "check", *flags, is_checked=False).returncode for who in (GO, OURS)]
    assert statuses[0] == statuses[1] != 0


@pytest.mark.parametrize("name", ["alice.log", "bob-toss.log"])
def test_a_log_of_go_reads_as_by_go(node: GoNode, name: str) -> None:
    """The same lines for people."""
    outputs = [run_nncp(who, node, "log", "-log", VECTORS / name).stdout for who in (GO, OURS)]
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") > 5


def test_a_log_of_ours_is_read_by_go_and_by_recutils(node: GoNode) -> None:
    """nncp-log prints the same lines, and recsel finds each record."""
    recsel = require("recsel")
    run_nncp(OURS, node, "exec", "-quiet", "b", "handle", "arg", stdin=b"x")
    run_nncp(OURS, node, "check", is_checked=False)
    outputs = [run_nncp(who, node, "log").stdout for who in (GO, OURS)]
    assert outputs[0] == outputs[1]
    run_nncp(OURS, node, "exec", "-quiet", "b", "handle", "line one\nline two", stdin=b"x")
    assert b"Exec is sent to b@handle line one\\nline two (" in run_nncp(OURS, node, "log").stdout
    argv = [recsel, "-e", "Who = 'checking'", "-p", "Err,FullSize", str(node.log_path)]
    found = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout.decode()
    assert found.count("Err: bad") == 1
    argv = [recsel, "-C", "-P", "Dst", "-e", "Type = 'exec' && Dst ~ 'line'", str(node.log_path)]
    assert b"line one\nline two" in subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


def test_a_log_that_is_missing_or_garbage_has_gos_status(node: GoNode, place: Path) -> None:
    """Both end with 1."""
    garbage = place / "garbage"
    garbage.write_text("garbage\nmore\n")
    for path in (garbage, place / "none"):
        statuses = [
            run_nncp(who, node, "log", "-log", path, is_checked=False).returncode for who in (GO, OURS)
        ]
        assert statuses == [1, 1]
