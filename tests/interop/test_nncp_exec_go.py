"""Exec packets that we make, tossed by Go NNCP."""

import os
from pathlib import Path

import pytest

from gateway.packet.plain import PLAIN_HEADER_BYTES
from tests.support.both_nncp import GO, OURS, Recorder, carry, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh
from tests.support.packets import BOUNDARY_TOTALS_BYTES
from tests.support.peers import require


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    require("nncp-toss", "nncp-exec", "nncp-xfer")
    return GoMesh(place / "mesh", ["a", "b"])


def recorder_at(mesh: GoMesh, node: str = "b", frm: str = "a") -> Recorder:
    made = Recorder(mesh.directory / f"recorded-{node}")
    mesh.set_exec(node, frm, "x", made.argv)
    return made


@pytest.mark.parametrize("flags", [[], ["-nocompress"]])
@pytest.mark.parametrize("body", [b"", b"x", b"From: a@b\n\nmail\n" * 5000, os.urandom(400_000)])
def test_go_runs_the_handler_with_our_input(mesh: GoMesh, flags: list[str], body: bytes) -> None:
    """Go's toss takes our exec, compressed or not, and gives its handler exactly our input."""
    recorded = recorder_at(mesh)
    run_nncp(OURS, mesh["a"], "exec", "-quiet", *flags, "b", "x", stdin=body)
    carry(mesh, "a", "b")
    mesh["b"].toss()
    assert recorded.only().body == body


@pytest.mark.parametrize("arguments", [[], [""], ["one", "", "", "two words"], ["-flag", "$HOME", "ü"]])
def test_go_gets_every_argument_and_our_niceness(mesh: GoMesh, arguments: list[str]) -> None:
    """Arguments arrive one by one, empty ones too, and the reply niceness with them."""
    recorded = recorder_at(mesh)
    run_nncp(OURS, mesh["a"], "exec", "-quiet", "-replynice", "77", "b", "x", *arguments)
    carry(mesh, "a", "b")
    mesh["b"].toss()
    ran = recorded.only()
    assert ran.arguments == "".join(f"[{argument}]" for argument in ["configured", *arguments])
    assert ran.environment == {
        "NNCP_SELF": mesh["b"].id,
        "NNCP_SENDER": mesh["a"].id,
        "NNCP_NICE": "77",
    }


def test_go_takes_every_boundary_size(mesh: GoMesh) -> None:
    """Wherever the blocks of the packet end, Go reads the same bytes."""
    recorded = recorder_at(mesh)
    bodies = [os.urandom(total_bytes - PLAIN_HEADER_BYTES) for total_bytes in BOUNDARY_TOTALS_BYTES]
    for body in bodies:
        run_nncp(OURS, mesh["a"], "exec", "-quiet", "-nocompress", "b", "x", stdin=body)
    carry(mesh, "a", "b")
    mesh["b"].toss()
    assert sorted(ran.body for ran in recorded.runs()) == sorted(bodies)


@pytest.mark.parametrize("kib", [1, 4, 128, 129, 300])
def test_go_takes_padded_packets_of_the_same_size_as_its_own(mesh: GoMesh, kib: int) -> None:
    """With -minsize our packet is as large as Go's, and Go opens it."""
    recorded = recorder_at(mesh)
    for who in (OURS, GO):
        run_nncp(who, mesh["a"], "exec", "-quiet", "-nocompress", f"-minsize={kib}", "b", "x", stdin=b"small")
    sizes = {path.stat().st_size for path in mesh["a"].packets("tx", mesh["b"].id)}
    assert sizes == {kib * 1024}
    carry(mesh, "a", "b")
    mesh["b"].toss()
    assert [ran.body for ran in recorded.runs()] == [b"small", b"small"]


@pytest.mark.parametrize("relay", [GO, OURS])
@pytest.mark.parametrize("via", [["r1"], ["r1", "r2"]])
@pytest.mark.parametrize("sender", [GO, OURS])
def test_through_relays(place: Path, sender: str, via: list[str], relay: str) -> None:
    """An exec goes through one or two relays, ours or Go's, and arrives as it was sent."""
    require("nncp-toss")
    mesh = GoMesh(place / "mesh", ["a", "r1", "r2", "b"], via={"b": via})
    recorded = recorder_at(mesh)
    body = os.urandom(200_000)
    run_nncp(sender, mesh["a"], "exec", "-quiet", "b", "x", "arg", stdin=body)
    for source, target in zip(["a", *via], via, strict=False):
        carry(mesh, source, target, sender=sender, receiver=relay)
        run_nncp(relay, mesh[target], "toss", "-quiet")
    carry(mesh, via[-1], "b")
    mesh["b"].toss()
    ran = recorded.only()
    assert (ran.arguments, ran.body) == ("[configured][arg]", body)
    assert ran.environment["NNCP_SENDER"] == mesh["a"].id


def test_via_on_the_command_line(place: Path) -> None:
    """-via names the way and -via - takes it back, as in Go."""
    require("nncp-toss")
    mesh = GoMesh(place / "mesh", ["a", "r1", "b"], via={"b": ["r1"]})
    for who in (OURS, GO):
        run_nncp(who, mesh["a"], "exec", "-quiet", "-via", "-", "b", "x")
    assert len(mesh["a"].packets("tx", mesh["b"].id)) == 2
    for who in (OURS, GO):
        run_nncp(who, mesh["a"], "exec", "-quiet", "-via", f"r1,{mesh['r1'].id}", "b", "x", stdin=b"far")
    sizes = [path.stat().st_size for path in mesh["a"].packets("tx", mesh["r1"].id)]
    assert len(sizes) == 2


def test_what_is_printed_and_logged_is_as_gos(mesh: GoMesh) -> None:
    """Both write the same line for people and the same record, apart from time, size and packet."""
    done = [run_nncp(who, mesh["a"], "exec", "-nocompress", "b", "x", "a", "", "b") for who in (OURS, GO)]
    assert without_times(done[0].stderr) == without_times(done[1].stderr)
    assert [one.stdout for one in done] == [b"", b""]
    ours, go = records_of(mesh["a"].log_text(), without=("When", "Pkt"))
    assert ours == go
    shown = without_times(mesh["a"].run("nncp-log").stdout)
    assert shown == ["Exec is sent to b@x a  b (276 B)"] * 2


def test_gos_stat_counts_our_packets(mesh: GoMesh) -> None:
    """Go's stat sees our packet with its niceness and size."""
    run_nncp(OURS, mesh["a"], "exec", "-quiet", "-nice", "N", "-minsize", "8", "b", "x")
    shown = mesh["a"].run("nncp-stat", "-node", "b", "-pkt").stdout.decode()
    [packet] = mesh["a"].packets("tx", mesh["b"].id)
    assert f"tx {packet.name} 8.0 KiB (nice: N)" in shown
    assert "Tx:    8.0 KiB,   1 pkts" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["b"],
        [],
        ["nobody", "x"],
        ["-nice", "foo", "b", "x"],
        ["-nice", "0", "b", "x"],
        ["-replynice", "256", "b", "x"],
        ["-via", "nobody", "b", "x"],
        ["-maxsize", "1", "-nocompress", "b", "x"],
        ["b", "x", "y" * 254],
        ["-minsize", "-1", "b", "x"],
        ["-maxsize", "z", "b", "x"],
        ["-nosuch", "b", "x"],
        ["-h"],
        ["-progress", "-noprogress", "b", "x"],
        ["--nice=N", "-quiet=true", "b", "x"],
    ],
)
def test_the_exit_status_is_gos(mesh: GoMesh, arguments: list[str]) -> None:
    """Whatever the command line, we end with the same status and queue as much as Go."""
    counts, statuses = [], []
    for who in (OURS, GO):
        done = run_nncp(who, mesh["a"], "exec", *arguments, stdin=b"x" * 3000, is_checked=False)
        statuses.append(done.returncode)
        counts.append(len(mesh["a"].packets("tx", mesh["b"].id)))
    assert statuses[0] == statuses[1]
    assert counts in ([0, 0], [1, 2])
