"""Exec packets: what is in them, where they go, and that a failure leaves nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.errors import MessageError, PacketError, TooLarge, UnknownNode
from gateway.packet.plain import PacketType, decode_exec_path
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import Box
from gateway.tx.exec_packet import resolve_via, seal_exec, send_exec
from tests.support.nodes import make_books, payloads_for
from tests.support.packets import open_layers, open_packet
from tests.support.tossing import Pair, files_below


def test_an_exec_holds_handle_arguments_and_compressed_input(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    request = pair.request("handle", "one", "", "two words", nice=10, reply_nice=20)
    sent = send_exec(pair.spools["a"], pair.books["a"].private_keys(), request, [b"in", b"put"])
    [(plain, payload)] = payloads_for(pair.spools["a"], pair.id("b"), pair.books["b"])
    assert payload == b"input"
    assert (plain.type, plain.nice) == (PacketType.EXEC, 20)
    assert decode_exec_path(plain.path) == (b"handle", (b"one", b"", b"two words"))
    [job] = pair.waiting("b")
    assert (job.packet, job.header.nice, job.size_bytes) == (sent.packet, 10, sent.size_bytes)


def test_uncompressed_input_goes_as_it_is(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    packet = pair.send("x", b"as it is", is_compressed=False).read_bytes()
    reader = pair.books["b"].private_keys()
    opened = open_packet(packet, reader.id, reader.exchprv, pair.books["b"].find_keys)
    assert (opened.plain.type, opened.payload) == (PacketType.EXEC_FAT, b"as it is")


def test_no_input_is_no_payload(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    packet = pair.send("x").read_bytes()
    reader = pair.books["b"].private_keys()
    opened = open_packet(packet, reader.id, reader.exchprv, pair.books["b"].find_keys)
    assert (opened.plain.type, opened.payload) == (PacketType.EXEC, b"")


def test_through_relays_it_goes_to_the_first_one_in_layers(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "c", "d", via={"d": ("b", "c")})
    packet = pair.send("x", b"far", to="d", is_compressed=False).read_bytes()
    readers = [pair.books[name].private_keys() for name in ("b", "c", "d")]
    assert open_layers(packet, pair.books["a"].private_keys(), *readers).payload == b"far"


def test_a_minimal_size_is_met(tmp_path: Path) -> None:
    assert Pair(tmp_path).send("x", b"small", minsize_bytes=4096).stat().st_size == 4096


def test_the_header_is_kept_beside_the_packet_and_the_name_links_to_the_node(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.send("x", b"body")
    spool = pair.spools["a"]
    [job] = pair.waiting("b")
    header = (job.path.parent / "hdr" / job.path.name).read_bytes()
    assert header == job.path.read_bytes()[:ENCRYPTED_HEADER_BYTES]
    assert (spool.root / "b").resolve() == spool.layout.node(pair.id("b")).resolve()


def test_sealing_leaves_the_packet_under_the_temporary_name(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    spool = pair.spools["a"]
    with spool.new_tx_temporary(pair.id("b"), ".batch-1") as temporary:
        sealed = seal_exec(pair.books["a"].private_keys(), pair.request("x"), [b"body"], temporary)
    assert sealed.temporary.read_bytes()[:ENCRYPTED_HEADER_BYTES] == sealed.header
    assert pair.waiting("b") == []
    spool.commit(sealed.temporary, sealed.first_hop.id, Box.TX, sealed.packet, sealed.header)
    assert [job.packet for job in pair.waiting("b")] == [sealed.packet]


def interrupted() -> Iterator[bytes]:
    yield b"x" * 300_000
    raise MessageError("the source failed")


@pytest.mark.parametrize(
    ("request_fields", "source", "error"),
    [
        ({"maxsize_bytes": 1024, "is_compressed": False}, [b"x" * 3000], TooLarge),
        ({}, interrupted(), MessageError),
    ],
)
def test_a_failure_leaves_nothing_in_the_spool(
    tmp_path: Path, request_fields: dict[str, Any], source: Iterator[bytes], error: type[Exception]
) -> None:
    pair = Pair(tmp_path)
    with pytest.raises(error):
        pair.send("x", source, **request_fields)
    assert files_below(pair.spools["a"].root) == []


@pytest.mark.parametrize(
    ("handle", "args", "error"),
    [
        ("x" * 256, (), TooLarge),
        ("x", ("y" * 254,), TooLarge),
        ("", (), PacketError),
        ("x", ("a\0b",), PacketError),
    ],
)
def test_what_has_no_place_in_a_packet_is_refused(
    tmp_path: Path, handle: str, args: tuple[str, ...], error: type[Exception]
) -> None:
    pair = Pair(tmp_path)
    with pytest.raises(error):
        pair.send(handle, b"", *args)
    assert files_below(pair.spools["a"].root) == []


def test_the_longest_path_fits(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.send("x", b"", "y" * 253)
    [(plain, _)] = [
        (open_packet(job.path.read_bytes(), own.id, own.exchprv, pair.books["b"].find_keys).plain, job)
        for own in [pair.books["b"].private_keys()]
        for job in pair.waiting("b")
    ]
    assert len(plain.path) == 255


def test_nothing_is_synced_when_syncing_is_off_and_all_is_when_it_is_on(tmp_path: Path) -> None:
    steps: list[tuple[str, str]] = []
    pair = Pair(tmp_path)
    spool = pair.spools["a"]
    spool.disk = Disk(is_syncing=True, hook=lambda step, path: steps.append((step, path.name)))
    sent = send_exec(spool, pair.books["a"].private_keys(), pair.request("x"), [b"body"])
    names = [step for step, _ in steps]
    assert names.index("sync") < names.index("rename")
    assert ("sync-directory", "tx") in steps[names.index("rename") :]
    assert ("rename", sent.packet.text) in steps


class TestResolveVia:
    def test_without_an_override_the_configured_way_is_taken(self) -> None:
        book = make_books("a", "b", "c", "d", via={"d": ("b", "c")})["a"]
        assert [node.name for node in resolve_via(book, book.find("d"), None)] == ["b", "c"]
        assert [node.name for node in resolve_via(book, book.find("d"), "")] == ["b", "c"]

    def test_a_dash_means_straight(self) -> None:
        book = make_books("a", "b", "c", via={"c": ("b",)})["a"]
        assert resolve_via(book, book.find("c"), "-") == ()

    def test_an_override_names_nodes_by_name_or_id(self) -> None:
        book = make_books("a", "b", "c", "d")["a"]
        way = resolve_via(book, book.find("d"), f"c,{book.find('b').id}")
        assert [node.name for node in way] == ["c", "b"]

    def test_an_unknown_relay_is_refused(self) -> None:
        book = make_books("a", "b")["a"]
        with pytest.raises(UnknownNode, match="nobody"):
            resolve_via(book, book.find("b"), "nobody")
