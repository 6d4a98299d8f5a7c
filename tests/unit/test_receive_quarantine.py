"""What can never be read is kept once, with a record, up to a limit."""

from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadBatch, StoreFull
from gateway.msgqueue.payload import Payload
from gateway.receive.quarantine import Quarantine, Source
from tests.support.messages import NODE_A, NODE_C
from tests.support.received import PACKET

DISK = Disk(is_syncing=False)
SOURCE = Source(NODE_A, "alice", PACKET, "sendmail", (b"bob@b.test", b"\xff\nx"))
WHY = BadBatch("'HELLO' is not a command of a batch,\r\nafter 0 messages")


def keep(directory: Path, content: bytes, source: Source = SOURCE, limit_bytes: int = 1000) -> str:
    with Payload(DISK, directory) as payload:
        payload.fill([content], 1 << 20, lambda _: None)
        made = Quarantine(directory / "quarantine", directory, DISK, limit_bytes)
        return made.keep(payload, source, WHY, 86_400.0)


def test_payload_and_record_stand_side_by_side(tmp_path: Path) -> None:
    name = keep(tmp_path, b"junk")
    assert (tmp_path / f"quarantine/{name}.batch").read_bytes() == b"junk"
    assert (tmp_path / f"quarantine/{name}.txt").read_text() == (
        "Date: Fri, 02 Jan 1970 00:00:00 +0000\n"
        "Node: alice\n"
        f"Node-Id: {NODE_A.text}\n"
        f"Packet: {PACKET.text}\n"
        "Handle: sendmail\n"
        "Arguments: 'bob@b.test' '\\\\xff\\nx'\n"
        "Size: 4\n"
        "Status: 5.6.0\n"
        "Why: 'HELLO' is not a command of a batch, after 0 messages\n"
    )


def test_the_same_payload_is_kept_once(tmp_path: Path) -> None:
    assert keep(tmp_path, b"junk") == keep(tmp_path, b"junk")
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


def test_another_sender_or_argument_is_another_case(tmp_path: Path) -> None:
    other_node = Source(NODE_C, "carol", PACKET, "sendmail", SOURCE.args)
    other_args = Source(NODE_A, "alice", PACKET, "sendmail", ())
    assert len({keep(tmp_path, b"junk", source) for source in (SOURCE, other_node, other_args)}) == 3


def test_a_missing_record_is_written_again(tmp_path: Path) -> None:
    name = keep(tmp_path, b"junk")
    record = tmp_path / f"quarantine/{name}.txt"
    text = record.read_text()
    record.unlink()
    keep(tmp_path, b"junk")
    assert record.read_text() == text


def test_a_full_quarantine_keeps_the_packet_where_it_is(tmp_path: Path) -> None:
    first = keep(tmp_path, b"x" * 600)
    with pytest.raises(StoreFull, match="remove it"):
        keep(tmp_path, b"y" * 600)
    assert keep(tmp_path, b"x" * 600) == first
    assert len(list((tmp_path / "quarantine").glob("*.batch"))) == 1
