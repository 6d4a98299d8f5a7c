"""Packets that come in: what is said to offers, what is written, and what becomes whole."""

import dataclasses
import errno
import os
import random
from pathlib import Path

import pytest

from gateway.carry.online.commit import Whole
from gateway.carry.online.parts import LISTED_COUNT, OPEN_COUNT, Answer, Parts, Wants
from gateway.carry.online.records import Records, Verdict
from gateway.carry.online.room import Room
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.link.events import Offered, Received
from gateway.packet.mth import mth
from gateway.spool.layout import Box
from tests.support.descriptors import open_files
from tests.support.online_sessions import Site


class Bench:
    """Parts of the node b, and what they told."""

    def __init__(
        self, home: Path, wants: Wants | None = None, disk: Disk | None = None, reserve: int = 0
    ) -> None:
        self.site = Site(home, "b", disk)
        self.rx = self.site.box(Box.RX)
        self.rx.mkdir(parents=True, exist_ok=True)
        self.wholes: list[Whole] = []
        self.failed: list[PacketId] = []
        self.room = Room(self.site.spool, reserve)
        self.parts = Parts(
            self.site.spool,
            self.site.peer.id,
            self.room,
            Records(self.site.office().log, self.site.peer, 255),
            wants or Wants(),
            self.wholes.append,
            self.failed.append,
        )

    def assess(self, packet: PacketId, size_bytes: int) -> Answer:
        (answer,) = self.parts.assess([Offered(packet, 96, size_bytes)])
        return answer

    def write(
        self, packet: PacketId, content: bytes, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> None:
        size_bytes = offset_bytes + len(content) if size_bytes is None else size_bytes
        self.parts.write(Received(packet, offset_bytes, memoryview(content), size_bytes))

    def put(self, name: str, content: bytes = b"") -> None:
        (self.rx / name).write_bytes(content)


def packet_of(content: bytes) -> PacketId:
    return PacketId(mth(content))


CONTENT = random.Random(1).randbytes(1000)
PACKET = packet_of(CONTENT)


def test_a_new_packet_is_asked_for_from_its_first_byte_and_hashed_as_it_comes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.assess(PACKET, 1000) == Answer(PACKET, Verdict.REQUEST, 0)
    bench.write(PACKET, CONTENT[:400], 0, 1000)
    bench.write(PACKET, CONTENT[400:], 400)
    path = bench.rx / f"{PACKET}.part"
    assert bench.wholes == [Whole(PACKET, path, 1000, CONTENT[:172], is_verified=True)]
    assert path.read_bytes() == CONTENT
    assert bench.failed == []


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        (f"{PACKET}", Verdict.HAVE),
        (f"seen/{PACKET}", Verdict.SEEN),
        (f"{PACKET}.nock", Verdict.UNCHECKED),
    ],
)
@pytest.mark.parametrize("crowd_count", [0, LISTED_COUNT])
def test_what_is_here_is_not_asked_for(tmp_path: Path, name: str, verdict: Verdict, crowd_count: int) -> None:
    bench = Bench(tmp_path)
    (bench.rx / "seen").mkdir()
    bench.put(name)
    crowd = [Offered(PacketId(os.urandom(32)), 96, 10) for _ in range(crowd_count)]
    answers = bench.parts.assess([Offered(PACKET, 96, 1000), *crowd])
    assert answers[0] == Answer(PACKET, verdict)
    assert all(answer.verdict is Verdict.REQUEST for answer in answers[1:])


def test_what_we_say_we_have_is_synced_before(tmp_path: Path) -> None:
    steps: list[str] = []
    bench = Bench(tmp_path, disk=Disk(is_syncing=False, hook=lambda step, _path: steps.append(step)))
    bench.put(PACKET.text)
    bench.assess(PACKET, 1000)
    assert steps == ["sync-directory"]


def test_what_can_not_be_synced_is_not_confirmed(tmp_path: Path) -> None:
    def hook(step: str, _path: Path) -> None:
        if step == "sync-directory":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    bench = Bench(tmp_path, disk=Disk(is_syncing=False, hook=hook))
    bench.put(PACKET.text)
    assert bench.parts.assess([Offered(PACKET, 96, 1000)]) == []


def test_a_part_is_resumed_and_left_to_be_verified(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(f"{PACKET}.part", CONTENT[:300])
    assert bench.assess(PACKET, 1000) == Answer(PACKET, Verdict.REQUEST, 300)
    bench.write(PACKET, CONTENT[300:], 300)
    (whole,) = bench.wholes
    assert not whole.is_verified
    assert whole.path.read_bytes() == CONTENT


def test_a_part_that_is_complete_needs_nothing_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(f"{PACKET}.part", CONTENT)
    assert bench.assess(PACKET, 1000) == Answer(PACKET, Verdict.UNCHECKED)
    (whole,) = bench.wholes
    assert not whole.is_verified


def test_a_part_that_is_too_long_is_removed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(f"{PACKET}.part", CONTENT + b"!")
    assert bench.assess(PACKET, 1000) == Answer(PACKET, Verdict.REQUEST, 0)
    assert list(bench.rx.iterdir()) == []


def test_a_listing_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Wants(is_listing=True))
    bench.put(f"{PACKET}.part", CONTENT + b"!")
    assert bench.assess(PACKET, 1000) == Answer(PACKET, Verdict.LIST, 0)
    assert (bench.rx / f"{PACKET}.part").exists()


def test_packets_that_are_not_wanted_are_only_listed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Wants(only=frozenset({PACKET})))
    assert bench.assess(PacketId(bytes(32)), 10).verdict is Verdict.LIST
    assert bench.assess(PACKET, 1000).verdict is Verdict.REQUEST


def test_without_verifying_nothing_is_hashed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Wants(is_nock=True))
    bench.assess(PACKET, 1000)
    bench.write(PACKET, bytes(1000))
    assert [whole.is_verified for whole in bench.wholes] == [False]


def test_a_wrong_hash_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.assess(PACKET, 1000)
    bench.write(PACKET, bytes(1000))
    assert bench.failed == [PACKET]
    assert bench.wholes == []
    assert list(bench.rx.iterdir()) == []


def test_a_packet_offered_twice_is_asked_for_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.assess(PACKET, 1000).verdict is Verdict.REQUEST
    assert bench.assess(PACKET, 1000).verdict is Verdict.UNCHECKED


def test_space_is_promised_once_and_given_back(tmp_path: Path) -> None:
    free_bytes = Site(tmp_path, "b").spool.free_bytes()
    bench = Bench(tmp_path, reserve=free_bytes // 2)
    other, third = PacketId(bytes(32)), PacketId(b"3" * 32)
    size_bytes = free_bytes // 3
    assert bench.assess(PACKET, size_bytes).verdict is Verdict.REQUEST
    assert bench.assess(other, size_bytes).verdict is Verdict.NO_SPACE
    bench.parts.close()
    assert bench.assess(third, size_bytes).verdict is Verdict.REQUEST


@pytest.mark.parametrize("step", ["open", "write"])
def test_a_packet_that_can_not_be_written_fails_alone_and_what_still_comes_of_it_is_dropped(
    tmp_path: Path, step: str
) -> None:
    def hook(name: str, path: Path) -> None:
        if name == step and path.name.startswith(PACKET.text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    bench = Bench(tmp_path, disk=Disk(is_syncing=False, hook=hook))
    other = packet_of(b"other")
    bench.assess(PACKET, 1000)
    bench.assess(other, 5)
    bench.write(PACKET, CONTENT[:400], 0, 1000)
    bench.write(PACKET, CONTENT[400:], 400)
    bench.write(other, b"other")
    assert bench.failed == [PACKET]
    assert [whole.packet for whole in bench.wholes] == [other]


def test_thousands_of_packets_begun_at_once_keep_few_files_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    contents = [os.urandom(20) for _ in range(4 * OPEN_COUNT)]
    packets = [packet_of(content) for content in contents]
    bench.parts.assess([Offered(packet, 96, 20) for packet in packets])
    for packet, content in zip(packets, contents, strict=True):
        bench.write(packet, content[:10], 0, 20)
    assert open_files(bench.rx).total() == OPEN_COUNT
    for packet, content in zip(packets, contents, strict=True):
        bench.write(packet, content[10:], 10)
    assert {whole.packet for whole in bench.wholes} == set(packets)
    assert all(whole.path.read_bytes() in contents for whole in bench.wholes)


def test_a_part_that_is_a_link_is_a_fault(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (bench.rx / f"{PACKET}.part").symlink_to(tmp_path / "target")
    assert bench.assess(PACKET, 1000) == Answer(PACKET, Verdict.FAULT)


def test_small_packets_have_no_header_to_copy(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    packet = packet_of(b"tiny")
    bench.assess(packet, 4)
    bench.write(packet, b"tiny")
    (whole,) = bench.wholes
    assert whole.header is None
    assert dataclasses.replace(whole, is_verified=False).target.name == f"{packet}.nock"
