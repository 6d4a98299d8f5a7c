"""Both halves of the exchange through a directory."""

import os
from pathlib import Path

import pytest

from gateway.carry.xfer import Xfer, XferResult, XferSettings
from gateway.ids import PacketId
from gateway.spool.layout import Box, LockKind
from tests.support.tossing import Pair


class Site(Pair):
    """a, b and c with a stick."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "c")
        self.stick = directory / "stick"
        self.stick.mkdir()

    def queue(self, body: bytes = b"body", to: str = "b", **fields: object) -> Path:
        """Queue a packet at a; returns it there."""
        rx = self.send("x", body, to=to, **fields)
        rx.unlink()
        return self.spools["a"].layout.box(self.id(to), Box.TX) / rx.name

    def xfer(self, at: str, **settings: object) -> XferResult:
        chosen = XferSettings(**settings)  # type: ignore[arg-type]
        return Xfer(self.books[at], self.spools[at], self.log(at), self.stick, chosen).run_once()

    def place(self, packet: Path, to: str = "b", sender: str = "a") -> Path:
        """Where a packet lies on the stick."""
        return self.stick / self.id(to).text / self.id(sender).text / packet.name

    def lay(self, **fields: object) -> Path:
        """Put a packet from a for b on the stick; returns it there."""
        packet = self.queue(**fields)  # type: ignore[arg-type]
        self.xfer("a", is_making_directories=True)
        return self.place(packet)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_packet_travels_from_tx_to_rx(site: Site) -> None:
    packet = site.queue()
    content = packet.read_bytes()
    assert site.xfer("a", is_making_directories=True) == XferResult(sent_count=1)
    assert site.place(packet).read_bytes() == content
    assert not packet.exists()
    assert not (packet.parent / "hdr" / packet.name).exists()
    assert site.xfer("b") == XferResult(received_count=1)
    [job] = site.received()
    assert (job.packet.text, job.path.read_bytes()) == (packet.name, content)
    assert not site.place(packet).exists()


def test_what_is_logged(site: Site) -> None:
    packet = site.queue()
    size = packet.stat().st_size
    site.xfer("a", is_making_directories=True)
    site.xfer("b")
    assert site.log_text("a").split("\n", 2)[2] == (
        f"Who: xfer-tx\nXX: tx\nNode: {site.id('b')}\nPkt: {packet.name}\nSize: {size}\n"
        f"Msg: Packet transfer, sent to b: {packet.name} ({size} B)\n"
    )
    place = site.place(packet)
    assert site.log_text("b").split("\n", 2)[2] == (
        f"Who: xfer-rx\nXX: rx\nDir: {place.parent.parent}\nNode: {site.id('a')}\nFile: {place}\n"
        f"Size: {size}\n"
        f"Msg: Packet transfer, received from a: {place} ({size} B)\n"
    )


class TestReceiving:
    def test_a_changed_packet_is_refused_and_stays_on_the_stick(self, site: Site) -> None:
        for offset in (50, 200, -1):
            place = site.lay()
            content = bytearray(place.read_bytes())
            content[offset] ^= 1
            place.write_bytes(content)
            assert site.xfer("b") == XferResult(bad_count=1)
            assert place.exists()
            assert site.received() == []
            assert f"{place}" in site.log_text("b")
            assert "checksum mismatch" in site.log_text("b")
            place.unlink()
        assert list((site.spools["b"].root / "tmp").iterdir()) == []

    @pytest.mark.parametrize("size_bytes", [0, 100, 172, 480])
    def test_a_packet_that_was_copied_in_part_is_refused(self, site: Site, size_bytes: int) -> None:
        place = site.lay()
        place.write_bytes(place.read_bytes()[:size_bytes])
        assert site.xfer("b") == XferResult(bad_count=1)
        assert place.exists()
        assert site.received() == []

    def test_a_packet_that_was_seen_is_removed_and_not_received(self, site: Site) -> None:
        place = site.lay()
        packet = site.spools["b"].layout.seen(site.id("a"), PacketId.parse(place.name))
        packet.parent.mkdir(parents=True)
        packet.touch()
        assert site.xfer("b", is_keeping=True) == XferResult()
        assert place.exists()
        assert site.xfer("b") == XferResult()
        assert not place.exists()
        assert "packet already seen" in site.log_text("b")

    def test_with_keep_the_packet_stays_on_the_stick(self, site: Site) -> None:
        place = site.lay()
        assert site.xfer("b", is_keeping=True) == XferResult(received_count=1)
        assert place.exists()

    @pytest.mark.parametrize(
        ("settings", "count"), [({"nice": 49}, 0), ({"nice": 50}, 1), ({"is_receiving": False}, 0)]
    )
    def test_what_is_not_wanted_stays_on_the_stick(
        self, site: Site, settings: dict[str, object], count: int
    ) -> None:
        place = site.lay(nice=50)
        assert site.xfer("b", **settings).received_count == count
        assert place.exists() is (count == 0)

    def test_only_the_named_neighbours_are_received_from(self, site: Site) -> None:
        place = site.lay()
        assert site.xfer("b", only={site.id("c")}) == XferResult()
        assert place.exists()
        assert site.xfer("b", only={site.id("a")}) == XferResult(received_count=1)

    def test_packets_of_an_unknown_node_are_left(self, site: Site) -> None:
        place = site.lay()
        unknown = place.parent.rename(place.parent.with_name("A" * 52))
        assert site.xfer("b") == XferResult()
        assert (unknown / place.name).exists()

    def test_a_link_with_a_packets_name_is_ignored(self, site: Site, tmp_path: Path) -> None:
        place = site.lay()
        place.symlink_to(place.rename(tmp_path / "elsewhere"))
        assert site.xfer("b") == XferResult()
        assert site.received() == []
        assert "not a regular file: ignored" in site.log_text("b")

    def test_what_is_in_rx_already_is_written_anew(self, site: Site) -> None:
        place = site.lay()
        site.xfer("b", is_keeping=True)
        [job] = site.received()
        job.path.write_bytes(job.path.read_bytes()[:300])
        site.xfer("b")
        assert job.path.read_bytes() != b""
        assert job.path.stat().st_size == job.size_bytes
        assert not place.exists()


class TestSending:
    def test_without_a_directory_for_the_recipient_nothing_is_sent(self, site: Site) -> None:
        packet = site.queue()
        assert site.xfer("a") == XferResult()
        assert packet.exists()
        assert list(site.stick.iterdir()) == []

    def test_the_senders_own_directory_is_made_even_for_nothing(self, site: Site) -> None:
        site.xfer("a", is_making_directories=True)
        found = {path.relative_to(site.stick) for path in site.stick.rglob("*/*")}
        assert found == {Path(site.id(name).text, site.id("a").text) for name in ("a", "b", "c")}

    def test_a_directory_of_the_recipient_is_enough(self, site: Site) -> None:
        packet = site.queue()
        (site.stick / site.id("b").text).mkdir()
        assert site.xfer("a") == XferResult(sent_count=1)
        assert site.place(packet).exists()

    def test_what_lies_there_already_is_not_touched(self, site: Site) -> None:
        packet = site.queue()
        content = b"x" * packet.stat().st_size
        site.place(packet).parent.mkdir(parents=True)
        site.place(packet).write_bytes(content)
        assert site.xfer("a") == XferResult()
        assert packet.exists()
        assert site.place(packet).read_bytes() == content

    @pytest.mark.parametrize("content", [b"", b"a part"])
    def test_what_a_pulled_out_stick_has_lost_a_part_of_is_written_anew(
        self, site: Site, content: bytes
    ) -> None:
        packet = site.queue()
        whole = packet.read_bytes()
        site.place(packet).parent.mkdir(parents=True)
        site.place(packet).write_bytes(content)
        assert site.xfer("a") == XferResult(sent_count=1)
        assert site.place(packet).read_bytes() == whole
        assert not packet.exists()

    def test_what_a_copy_that_was_cut_left_behind_is_swept_away(self, site: Site) -> None:
        outbox = site.lay().parent
        left = outbox / "nncpxfer0123"
        left.write_bytes(b"half a packet")
        other = outbox / "somebody's file"
        other.write_bytes(b"")
        site.xfer("a")
        assert not left.exists()
        assert other.exists()

    def test_with_keep_the_packet_stays_in_tx(self, site: Site) -> None:
        packet = site.queue()
        assert site.xfer("a", is_making_directories=True, is_keeping=True) == XferResult(sent_count=1)
        assert packet.exists()
        assert site.place(packet).exists()

    @pytest.mark.parametrize(
        ("settings", "count"), [({"nice": 49}, 0), ({"nice": 50}, 1), ({"is_sending": False}, 0)]
    )
    def test_what_is_not_wanted_stays_in_tx(
        self, site: Site, settings: dict[str, object], count: int
    ) -> None:
        packet = site.queue(nice=50)
        assert site.xfer("a", is_making_directories=True, **settings).sent_count == count
        assert packet.exists() is (count == 0)

    def test_only_the_named_neighbours_are_sent_to(self, site: Site) -> None:
        packet, other = site.queue(), site.queue(to="c")
        assert site.xfer("a", is_making_directories=True, only={site.id("c")}).sent_count == 1
        assert packet.exists()
        assert not other.exists()

    def test_a_neighbour_whose_call_runs_is_passed_over(self, site: Site) -> None:
        packet = site.queue()
        with site.spools["a"].lock(site.id("b"), LockKind.TX):
            assert site.xfer("a", is_making_directories=True) == XferResult()
        assert packet.exists()
        assert "Who: lockdir-flock" in site.log_text("a")

    def test_the_most_urgent_go_first_and_the_small_before_the_large(self, site: Site) -> None:
        queued = [
            site.queue(os.urandom(size_bytes), nice=nice)
            for nice, size_bytes in [(200, 10), (10, 9000), (100, 5000), (10, 100), (100, 10)]
        ]
        site.xfer("a", is_making_directories=True)
        lines = [line for line in site.log_text("a").split("\n") if line.startswith("Pkt: ")]
        order = [queued[index].name for index in (3, 1, 4, 2, 0)]
        assert [line.removeprefix("Pkt: ") for line in lines] == order


def test_a_stick_that_is_not_there_is_told_and_no_error(site: Site) -> None:
    site.stick.rmdir()
    assert site.xfer("a") == XferResult()
    assert f"there is no directory {site.stick}" in site.log_text("a")


def test_a_stick_that_is_a_file_is_an_error(site: Site) -> None:
    site.stick.rmdir()
    site.stick.write_bytes(b"")
    assert site.xfer("a").bad_count == 4
    assert "Who: xfer-self-stat" in site.log_text("a")
