"""Two nodes whose packets travel through a folder that two real Syncthing instances keep alike."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ids import PacketId
from gateway.packet.mth import mth
from tests.support.both_nncp import Recorder
from tests.support.gonncp import GoMesh
from tests.support.nncp_shell import NodeShell
from tests.support.peers import require
from tests.support.processes import wait_until
from tests.support.syncthing import SyncedFolder

SEND_KIB_PER_SECOND = 700
LARGE_BYTES = 6_000_000
SYNC_SECONDS = 90


class Site:
    """A node, its copy of the folder and what its handler recorded."""

    def __init__(self, mesh: GoMesh, name: str, neighbour: str) -> None:
        self.node = mesh[name]
        self.shell = NodeShell(self.node)
        self.folder = self.node.home / "folder"
        self.recorder = Recorder(self.node.home / "recorded")
        mesh.set_exec(name, neighbour, "x", self.recorder.argv)

    def box(self, other: "Site") -> Path:
        """Where packets from the other lie in the folder."""
        return self.folder / self.node.id / other.node.id

    def packets_in_folder(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and len(path.name) == 52]

    def send(self, to: str, body: bytes, nice: int) -> None:
        source = self.node.home / "source"
        source.write_bytes(body)
        self.shell.run(f"nncp-exec -quiet -nocompress -nice {nice} {to} x < {source}")

    def exchange(self) -> None:
        self.shell.run(f"nncp-xfer -quiet -mkdir {self.folder}")


@pytest.fixture
def sites(place: Path) -> Iterator[tuple[Site, Site]]:
    require("syncthing", "nncp-cfgnew")
    mesh = GoMesh(place, ["a", "b"])
    a, b = Site(mesh, "a", "b"), Site(mesh, "b", "a")
    with SyncedFolder(place, a.folder, b.folder, SEND_KIB_PER_SECOND):
        yield a, b


def test_packets_travel_both_ways_and_disappear(sites: tuple[Site, Site]) -> None:
    """Nothing is taken half-written, nothing foreign is touched, and what was taken goes on both sides."""
    a, b = sites
    bodies = {"a": [b"small", os.urandom(LARGE_BYTES)], "b": [os.urandom(100_000), b"answer"]}
    for site, to in ((b, "a"), (a, "b")):
        for number, body in enumerate(bodies[site.node.name]):
            site.send(to, body, nice=50 + number)
        site.exchange()
    conflict = _leave_foreign_files(a, b)
    wait_until(lambda: list(b.box(a).glob(".syncthing.*.tmp")), SYNC_SECONDS, "a half-written packet")

    def has_arrived() -> bool:
        for site, other in ((b, a), (a, b)):
            site.exchange()
            for packet in site.node.packets("rx", other.node.id):
                assert packet.name == PacketId(mth(packet.read_bytes())).text
        return all(len(site.node.packets("rx", other.node.id)) == 2 for site, other in ((a, b), (b, a)))

    wait_until(has_arrived, SYNC_SECONDS, "all packets")
    for site, sender in ((a, "b"), (b, "a")):
        site.shell.run("nncp-toss -quiet")
        assert sorted(ran.body for ran in site.recorder.runs()) == sorted(bodies[sender])
    wait_until(
        lambda: not a.packets_in_folder() and not b.packets_in_folder(),
        SYNC_SECONDS,
        "the removal on both sides",
    )
    wait_until((b.box(a) / conflict.name).is_file, SYNC_SECONDS, "the conflict's copy on the other side")
    a.exchange()
    b.exchange()
    assert conflict.read_bytes() == b"an older one"
    assert [site.node.packets("rx", other.node.id) for site, other in ((a, b), (b, a))] == [[], []]
    assert (a.folder / ".stfolder").is_dir()


def _leave_foreign_files(a: Site, b: Site) -> Path:
    """A conflict's copy, which Syncthing carries, and half of a packet under its temporary name."""
    box = a.folder / b.node.id / a.node.id
    packet = next(path for path in a.packets_in_folder() if path.parent == box)
    for name in (f"~syncthing~{packet.name}.tmp", f".syncthing.{packet.name}.tmp~"):
        (box / name).write_bytes(packet.read_bytes()[:300])
    conflict = box / f"{packet.name}.sync-conflict-20240131-235959-ABCDEFG"
    conflict.write_bytes(b"an older one")
    return conflict
