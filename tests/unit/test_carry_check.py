"""Packets that are what their names say, packets that are not, and ``.nock`` files."""

from pathlib import Path

import pytest

from gateway.carry.check import Checker, CheckResult
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.spool.layout import Box, header_path
from gateway.spool.store import Spool
from tests.support.tossing import Pair


class Site(Pair):
    """b, with a packet from a in rx and one for a in tx."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.rx = self.send("x", b"received" * 50_000)
        tx = self.send("x", b"sent")
        self.tx = self.spools["b"].layout.packet(self.id("a"), Box.TX, PacketId.parse(tx.name))
        self.tx.parent.mkdir(parents=True)
        tx.rename(self.tx)

    def checker(self, disk: Disk | None = None) -> Checker:
        spool = self.spools["b"] if disk is None else Spool(self.spools["b"].root, disk)
        return Checker(self.books["b"], spool, self.log())

    def make_nock(self) -> Path:
        return self.rx.rename(self.rx.with_name(f"{self.rx.name}.nock"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_good_packets_are_counted_and_not_logged(site: Site) -> None:
    assert site.checker().check() == CheckResult(good_count=2)
    assert site.log_text() == ""


@pytest.mark.parametrize("box", ["rx", "tx"])
def test_a_changed_packet_is_told_and_stays(site: Site, box: str) -> None:
    packet = site.rx if box == "rx" else site.tx
    packet.write_bytes(packet.read_bytes() + b"x")
    assert site.checker().check() == CheckResult(good_count=1, bad_count=1)
    assert packet.exists()
    assert site.log_text().split("\n", 2)[2] == (
        f"Err: bad\nWho: checking\nXX: {box}\nNode: {site.id('a')}\nPkt: {packet.name}\n"
        f"FullSize: {packet.stat().st_size}\nMsg: Checking: {site.id('a')}/{box}/{packet.name}\n"
    )


@pytest.mark.parametrize("content", [b"", b"garbage", b"x" * 500])
def test_what_is_no_packet_is_bad(site: Site, content: bytes) -> None:
    site.rx.write_bytes(content)
    assert site.checker().check() == CheckResult(good_count=1, bad_count=1)


def test_a_link_with_a_packets_name_is_bad(site: Site, tmp_path: Path) -> None:
    site.rx.symlink_to(site.rx.rename(tmp_path / "elsewhere"))
    assert site.checker().check().bad_count == 1


def test_only_the_named_neighbour_is_checked(site: Site) -> None:
    assert site.checker().check({site.id("b")}) == CheckResult()
    assert site.checker().check({site.id("a")}) == CheckResult(good_count=2)


class TestNock:
    def test_a_good_one_becomes_a_packet(self, site: Site) -> None:
        content = site.rx.read_bytes()
        nock = site.make_nock()
        assert site.checker().take_nocks() == CheckResult(good_count=1)
        assert not nock.exists()
        assert site.rx.read_bytes() == content
        assert header_path(site.rx).read_bytes() == content[:172]
        assert site.checker().take_nocks() == CheckResult()

    def test_a_bad_one_is_told_and_stays_and_the_others_are_taken(self, site: Site) -> None:
        nock = site.make_nock()
        bad = nock.with_name(PacketId(b"z" * 32).text + ".nock")
        bad.write_bytes(nock.read_bytes())
        assert site.checker().take_nocks() == CheckResult(good_count=1, bad_count=1)
        assert bad.exists()
        assert not bad.with_suffix("").exists()
        assert f"Pkt: {bad.stem}\n" in site.log_text()
        assert site.rx.exists()

    def test_garbage_is_told_and_stays(self, site: Site) -> None:
        nock = site.make_nock()
        nock.write_bytes(b"garbage")
        assert site.checker().take_nocks() == CheckResult(bad_count=1)
        assert nock.exists()

    def test_it_is_no_matter_of_an_ordinary_check(self, site: Site) -> None:
        site.make_nock().write_bytes(b"garbage")
        assert site.checker().check() == CheckResult(good_count=1)

    def test_its_content_is_synced_before_it_has_the_name(self, site: Site) -> None:
        nock = site.make_nock()
        steps: list[tuple[str, str]] = []
        disk = Disk(is_syncing=False, hook=lambda step, path: steps.append((step, path.name)))
        site.checker(disk).take_nocks()
        assert steps[:3] == [("sync", nock.name), ("rename", site.rx.name), ("sync-directory", "rx")]
