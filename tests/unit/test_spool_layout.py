from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.ids import NodeId, PacketId
from gateway.spool.layout import (
    NOCK_SUFFIX,
    PART_SUFFIX,
    Box,
    Layout,
    LockKind,
    header_path,
    parse_packet_name,
    parse_suffixed_name,
)

NODE = NodeId(bytes(range(32)))
PACKET = PacketId(bytes(range(100, 132)))
LAYOUT = Layout(Path("/spool"))


def test_paths_are_those_of_the_go_tools() -> None:
    assert LAYOUT.packet(NODE, Box.TX, PACKET) == Path(f"/spool/{NODE}/tx/{PACKET}")
    assert LAYOUT.seen(NODE, PACKET) == Path(f"/spool/{NODE}/rx/seen/{PACKET}")
    assert LAYOUT.lock(NODE, LockKind.TOSS) == Path(f"/spool/{NODE}/toss.lock")
    assert LAYOUT.temporaries == Path("/spool/tmp")
    assert header_path(LAYOUT.packet(NODE, Box.RX, PACKET)) == Path(f"/spool/{NODE}/rx/hdr/{PACKET}")


def test_only_52_characters_of_base32_name_a_packet() -> None:
    assert parse_packet_name(PACKET.text) == PACKET
    for name in (
        "",
        "hdr",
        PACKET.text[:-1],
        PACKET.text + "A",
        PACKET.text.lower(),
        "1" * 52,
        "A" * 51 + "\n",
    ):
        assert parse_packet_name(name) is None


def test_suffix_is_told_from_a_packet() -> None:
    assert parse_suffixed_name(PACKET.text + ".part", PART_SUFFIX) == PACKET
    assert parse_suffixed_name(PACKET.text + ".nock", NOCK_SUFFIX) == PACKET
    assert parse_suffixed_name(PACKET.text, PART_SUFFIX) is None
    assert parse_suffixed_name("x.part", PART_SUFFIX) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "hdr",
        "seen",
        "ack",
        PACKET.text,
        "a" * 52,
        "x.part",
        "x.nock",
        "a b",
        "ü",
        "a\n",
    ],
)
def test_name_that_a_tool_could_take_for_something_is_no_temporary(name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a temporary"):
        LAYOUT.tx_temporary(NODE, name)


def test_temporary_in_tx_lies_beside_the_packets() -> None:
    assert LAYOUT.tx_temporary(NODE, "batch-1.sealing") == Path(f"/spool/{NODE}/tx/batch-1.sealing")
