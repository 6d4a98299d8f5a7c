"""Bundles while the program is stopped or the disk refuses, at any step."""

import errno
import os
from pathlib import Path

import pytest

from gateway.carry.bundle_purposes import Confirm, ReadSettings, Receive
from gateway.carry.bundle_reception import BundleReception
from gateway.carry.bundle_sender import BundleSender, SendSettings
from gateway.durable import Disk
from gateway.errors import GatewayError
from gateway.spool.store import Spool
from tests.support.bundles import read
from tests.support.crash import run_until_step
from tests.support.tossing import Pair, failing_disk, files_below, packets_below

STEP_LIMIT = 100
PIECE_BYTES = 50_000


class Site(Pair):
    """Two packets of a for b, and the bundle of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.sent = directory / "bundle"
        for body in (b"small", os.urandom(200_000)):
            self.send("x", body).unlink()
        self.names = packets_below(self.spools["a"].root)
        with self.sent.open("wb") as out:
            self.sender(self.spools["a"], SendSettings()).run_once(
                [self.books["a"].nodes["b"]], out.write, lambda: None
            )

    def sender(self, spool: Spool, settings: SendSettings) -> BundleSender:
        return BundleSender(self.id("a"), spool, self.log("a"), settings)

    def send_and_delete(self, disk: Disk) -> None:
        """Write the bundle anew, and remove what is in it."""
        spool = Spool(self.spools["a"].root, disk)
        with self.sent.open("wb", buffering=0) as out:
            sender = self.sender(spool, SendSettings(is_deleting=True))
            sender.run_once([self.books["a"].nodes["b"]], out.write, lambda: None)

    def receive(self, disk: Disk | None = None) -> int:
        spool = self.spools["b"] if disk is None else Spool(self.spools["b"].root, disk)
        purpose = Receive(self.books["b"], spool, self.log("b"), ReadSettings())
        return BundleReception(purpose, self.log("b")).run_once(self.pieces()).bad_count

    def confirm(self, disk: Disk) -> None:
        purpose = Confirm(Spool(self.spools["a"].root, disk), self.log("a"), ReadSettings())
        BundleReception(purpose, self.log("a")).run_once(self.pieces())

    def pieces(self) -> list[bytes]:
        stream = self.sent.read_bytes()
        return [stream[at : at + PIECE_BYTES] for at in range(0, len(stream), PIECE_BYTES)]

    def in_bundle(self) -> set[str]:
        """The whole packets in the bundle; it may end within one."""
        try:
            return {packet.text for packet, _ in read(self.sent.read_bytes())[0]}
        except GatewayError:
            return set()


def test_after_a_stop_while_receiving_the_next_run_takes_what_is_left(tmp_path: Path) -> None:
    """After kill -9 at any step each packet is in rx whole or not at all, and the next run ends the work."""
    for step in range(STEP_LIMIT):
        site = Site(tmp_path / str(step))

        def work(disk: Disk, site: Site = site) -> None:
            site.receive(disk)

        was_stopped, _ = run_until_step(step, work)
        assert packets_below(site.spools["b"].root) <= site.names
        assert site.receive() == 0
        assert {job.packet.text for job in site.received()} == site.names
        if not was_stopped:
            break
    else:
        raise AssertionError("receiving never came to its end")
    assert step > 10


@pytest.mark.parametrize("half", ["send_and_delete", "confirm"])
def test_after_a_stop_while_deleting_every_packet_is_in_the_bundle_or_in_tx(
    tmp_path: Path, half: str
) -> None:
    """A packet leaves tx only when it stands whole in the bundle."""
    for step in range(STEP_LIMIT):
        site = Site(tmp_path / str(step))

        def work(disk: Disk, site: Site = site) -> None:
            getattr(site, half)(disk)

        was_stopped, _ = run_until_step(step, work)
        left = packets_below(site.spools["a"].root)
        assert left | site.in_bundle() == site.names
        if not was_stopped:
            assert left == set()
            break
    else:
        raise AssertionError("deleting never came to its end")
    assert step > 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_refusal_at_any_step_loses_nothing(tmp_path: Path, number: int) -> None:
    """A full or failing disk is told, leaves no half packet, and the next run ends the work."""
    for step in range(STEP_LIMIT):
        site = Site(tmp_path / str(step))
        disk, steps = failing_disk(step, number)
        bad_count = site.receive(disk)
        assert packets_below(site.spools["b"].root) <= site.names
        if len(steps) <= step:
            assert bad_count == 0
            break
        if bad_count:
            assert "made to fail" in site.log_text("b")
        assert not [path for path in files_below(site.spools["b"].root / "tmp") if path.stat().st_size > 172]
        assert site.receive() == 0
        assert {job.packet.text for job in site.received()} == site.names
    else:
        raise AssertionError("receiving never came to its end")


def test_a_spool_without_room_takes_what_fits_and_says_what_did_not(tmp_path: Path) -> None:
    """Packets that do not fit are told once and counted; the next ones are still received."""
    site = Site(tmp_path)
    for _ in range(2):
        site.send("x", os.urandom(300_000)).unlink()
    with site.sent.open("wb") as out:
        site.sender(site.spools["a"], SendSettings()).run_once(
            [site.books["a"].nodes["b"]], out.write, lambda: None
        )

    def hook(step: str, path: Path) -> None:
        if step == "write" and path.stat().st_size > PIECE_BYTES:
            raise OSError(errno.ENOSPC, "made to fail", str(path))

    assert site.receive(Disk(is_syncing=False, hook=hook)) == 3
    assert len(site.received()) == 1
    assert site.log_text("b").count("Err: ") == 1
    assert "3 packets" in site.log_text("b")
    assert files_below(site.spools["b"].root / "tmp") == []
