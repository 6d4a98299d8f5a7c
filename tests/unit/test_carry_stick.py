"""The directory that packets travel in, whoever wrote to it."""

import os
import tempfile
from pathlib import Path

import pytest

from gateway.carry.stick import NotRegular, Stick, read_pieces
from gateway.durable import Disk, free_bytes
from gateway.errors import GatewayError, StoreError
from gateway.ids import NodeId, PacketId
from tests.support.tossing import Pair

LARGE_BYTES = 5 * 1024**3


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    (tmp_path / "stick").mkdir()
    return Stick(tmp_path / "stick", Disk(is_syncing=False))


def lay(stick: Stick, pair: Pair, content: bytes | None = None, name: str | None = None) -> Path:
    packet = pair.send("x", b"body")
    path = stick.recipient(pair.id("b")) / pair.id("a").text / (name or packet.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packet.read_bytes() if content is None else content)
    return path


def test_a_packet_is_found_with_its_header(stick: Stick, pair: Pair) -> None:
    path = lay(stick, pair)
    assert stick.senders(pair.id("b")) == [pair.id("a")]
    [carried] = stick.packets(pair.id("b"), pair.id("a"))
    assert (carried.path, carried.packet.text) == (path, path.name)
    assert (carried.size_bytes, carried.header.sender) == (path.stat().st_size, pair.id("a"))
    assert path.read_bytes().startswith(carried.raw_header)


def test_what_is_missing_is_empty(stick: Stick, pair: Pair) -> None:
    assert stick.senders(pair.id("b")) == []
    assert list(stick.packets(pair.id("b"), pair.id("a"))) == []


@pytest.mark.parametrize("name", ["x", "seen", "A" * 51, "A" * 53, "a" * 52, "1" * 52, "nncpxfer0", ".."])
def test_other_names_are_not_looked_at(stick: Stick, pair: Pair, name: str) -> None:
    packet = lay(stick, pair)
    if name != "..":
        packet.rename(packet.with_name(name))
        (stick.recipient(pair.id("b")) / name).mkdir()
    else:
        packet.unlink()
    assert list(stick.packets(pair.id("b"), pair.id("a"))) == []
    assert stick.senders(pair.id("b")) == [pair.id("a")]


def test_a_name_that_is_not_the_canonical_spelling_is_not_looked_at(stick: Stick, pair: Pair) -> None:
    other = PacketId(bytes(32)).text[:-1] + "B"
    assert PacketId.parse(other) == PacketId(bytes(32))
    lay(stick, pair, name=other)
    assert list(stick.packets(pair.id("b"), pair.id("a"))) == []


def test_what_is_no_regular_file_is_told_and_passed_over(stick: Stick, pair: Pair, tmp_path: Path) -> None:
    packet = lay(stick, pair)
    names = [PacketId(bytes([number]) * 32).text for number in range(4)]
    real = packet.rename(tmp_path / "real")
    packet.parent.joinpath(names[0]).symlink_to(real)
    packet.parent.joinpath(names[1]).mkdir()
    os.mkfifo(packet.parent / names[2])
    packet.parent.joinpath(names[3]).symlink_to("nowhere")
    told: list[tuple[str, GatewayError]] = []
    found = list(
        stick.packets(pair.id("b"), pair.id("a"), lambda path, error: told.append((path.name, error)))
    )
    assert found == []
    assert sorted(name for name, _ in told) == sorted(names)
    assert all(isinstance(error, NotRegular) for _, error in told)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 500])
def test_what_is_no_packet_is_told(stick: Stick, pair: Pair, content: bytes) -> None:
    path = lay(stick, pair, content)
    told: list[Path] = []
    assert list(stick.packets(pair.id("b"), pair.id("a"), lambda path, _error: told.append(path))) == []
    assert told == [path]


@pytest.mark.parametrize("is_sender", [True, False])
def test_no_directory_is_entered_through_a_symbolic_link(
    stick: Stick, pair: Pair, tmp_path: Path, *, is_sender: bool
) -> None:
    directory = lay(stick, pair).parent if is_sender else lay(stick, pair).parent.parent
    moved = directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(moved)
    if is_sender:
        assert stick.senders(pair.id("b")) == []
    with pytest.raises(StoreError, match=directory.name):
        list(stick.packets(pair.id("b"), pair.id("a")) if is_sender else stick.senders(pair.id("b")))


class TestSending:
    def test_a_packet_is_put_whole_and_a_stale_part_goes(self, stick: Stick, pair: Pair) -> None:
        a, b = pair.id("a"), pair.id("b")
        assert not stick.is_ready_for(b)
        stick.make_ready_for(b)
        assert stick.is_ready_for(b)
        outbox, packet = stick.open_outbox(b, a), PacketId(bytes(32))
        (outbox / f"{packet}.part").write_bytes(b"stale")
        stick.put(outbox, packet, 12, iter([memoryview(b"whole "), memoryview(b"packet")]))
        assert {path.name: path.read_bytes() for path in outbox.iterdir()} == {packet.text: b"whole packet"}

    def test_no_size_is_refused_that_the_file_system_can_hold(self) -> None:
        memory = Path("/dev/shm")  # noqa: S108 -- a directory of its own is made there
        if not memory.is_dir():
            pytest.skip("no file system in memory here")
        # The C library says that files in it have less than 4 GiB.
        with tempfile.TemporaryDirectory(dir=memory) as name:
            outbox = Path(name)
            if free_bytes(outbox) <= LARGE_BYTES:
                pytest.skip(f"{memory} is too small")
            Stick(outbox, Disk(is_syncing=False)).put(
                outbox, PacketId(bytes(32)), LARGE_BYTES, iter([memoryview(b"begin")])
            )
            assert [path.read_bytes() for path in outbox.iterdir()] == [b"begin"]

    def test_a_source_that_fails_leaves_nothing(self, stick: Stick, pair: Pair) -> None:
        stick.make_ready_for(pair.id("b"))
        outbox = stick.open_outbox(pair.id("b"), pair.id("a"))
        with pytest.raises(StoreError):
            stick.put(outbox, PacketId(bytes(32)), 1, read_pieces(outbox / "missing"))
        assert list(outbox.iterdir()) == []

    def test_without_the_stick_no_directory_is_made(self, pair: Pair, tmp_path: Path) -> None:
        stick = Stick(tmp_path / "not mounted", Disk(is_syncing=False))
        with pytest.raises(StoreError, match="not mounted"):
            stick.make_ready_for(pair.id("b"))
        assert not stick.root.exists()

    def test_a_link_or_a_file_where_a_directory_belongs_is_refused(
        self, stick: Stick, pair: Pair, tmp_path: Path
    ) -> None:
        a, b, c = pair.id("a"), pair.id("b"), NodeId(bytes(32))
        stick.recipient(c).write_bytes(b"")
        with pytest.raises(StoreError, match="not a directory"):
            stick.is_ready_for(c)
        stick.make_ready_for(b)
        (stick.recipient(b) / a.text).symlink_to(tmp_path)
        with pytest.raises(StoreError, match="symbolic link"):
            stick.open_outbox(b, a)


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = os.urandom(2_500_000)
    path.write_bytes(content)
    assert b"".join(bytes(piece) for piece in read_pieces(path)) == content
