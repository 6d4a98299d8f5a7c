"""Files of earlier sessions become packets when their hash is right, and are removed when it is wrong."""

import asyncio
import os
from pathlib import Path

import pytest

from gateway.carry.online.records import Records
from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.ids import PacketId
from gateway.packet.mth import mth
from gateway.spool.layout import Box
from tests.support.online_sessions import Site
from tests.support.spools import make_packet

Told = list[tuple[PacketId, bool]]


def lay(site: Site, content: bytes, packet: PacketId | None = None) -> PacketId:
    """Lay a file that nobody verified into a node's rx; under its true name, if no other is given."""
    packet = packet or PacketId(mth(content))
    site.box(Box.RX).mkdir(parents=True, exist_ok=True)
    (site.box(Box.RX) / f"{packet}.nock").write_bytes(content)
    return packet


def verify(site: Site, *packets: PacketId) -> Told:
    """Verify these, or all there are; returns what was told."""
    told: Told = []

    async def story() -> None:
        async with site.office() as office:
            records = Records(office.log, site.peer, 255)

            def note(packet: PacketId, is_good: bool) -> None:  # noqa: FBT001 - what the verifier calls
                told.append((packet, is_good))

            for packet in packets:
                office.verifier.put(site.peer, packet, records, note)
            if not packets:
                office.verifier.put_all(site.peer, records, note)

    asyncio.run(story())
    return told


def test_a_good_file_is_synced_before_it_has_its_name_and_told_after_that(tmp_path: Path) -> None:
    steps: list[str] = []
    b = Site(
        tmp_path, "b", Disk(is_syncing=False, hook=lambda step, path: steps.append(f"{step} {path.name}"))
    )
    content = make_packet(96, os.urandom(300_000))
    packet = lay(b, content)
    assert verify(b) == [(packet, True)]
    assert steps[:3] == [f"sync {packet}.nock", f"rename {packet}", "sync-directory rx"]
    assert (b.box(Box.RX) / packet.text).read_bytes() == content
    assert (b.box(Box.RX) / "hdr" / packet.text).read_bytes() == content[:172]
    assert b.events() == ["sp-checker-done"]


def test_a_bad_file_is_removed_told_and_logged_with_the_reason(tmp_path: Path) -> None:
    b = Site(tmp_path, "b")
    packet = lay(b, make_packet(), PacketId(b"x" * 32))
    assert verify(b) == [(packet, False)]
    assert b.names(Box.RX) == set()
    assert "Err: the hash is wrong; it is removed\n" in b.log_text()


def test_a_file_without_a_header_is_kept_without_a_copy_of_one(tmp_path: Path) -> None:
    b = Site(tmp_path, "b")
    packet = lay(b, b"short")
    assert verify(b) == [(packet, True)]
    assert not (b.box(Box.RX) / "hdr").exists()


def test_a_file_that_somebody_else_verified_meanwhile_is_passed_over(tmp_path: Path) -> None:
    b = Site(tmp_path, "b")
    gone, good = PacketId(b"g" * 32), lay(b, b"good")
    assert verify(b, gone, good) == [(good, True)]
    assert b.events() == ["sp-checker-done"]


def test_a_neighbour_from_whom_nothing_ever_came_has_nothing_to_verify(tmp_path: Path) -> None:
    b = Site(tmp_path, "b")
    assert verify(b) == []
    assert b.events() == []


@pytest.mark.parametrize("step", ["sync", "rename", "sync-directory"])
def test_a_disk_that_refuses_leaves_one_file_unverified_and_the_others_not(tmp_path: Path, step: str) -> None:
    first, second = sorted((b"one", b"two"), key=lambda content: PacketId(mth(content)).text)
    refused: list[str] = []

    def hook(name: str, _path: Path) -> None:
        if name == step and not refused:
            refused.append(name)
            raise OSError(5, "no")

    b = Site(tmp_path, "b", Disk(is_syncing=False, hook=hook))
    lay(b, first)
    assert verify(b) == []
    good = lay(b, second)
    assert (good, True) in verify(b)
    # What was not told is found by the next session, under either name.
    assert b.names(Box.RX) <= {PacketId(mth(first)).text, good.text}


@pytest.mark.parametrize("is_bug", [False, True])
def test_whatever_becomes_of_one_file_the_next_is_verified(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_bug: bool
) -> None:
    def hook(step: str, path: Path) -> None:
        if is_bug and step == "sync" and path.name.startswith(first.text):
            raise KeyError("a bug")

    b = Site(tmp_path, "b", Disk(is_syncing=False, hook=hook))
    contents = sorted((b"one", b"two"), key=lambda content: PacketId(mth(content)).text)
    first, second = (lay(b, content) for content in contents)
    told = verify(b)
    assert (second, True) in told
    assert ((first, True) in told) is not is_bug
    assert ("a fault of this program" in caplog.text) is is_bug


def test_verifying_goes_on_when_one_file_can_not_be_read(tmp_path: Path) -> None:
    async def story() -> None:
        b = Site(tmp_path, "b")
        b.box(Box.RX).mkdir(parents=True)
        directory = PacketId(b"d" * 32)
        (b.box(Box.RX) / f"{directory}.nock").mkdir()
        bad = PacketId(b"b" * 32)
        (b.box(Box.RX) / f"{bad}.nock").write_bytes(os.urandom(10))
        (b.box(Box.RX) / "nonsense.nock").write_bytes(b"")
        told: list[tuple[PacketId, bool]] = []
        async with b.office() as office:
            records = Records(office.log, b.peer, 255)
            office.verifier.put_all(b.peer, records, lambda packet, is_good: told.append((packet, is_good)))
        assert told == [(bad, False)]
        assert (b.box(Box.RX) / f"{directory}.nock").exists()
        assert not (b.box(Box.RX) / f"{bad}.nock").exists()
        assert b.events() == ["sp-checker", "sp-checker"]

    asyncio.run(story())


def test_a_hurried_end_leaves_what_is_not_verified(tmp_path: Path) -> None:
    b = Site(tmp_path, "b")
    b.box(Box.RX).mkdir(parents=True)
    names = {f"{PacketId(bytes([number]) * 32)}.nock" for number in range(50)}
    for name in names:
        (b.box(Box.RX) / name).write_bytes(bytes(2_000_000))

    async def story() -> None:
        async with b.office() as office:
            records = Records(office.log, b.peer, 255)
            office.verifier.put_all(b.peer, records, lambda _packet, _is_good: None)
            raise StoreError("the session broke off")

    with pytest.raises(StoreError, match="broke off"):
        asyncio.run(story())
    assert b.names(Box.RX) & names
