"""Every type of packet from Go's node or ours to Go's node or ours, directly or through relays of both."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hjson
import pytest

from tests.support.both_nncp import GO, OURS, Recorder, carry, run_nncp
from tests.support.gonncp import GoMesh, GoNode
from tests.support.peers import require

RELAYS = ("r", "s")
FILES = {"empty": b"", "deep/one": b"1", "large": os.urandom(300_000)}
OFFERED = os.urandom(150_000)
BODY = b"exec body\n" * 2000


class Journey:
    """Nodes a and b with relays between them, each by Go or by us; the relays are of both kinds.

    Args:
        place: of the nodes.
        author: who a is.
        receiver: who b is.
        hop_count: relays between them.
    """

    def __init__(self, place: Path, author: str, receiver: str, hop_count: int) -> None:
        relays = RELAYS[:hop_count]
        via = {"b": list(relays), "a": list(reversed(relays))} if relays else None
        self.mesh = GoMesh(place / "mesh", ["a", *RELAYS, "b"], via=via)
        first_relay, second_relay = (OURS, GO) if author == GO else (GO, OURS)
        self.who = {"a": author, "b": receiver, "r": first_relay, "s": second_relay}
        self.way = ["a", *relays, "b"]
        self.recorder = Recorder(place / "recorded")
        self.mesh.set_exec("b", "a", "x", self.recorder.argv)

    def run(self, name: str, verb: str, *arguments: str | Path, stdin: bytes = b"") -> None:
        run_nncp(self.who[name], self.mesh[name], verb, "-quiet", *arguments, stdin=stdin)

    def travel(self, way: list[str]) -> None:
        """Carry what waits from each node to the next, and toss it there."""
        for source, target in itertools.pairwise(way):
            carry(self.mesh, source, target, sender=self.who[source], receiver=self.who[target])
            self.run(target, "toss")

    def left(self) -> list[Path]:
        """Packets that still lie somewhere."""
        nodes = self.mesh.nodes.values()
        return [
            packet
            for node, other, box in itertools.product(nodes, nodes, ("rx", "tx"))
            for packet in node.packets(box, other.id)
        ]


@pytest.fixture(params=itertools.product((GO, OURS), (GO, OURS), (0, 1, 2)), ids=str)
def journey(request: pytest.FixtureRequest, place: Path) -> Journey:
    require("nncp-toss", "nncp-exec", "nncp-file", "nncp-freq", "nncp-ack", "nncp-xfer")
    return Journey(place, *request.param)


def share_area(mesh: GoMesh, handler: list[str]) -> None:
    """An area of which b is the only subscriber of a's."""
    argv = [require("nncp-cfgnew"), "-area", "news", "-nocomments"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    keys: dict[str, Any] = dict(hjson.loads("{" + text + "}")["areas"]["news"])
    for name, subs in (("a", ["b"]), ("b", [])):
        config = mesh[name].config()
        config["areas"] = {"news": {**keys, "subs": subs, "exec": {"x": handler}}}
        mesh[name].save(config)


def offer(node: GoNode, to: str) -> None:
    """Let a neighbour ask for a file."""
    (node.home / "offer").mkdir()
    (node.home / "offer" / "data").write_bytes(OFFERED)
    config = node.config()
    config["neigh"][to]["freq"] = {"path": str(node.home / "offer")}
    node.save(config)


def send_all(journey: Journey) -> None:
    """One of each: files, execs, a request for a file, a message to an area."""
    source = journey.mesh["a"].home / "source"
    for name, content in FILES.items():
        source.write_bytes(content)
        journey.run("a", "file", source, f"b:{name}")
    journey.run("a", "file", "-", "b:from-stdin", stdin=BODY)
    journey.run("a", "exec", "b", "x", "squeezed", "two words", stdin=BODY)
    journey.run("a", "exec", "-nocompress", "-minsize", "60", "b", "x", "fat", stdin=BODY)
    journey.run("a", "freq", "b:data", "answer")
    journey.run("a", "exec", "area:news", "x", "news", stdin=BODY)
    journey.run("a", "toss")


def acknowledge_one_more(journey: Journey) -> None:
    """A packet that a still keeps while b has it already: b says so."""
    a, b = journey.mesh["a"], journey.mesh["b"]
    journey.run("a", "exec", "-via", "-", "b", "x", "kept", stdin=b"kept")
    [kept] = a.packets("tx", b.id)
    inbox = b.spool / a.id / "rx"
    inbox.mkdir(parents=True, exist_ok=True)
    shutil.copy(kept, inbox / kept.name)
    journey.run("b", "ack", "-node", "a")
    journey.run("b", "toss")


def test_every_type_arrives(journey: Journey) -> None:
    """Files, execs, a request, its answer, an acknowledgement, an area's message arrive; nothing is left."""
    share_area(journey.mesh, journey.recorder.argv)
    offer(journey.mesh["b"], to="a")
    send_all(journey)
    journey.travel(journey.way)
    acknowledge_one_more(journey)
    journey.travel(journey.way[::-1])
    incoming = journey.mesh["b"].incoming
    arrived = {
        str(path.relative_to(incoming)): path.read_bytes() for path in incoming.rglob("*") if path.is_file()
    }
    assert arrived == {**FILES, "from-stdin": BODY}
    assert [(ran.arguments, ran.body) for ran in journey.recorder.runs()] == [
        ("[configured][fat]", BODY),
        ("[configured][kept]", b"kept"),
        ("[configured][news]", BODY),
        ("[configured][squeezed][two words]", BODY),
    ]
    assert (journey.mesh["a"].incoming / "answer").read_bytes() == OFFERED
    assert journey.left() == []
