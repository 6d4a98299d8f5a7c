"""The state of links lies in the spool, and the Go tools work there as if it did not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.spool.layout import Layout
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkSession, LinkStates
from tests.support.both_nncp import GO, OURS, run_nncp
from tests.support.gonncp import GoMesh, GoNode
from tests.support.peers import require

WHO = [GO, OURS]


class Told:
    """A node whose link with its neighbour has a history, a session that runs, and one that died."""

    def __init__(self, node: GoNode, neighbour: GoNode) -> None:
        states = LinkStates(Layout(node.spool), Disk(is_syncing=False))
        neighbour_id = NodeId.parse(neighbour.id)
        states.failed(neighbour_id, Role.CALLER, "192.0.2.1:5400", "no answer")
        self.session: LinkSession = states.began(neighbour_id, Role.LISTENER, "192.0.2.1:5400")
        self._directory = node.spool / neighbour.id / "link"
        [running] = [path for path in self._directory.iterdir() if path.suffix == ".session"]
        shutil.copy(running, self._directory / "0000000000000000.session")
        self.files = self.found()
        assert len(self.files) == 3

    def found(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self._directory.iterdir()}


@pytest.fixture
def mesh(tmp_path: Path) -> GoMesh:
    require("nncp-call", "nncp-daemon", "nncp-stat", "nncp-rm")
    made = GoMesh(tmp_path / "mesh", ["a", "b"])
    for name, other in (("a", "b"), ("b", "a")):
        made.set_exec(name, other, "keep", ["/bin/sh", "-c", f"/bin/cat >> {tmp_path}/{name}.kept"])
    return made


@pytest.fixture
def told(mesh: GoMesh) -> Iterator[tuple[Told, Told]]:
    both = Told(mesh["a"], mesh["b"]), Told(mesh["b"], mesh["a"])
    yield both
    for each in both:
        each.session.end(0, 0)


def kept(place: Path) -> bytes:
    path = place / "b.kept"
    return path.read_bytes() if path.exists() else b""


def run_journey(who: str, mesh: GoMesh) -> list[bytes]:
    """Every command that works on a spool, on a packet's way from a to b; returns what they printed."""
    a, b = mesh["a"], mesh["b"]
    stick = mesh.directory / "stick"
    stick.mkdir()
    outputs = []
    run_nncp(who, a, "exec", "-quiet", "b", "keep", stdin=b"one\n")
    outputs.append(run_nncp(who, a, "stat").stdout)
    run_nncp(who, a, "check", "-quiet")
    run_nncp(who, a, "xfer", "-quiet", "-mkdir", "-tx", stick)
    run_nncp(who, b, "xfer", "-quiet", "-rx", stick)
    outputs.append(run_nncp(who, b, "stat").stdout)
    run_nncp(who, b, "toss", "-quiet", "-seen")
    run_nncp(who, a, "exec", "-quiet", "b", "keep", stdin=b"two\n")
    bundle = run_nncp(who, a, "bundle", "-quiet", "-tx", "-delete", "b").stdout
    run_nncp(who, b, "bundle", "-quiet", "-rx", stdin=bundle)
    run_nncp(who, b, "check", "-quiet")
    run_nncp(who, b, "toss", "-quiet")
    outputs.append(run_nncp(who, b, "stat").stdout)
    return outputs


@pytest.mark.parametrize("who", WHO)
def test_packets_travel_and_the_state_stays(
    mesh: GoMesh, told: tuple[Told, Told], tmp_path: Path, who: str
) -> None:
    """Stat, check, xfer, toss and bundle do their work, print the same, and leave our files alone."""
    outputs = run_journey(who, mesh)
    assert kept(tmp_path) == b"one\ntwo\n"
    # What came on a stick is a contact, which our commands tell.
    for each in told[:1] if who == OURS else told:
        assert each.found() == each.files
    without = GoMesh(tmp_path / "without", ["a", "b"])
    without.set_exec("b", "a", "keep", ["/bin/sh", "-c", "/bin/cat > /dev/null"])
    assert run_journey(who, without) == outputs


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    "flags",
    [
        ["-all"],
        ["-all", "-rx", "-tx", "-part", "-nock", "-seen", "-hdr", "-area"],
        ["-node", "b"],
        ["-node", "b", "-rx", "-tx"],
        ["-tmp", "-lock"],
    ],
)
def test_rm_removes_none_of_it(mesh: GoMesh, told: tuple[Told, Told], who: str, flags: list[str]) -> None:
    """Whatever nncp-rm is asked to remove, the state of links is not among it."""
    (mesh["a"].spool / "tmp").mkdir()
    run_nncp(who, mesh["a"], "rm", "-quiet", *flags)
    assert told[0].found() == told[0].files


def test_go_nodes_talk_over_spools_with_it(mesh: GoMesh, told: tuple[Told, Told], tmp_path: Path) -> None:
    """Go's call and daemon exchange packets beside the state of a session of ours."""
    a, b = mesh["a"], mesh["b"]
    run_nncp(GO, a, "exec", "-quiet", "b", "keep", stdin=b"called\n")
    daemon = f"|exec {require('nncp-daemon')} -cfg {b.config_path} -quiet -ucspi"
    a.run("nncp-call", "-quiet", "-onlinedeadline", "2", "b", daemon)
    assert a.packets("tx", b.id) == []
    b.toss()
    assert kept(tmp_path) == b"called\n"
    assert [each.found() for each in told] == [each.files for each in told]
