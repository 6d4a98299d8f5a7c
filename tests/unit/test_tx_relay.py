"""Passing on what is sealed for somebody else."""

from pathlib import Path

import pytest

from gateway.errors import BadMagic, Truncated
from gateway.packet.plain import PacketType
from gateway.tx.relay import send_relayed
from gateway.tx.sealing import Route
from tests.support.packets import open_packet, seal_packet
from tests.support.tossing import Pair, files_below


def inner_packet(pair: Pair) -> bytes:
    return seal_packet(b"inner" * 50_000, pair.books["a"].private_keys(), pair.books["c"].private_keys())


def test_a_packet_for_a_neighbour_is_stored_verbatim(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c")
    packet, book = inner_packet(pair), pair.books["b"]
    pieces = [packet[:100], packet[100:]]
    sent = send_relayed(pair.spools["b"], book.private_keys(), Route(book.find("c")), pieces, nice=96)
    [job] = pair.waiting("c", at="b")
    assert job.path.read_bytes() == packet
    assert job.packet == sent.packet


def test_a_packet_for_a_node_we_reach_through_others_is_wrapped(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c", "d")
    packet, book = inner_packet(pair), pair.books["b"]
    route = Route(book.find("c"), (book.find("d"),))
    send_relayed(pair.spools["b"], book.private_keys(), route, [packet], nice=77)
    [job] = pair.waiting("d", at="b")
    reader = pair.books["d"].private_keys()
    opened = open_packet(job.path.read_bytes(), reader.id, reader.exchprv, pair.books["d"].find_keys)
    assert (opened.plain.type, opened.plain.path) == (PacketType.TRNS, pair.id("c").raw)
    assert opened.payload == packet
    assert (opened.nice, opened.sender) == (77, pair.id("b"))


@pytest.mark.parametrize("has_via", [False, True])
@pytest.mark.parametrize(("garbage", "error"), [(b"short", Truncated), (b"x" * 1000, BadMagic)])
def test_what_is_no_packet_is_not_queued(
    tmp_path: Path,
    garbage: bytes,
    error: type[Exception],
    has_via: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    pair = Pair(tmp_path, "c", "d")
    book = pair.books["b"]
    route = Route(book.find("c"), (book.find("d"),) if has_via else ())
    with pytest.raises(error):
        send_relayed(pair.spools["b"], book.private_keys(), route, [garbage], nice=96)
    assert files_below(pair.spools["b"].root) == []
