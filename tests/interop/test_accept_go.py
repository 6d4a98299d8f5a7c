"""Neighbours that are added to a configuration are neighbours for the Go tools too."""

import subprocess
from pathlib import Path

import pytest

from gateway.config.nncp_directory import write_directory
from gateway.config.nncp_document import parse_document
from gateway.durable import Disk
from tests.support.gateways import GatewayNode
from tests.support.nncp_verbs import verb_environ
from tests.support.peers import require


def go(program: str, *arguments: str | Path, stdin: bytes = b"") -> str:
    done = subprocess.run(
        [require(program), *map(str, arguments)], input=stdin, capture_output=True, check=True, timeout=60,
        env=verb_environ(),
    )  # fmt: skip
    return done.stdout.decode()


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[GatewayNode, GatewayNode]:
    require("nncp-stat", "nncp-exec", "nncp-cfgmin")
    return GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")


@pytest.mark.parametrize("is_directory", [False, True])
def test_go_sends_to_a_neighbour_that_was_accepted(
    nodes: tuple[GatewayNode, GatewayNode], *, is_directory: bool
) -> None:
    """With a file and with a directory: the Go tools list the neighbour and make packets for it."""
    a, b = nodes
    if is_directory:
        document = parse_document(a.nncp_path.read_text(), a.nncp_path)
        a.nncp_path.unlink()
        write_directory(a.nncp_path, document, Disk(is_syncing=False))
        # What a stop in the middle of another accept would have left.
        (a.nncp_path / "neigh/.carol.0123.new/exec").mkdir(parents=True)
        (a.nncp_path / "neigh/.carol.0123.new/id").write_text("half")
    block = go("nncp-cfgmin", "-cfg", b.nncp_path)
    a.run("accept", "bob", "--domain", "b.test", stdin=block.encode())
    assert go("nncp-stat", "-cfg", a.nncp_path).split() == ["bob", "self"]
    go("nncp-exec", "-quiet", "-cfg", a.nncp_path, "bob", "sendmail", stdin=b"body")
    assert len([path for path in (a.spool / b.id / "tx").iterdir() if path.is_file()]) == 1
