"""Packets that Go NNCP makes, tossed by us; and both tosses on the same packets."""

import json
import os
import shutil
from pathlib import Path

import pytest

from gateway.packet.plain import PLAIN_HEADER_BYTES
from tests.support.both_nncp import GO, OURS, Recorder, carry, records_of, run_nncp, without_times
from tests.support.gonncp import GoMesh
from tests.support.packets import BOUNDARY_TOTALS_BYTES
from tests.support.peers import require
from tests.support.processes import Running, wait_until


@pytest.fixture
def mesh(place: Path) -> GoMesh:
    require("nncp-toss", "nncp-exec", "nncp-xfer")
    return GoMesh(place / "mesh", ["a", "b", "c"])


def recorder_at(mesh: GoMesh, node: str = "b", frm: str = "a") -> Recorder:
    made = Recorder(mesh.directory / f"recorded-{node}")
    mesh.set_exec(node, frm, "x", made.argv)
    return made


@pytest.mark.parametrize("flags", [[], ["-nocompress"]])
@pytest.mark.parametrize("body", [b"", b"x", b"From: a@b\n\nmail\n" * 5000, os.urandom(3_000_000)])
def test_we_run_the_handler_with_gos_input(mesh: GoMesh, flags: list[str], body: bytes) -> None:
    """Our toss takes Go's exec, and gives the handler its input, arguments and environment."""
    recorded = recorder_at(mesh)
    run_nncp(GO, mesh["a"], "exec", "-quiet", *flags, "-replynice=7", "b", "x", "", "two words", stdin=body)
    carry(mesh, "a", "b")
    run_nncp(OURS, mesh["b"], "toss", "-quiet")
    ran = recorded.only()
    assert (ran.arguments, ran.body) == ("[configured][][two words]", body)
    assert ran.environment == {"NNCP_SELF": mesh["b"].id, "NNCP_SENDER": mesh["a"].id, "NNCP_NICE": "7"}
    assert mesh["b"].packets("rx", mesh["a"].id) == []


def test_we_take_every_boundary_size(mesh: GoMesh) -> None:
    """Wherever Go's blocks end, we read the same bytes."""
    recorded = recorder_at(mesh)
    bodies = [os.urandom(total_bytes - PLAIN_HEADER_BYTES) for total_bytes in BOUNDARY_TOTALS_BYTES]
    for body in bodies:
        run_nncp(GO, mesh["a"], "exec", "-quiet", "-nocompress", "b", "x", stdin=body)
    carry(mesh, "a", "b", receiver=OURS)
    run_nncp(OURS, mesh["b"], "toss", "-quiet")
    assert sorted(ran.body for ran in recorded.runs()) == sorted(bodies)


def test_we_take_padded_packets(mesh: GoMesh) -> None:
    """Go's padding, within the last block and behind it, is accepted."""
    recorded = recorder_at(mesh)
    for kib in (1, 128, 129, 500):
        run_nncp(GO, mesh["a"], "exec", "-quiet", f"-minsize={kib}", "b", "x", stdin=b"small")
    carry(mesh, "a", "b")
    run_nncp(OURS, mesh["b"], "toss", "-quiet")
    assert [ran.body for ran in recorded.runs()] == [b"small"] * 4


def mixed_spool(mesh: GoMesh) -> Recorder:
    """Good and bad packets of the types that both toss, in b's rx."""
    recorded = recorder_at(mesh)
    mesh.set_exec("b", "a", "fail", ["/bin/sh", "-c", "echo line one; echo line two >&2; exit 3"])
    for arguments in (["x"], ["x", "", "y z"], ["fail", "arg"], ["nosuch"], ["-nocompress", "x", "fat"]):
        flags = [argument for argument in arguments if argument == "-nocompress"]
        rest = arguments[len(flags) :]
        run_nncp(GO, mesh["a"], "exec", "-quiet", *flags, "b", *rest, stdin=b"hello\n")
    run_nncp(GO, mesh["a"], "exec", "-quiet", "-via", "b", "c", "x", stdin=b"relayed")
    carry(mesh, "a", "b")
    return recorded


def test_both_tosses_end_and_log_alike(mesh: GoMesh) -> None:
    """On the same packets both do the same, end with the same status and log the same."""
    recorded = mixed_spool(mesh)
    node = mesh["b"]
    shutil.copytree(node.spool, mesh.directory / "saved", symlinks=True)
    node.log_path.write_text("")
    outcomes = []
    for who in (GO, OURS):
        done = run_nncp(who, node, "toss", is_checked=False)
        # The reason of an error is in our own words, and names the packet's path.
        told = [
            line.split(": ")[0] if line.startswith("ERROR") else line for line in without_times(done.stderr)
        ]
        records = records_of(node.log_text(), without=("When", "Err"))
        left = [path.name for path in node.packets("rx", mesh["a"].id)]
        outcomes.append((done.returncode, told, records, left, recorded.runs()))
        assert len(node.packets("tx", mesh["c"].id)) == 1
        recorded.clear()
        shutil.rmtree(node.spool)
        shutil.copytree(mesh.directory / "saved", node.spool, symlinks=True)
        node.log_path.write_text("")
    assert outcomes[0] == outcomes[1]
    status, _, _, left, runs = outcomes[0]
    assert (status, len(left), len(runs)) == (1, 2, 3)


@pytest.mark.parametrize(
    "flags",
    [
        ["-noexec"],
        ["-notrns"],
        ["-nice", "10"],
        ["-node", "c"],
        ["-node", "nobody"],
        ["-nice", "foo"],
        ["-cycle", "x"],
        ["-h"],
        ["-seen"],
        ["ignored", "arguments"],
    ],
)
def test_flags_do_as_gos(mesh: GoMesh, flags: list[str]) -> None:
    """Flags select the same packets and end with the same status."""
    mixed_spool(mesh)
    node = mesh["b"]
    shutil.copytree(node.spool, mesh.directory / "saved", symlinks=True)
    outcomes = []
    for who in (GO, OURS):
        done = run_nncp(who, node, "toss", *flags, is_checked=False)
        seen = node.spool / mesh["a"].id / "rx" / "seen"
        outcomes.append(
            (
                done.returncode,
                [path.name for path in node.packets("rx", mesh["a"].id)],
                sorted(path.name for path in seen.glob("*")),
                len(node.packets("tx", mesh["c"].id)),
            )
        )
        shutil.rmtree(node.spool)
        shutil.copytree(mesh.directory / "saved", node.spool, symlinks=True)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("script", ["echo héllo; cat", "true"])
def test_the_notice_is_gos_mail_byte_for_byte(mesh: GoMesh, script: str) -> None:
    """notify.exec gives the mailer the same arguments and the same bytes."""
    node = mesh["b"]
    mail = mesh.directory / "mail"
    config = node.config()
    config["notify"] = {"exec": {"*.say": {"from": "from@x", "to": "to@y"}}}
    config["neigh"]["self"]["exec"] = {
        "sendmail": ["/bin/sh", "-c", f'{{ printf "[%s]" "$@"; cat; }} > {mail}', "sh", "-flag"]
    }
    config["neigh"]["a"]["exec"] = {"say": ["/bin/sh", "-c", script]}
    node.config_path.write_text(json.dumps(config))
    run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "say", "ärgüment " * 12, stdin=b"input")
    carry(mesh, "a", "b")
    [packet] = node.packets("rx", mesh["a"].id)
    content = packet.read_bytes()
    mails = []
    for who in (GO, OURS):
        packet.write_bytes(content)
        run_nncp(who, node, "toss", "-quiet")
        mails.append(mail.read_bytes())
        mail.unlink()
    assert mails[0] == mails[1]


def test_a_lock_of_gos_is_respected(mesh: GoMesh) -> None:
    """A packet whose directory Go tosses is left, and the status is 0, as Go's."""
    recorded = recorder_at(mesh)
    hold = mesh.directory / "go"
    mesh.set_exec(
        "b", "a", "wait", ["/bin/sh", "-c", f"echo > {hold}; while test -e {hold}; do sleep 0.05; done"]
    )
    run_nncp(GO, mesh["a"], "exec", "-quiet", "b", "wait")
    carry(mesh, "a", "b")
    argv = [require("nncp-toss"), "-quiet", "-cfg", str(mesh["b"].config_path)]
    with Running(argv, mesh.directory / "toss.out") as go:
        wait_until(hold.exists, 60, "the handler under Go")
        run_nncp(OURS, mesh["a"], "exec", "-quiet", "b", "x")
        carry(mesh, "a", "b")
        done = run_nncp(OURS, mesh["b"], "toss")
        assert b"Locking directory" in done.stderr
        assert recorded.runs() == []
        hold.unlink()
        go.wait(60)
    run_nncp(OURS, mesh["b"], "toss", "-quiet")
    assert len(recorded.runs()) == 1
