"""``nncp rm`` removes what Go's removes."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.both_nncp import records_of, without_times
from tests.support.gonncp import GoMesh, GoNode
from tests.support.nncp_verbs import Verbs
from tests.support.peers import require

P, Q, AREA = "P" * 51 + "A", "Q" * 51 + "A", "R" * 51 + "A"
OF_A_NODE = (
    f"rx/{P}", f"rx/{Q}", f"rx/hdr/{P}", f"rx/hdr/{Q}", f"rx/{P}.part", f"rx/{P}.nock", f"rx/seen/{P}",
    f"rx/seen/{Q}.x", "rx/other", "rx/short.part", f"tx/{P}", f"tx/{Q}", f"tx/hdr/{P}", f"tx/ack/{P}",
    "toss.lock", "rx.lock", f"area/{AREA}/{P}", f"area/{AREA}/{Q}", "stray",
)  # fmt: skip
OF_THE_SPOOL = ("tmp/nncpabc", "tmp/other", "top.lock")

COMMANDS = [
    "", "-tmp", "-lock", "-tmp -lock", "-tmp -node b", "-all", "-node b", "-node b -part", "-node b -nock",
    "-node b -seen", "-node b -hdr", "-node b -area", "-node b -rx", "-node b -tx", "-node b -rx -hdr",
    "-node b -tx -hdr", "-node b -rx -tx", "-node b -rx -seen", "-node b -rx -part -nock",
    "-node b -tx -seen", "-node b -area -rx", "-all -part", "-all -tx", "-all -node b -part",
    "-node nobody -part", "-node b -part extra", "-tmp -dryrun", "-node b -rx -dryrun", "-tmp -older 1h",
    "-tmp -older 0s", "-tmp -older 5", "-tmp -older 5x", "-tmp -older h", "-tmp -older=-5s",
    "-node b -rx -older 1d", "-node b -rx -older 1m", "-quiet -tmp",
    "-node b -rx -tx -seen -part -nock -hdr -area", "-node b -pkt", "-node b -pkt -rx",
    "-node b -pkt -tx -hdr", "-all -pkt", "-node b -pkt -dryrun", "-node b -pkt -seen",
]  # fmt: skip


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> GoMesh:
    require("nncp-rm", "nncp-cfgnew")
    return GoMesh(tmp_path_factory.mktemp("rm") / "mesh", ["a", "b"])


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(tmp_path, monkeypatch)


def fill(mesh: GoMesh, node: GoNode) -> None:
    """Every kind of file; those that begin with Q are two hours old."""
    shutil.rmtree(node.spool)
    node.log_path.unlink(missing_ok=True)
    names = [f"{owner.id}/{name}" for owner in mesh.nodes.values() for name in OF_A_NODE]
    for name in (*names, *OF_THE_SPOOL):
        path = node.spool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if path.name.startswith("Q"):
            old = path.stat().st_mtime - 7200
            os.utime(path, (old, old))
    (node.spool / "b").symlink_to(node.spool / mesh["b"].id)


def files(node: GoNode) -> list[Path]:
    return sorted(path for path in node.spool.rglob("*") if path.is_file())


NAMES = (f"/some/where/{P}\n".encode(), f"\n..\n{P}.part\nother\n{Q}".encode())


@pytest.mark.parametrize(
    ("command", "stdin"),
    [(command, names) for command in COMMANDS for names in (NAMES if "-pkt" in command else [b""])],
)
def test_the_same_is_removed_and_told(
    mesh: GoMesh, verbs: Verbs, capfdbinary: pytest.CaptureFixture[bytes], command: str, stdin: bytes
) -> None:
    """Same files left, same status, same records, same lines for a person."""
    node = mesh["a"]
    fill(mesh, node)
    theirs = node.run("nncp-rm", *command.split(), stdin=stdin, check=False)
    left, records = files(node), records_of(node.log_text())
    fill(mesh, node)
    assert verbs.run("rm", "-cfg", node.config_path, *command.split(), stdin=stdin) == theirs.returncode
    printed, told = capfdbinary.readouterr()
    assert (files(node), records_of(node.log_text()), printed) == (left, records, b"")
    if theirs.returncode == 0:
        assert without_times(told) == without_times(theirs.stderr)
