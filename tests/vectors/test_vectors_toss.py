"""Golden packets of areas, relays and acknowledgements do under our toss what they ask for."""

from pathlib import Path

import pytest

from gateway.ids import NodeId, PacketId, decode_base32
from gateway.nodes import Area, Book, Node
from gateway.packet.keys import KEY_BYTES
from gateway.packet.mth import mth
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.spool.layout import Box
from gateway.toss.tosser import TossResult
from tests.support.nodes import make_spool
from tests.support.packets import golden, golden_bytes, golden_keys, hop_to, pat, seeded
from tests.support.tossing import Pair

NAMES = ("alice", "bob", "carol", "dave")
DONE = TossResult(done_count=1)


class GoldenNodes(Pair):
    """The nodes that the golden packets were made by and for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.books = {name: self._book(name) for name in NAMES}
        self.spools = {name: make_spool(directory / name / "spool") for name in NAMES}

    def _book(self, own: str) -> Book:
        nodes = {
            "self" if name == own else name: Node(
                "self" if name == own else name,
                golden_keys(name).public,
                incoming=str(self.directory / own / "incoming"),
            )
            for name in NAMES
        }
        texts = golden()["areas"]["news"]
        area = Area(
            "news",
            NodeId.parse(texts["id"]),
            decode_base32(texts["pub"], KEY_BYTES),
            decode_base32(texts["prv"], KEY_BYTES),
            subs=(golden_keys("bob").id, golden_keys("carol").id) if own == "alice" else (),
            incoming=str(self.directory / own / "incoming"),
            exec={
                "cat": (
                    "/bin/sh",
                    "-c",
                    f'cat > {self.directory}/{own}.out; echo "$*" >> {self.directory}/args',
                )
            },
        )
        (self.directory / own / "incoming").mkdir(parents=True, exist_ok=True)
        return Book(golden_keys(own), nodes, {"news": area})


@pytest.fixture
def nodes(tmp_path: Path) -> GoldenNodes:
    return GoldenNodes(tmp_path)


@pytest.mark.parametrize("name", ["area-exec", "area-file", "area-file-min-8k"])
def test_a_golden_message_goes_to_each_subscriber_and_is_done(nodes: GoldenNodes, name: str) -> None:
    packet = golden_bytes(name)
    own_tx = nodes.spools["alice"].layout.packet(nodes.id("alice"), Box.TX, PacketId(mth(packet)))
    own_tx.parent.mkdir(parents=True)
    own_tx.write_bytes(packet)
    # Alice's own marker is not among the golden files, so that her node does it too.
    assert nodes.toss("alice") == DONE
    assert not own_tx.exists()
    for subscriber in ("bob", "carol"):
        [job] = nodes.waiting(subscriber, at="alice")
        nodes.carry("alice", subscriber, job.packet)
        assert nodes.toss(subscriber) == DONE
    for member in ("alice", "bob", "carol"):
        if name == "area-exec":
            assert (nodes.directory / f"{member}.out").read_bytes() == b"From: a@b\n\nhello exec\n"
        else:
            assert (nodes.directory / member / "incoming" / "a" / "b.bin").read_bytes() == pat(300)


@pytest.mark.parametrize(
    ("name", "minsize_bytes", "size_bytes"),
    # Go's padding falls 480 bytes short, and ends with the author's own node.
    [("area-file", 0, 1260), ("area-file-min-8k", 8192, 7712)],
)
def test_our_message_is_as_large_as_was_asked_for(name: str, minsize_bytes: int, size_bytes: int) -> None:
    texts = golden()["areas"]["news"]
    area = Hop(NodeId.parse(texts["id"]), decode_base32(texts["pub"], KEY_BYTES))
    alice = golden_keys("alice")
    sealer = OnionSealer(
        alice,
        hop_to(alice),
        (),
        PlainHeader(PacketType.FILE, 224, b"a/b.bin"),
        nice=224,
        rng=seeded("message"),
        minsize_bytes=minsize_bytes,
        area=area,
    )
    ours = bytes(sealer.feed(pat(300))) + sealer.finish()
    assert len(golden_bytes(name)) == size_bytes
    assert len(ours) == max(1260, minsize_bytes)


def test_a_golden_relayed_packet_comes_out_as_it_went_in(nodes: GoldenNodes) -> None:
    nodes.put(golden_bytes("trns-cmd"), sender="alice", at="carol")
    assert nodes.toss("carol") == DONE
    [job] = nodes.waiting("bob", at="carol")
    assert job.path.read_bytes() == golden_bytes("trns-inner")


def test_a_golden_acknowledgement_removes_what_it_names(nodes: GoldenNodes) -> None:
    [entry] = [one for one in golden()["packets"] if one["name"] == "ack"]
    named = PacketId(bytes.fromhex(entry["layers"][0]["path_hex"]))
    waiting = nodes.spools["bob"].layout.packet(nodes.id("alice"), Box.TX, named)
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(golden_bytes("bob-file"))
    nodes.put(golden_bytes("ack"), sender="alice", at="bob")
    assert nodes.toss("bob") == DONE
    assert not waiting.exists()
