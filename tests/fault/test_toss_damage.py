"""Packets that were damaged, cut, forged or misdirected: nothing of them reaches a handler."""

import dataclasses
import os
from pathlib import Path

import pytest

from gateway.nodes import Book
from gateway.packet.plain import PacketType
from gateway.packet.sealed import BLOCK_BYTES, ENCRYPTED_HEADER_BYTES, UNIT_BYTES
from gateway.toss.tosser import TossResult
from tests.support.nodes import make_books
from tests.support.packets import make_keys, open_packet, seal_packet
from tests.support.tossing import Pair, exec_header, forget, replaced

BAD = TossResult(bad_count=1)
PAYLOAD = os.urandom(2 * BLOCK_BYTES + 5000)
UNIT_COUNT = 3
PADDED_BYTES = 500_000


@pytest.fixture(params=["exec", "exec-fat", "relayed"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Pair, Path, Path]:
    """A packet of several blocks in b's rx, and the file its handler would write."""
    pair = Pair(tmp_path, "c", via={"c": ("b",)})
    out = pair.record("x")
    to = "c" if request.param == "relayed" else "b"
    return pair, pair.send("x", PAYLOAD, to=to, is_compressed=request.param != "exec-fat"), out


def assert_refused(pair: Pair, path: Path, out: Path, text: str = "") -> None:
    log_before = pair.log_text()
    assert pair.toss() == BAD
    told = pair.log_text().removeprefix(log_before)
    assert path.exists()
    assert not out.exists()
    assert pair.waiting("c", at="b") == []
    assert str(path) in told
    assert text in told


def test_a_flipped_bit_in_any_block(case: tuple[Pair, Path, Path]) -> None:
    """One changed bit anywhere keeps the packet from acting, and the message names file and block."""
    pair, path, out = case
    content = path.read_bytes()
    for number in range(UNIT_COUNT):
        start = ENCRYPTED_HEADER_BYTES + number * UNIT_BYTES
        end = min(start + UNIT_BYTES, len(content))
        for offset in (start, (start + end) // 2, end - 1):
            changed = bytearray(content)
            changed[offset] ^= 0x10
            with replaced(path, bytes(changed)):
                assert_refused(pair, path, out, f"block {number}")
    assert pair.toss() == TossResult(done_count=1)


def test_a_flipped_bit_in_the_header(case: tuple[Pair, Path, Path]) -> None:
    """A changed header is refused whichever of its fields it was."""
    pair, path, out = case
    content = path.read_bytes()
    # Magic, niceness, sender, recipient, ephemeral key, signature.
    for offset in (0, 7, 11, 12, 43, 44, 75, 76, 107, 108, 171):
        changed = bytearray(content)
        changed[offset] ^= 0x01
        (path.parent / "hdr" / path.name).unlink(missing_ok=True)
        with replaced(path, bytes(changed)):
            assert_refused(pair, path, out)


def test_an_end_at_every_block_boundary(case: tuple[Pair, Path, Path]) -> None:
    """A packet that ends too early never counts as whole, not even between two blocks."""
    pair, path, out = case
    content = path.read_bytes()
    boundaries = [ENCRYPTED_HEADER_BYTES + number * UNIT_BYTES for number in range(UNIT_COUNT)]
    cuts = {0, 100, ENCRYPTED_HEADER_BYTES - 1, len(content) - 1}
    cuts |= {boundary + delta for boundary in boundaries for delta in (-1, 0, 1, 15, 16, 17)}
    for cut in sorted(cuts):
        (path.parent / "hdr" / path.name).unlink(missing_ok=True)
        with replaced(path, content[:cut]):
            assert_refused(pair, path, out)


def test_bytes_behind_the_end(case: tuple[Pair, Path, Path]) -> None:
    """A packet with something appended is refused."""
    pair, path, out = case
    with replaced(path, path.read_bytes() + b"\0"):
        assert_refused(pair, path, out)


def test_damaged_padding(tmp_path: Path) -> None:
    """Padding is proven like the rest."""
    pair = Pair(tmp_path)
    out = pair.record("x")
    path = pair.send("x", PAYLOAD, minsize_bytes=PADDED_BYTES)
    for offset in (-1, -50_000):
        changed = bytearray(path.read_bytes())
        changed[offset] ^= 1
        with replaced(path, bytes(changed)):
            log_before = pair.log_text()
            assert pair.toss() == BAD
            assert "padding" in pair.log_text().removeprefix(log_before)
    assert not out.exists()


def test_a_packet_for_somebody_else(tmp_path: Path) -> None:
    """A packet sealed for another node is refused by name."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    author, reader = pair.books["a"].private_keys(), pair.books["c"].private_keys()
    path = pair.put(seal_packet(PAYLOAD, author, reader, plain=exec_header()))
    assert_refused(pair, path, out, f"invalid recipient: the packet is for {pair.id('c')}")


def test_a_sender_that_is_no_neighbour(tmp_path: Path) -> None:
    """A stranger's packet is refused, whatever directory it lies in."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    stranger = make_keys("stranger")
    path = pair.put(seal_packet(PAYLOAD, stranger, pair.books["b"].private_keys(), plain=exec_header()))
    assert_refused(pair, path, out, f"Node: {stranger.id}")


def test_a_sender_that_was_removed_from_the_configuration(tmp_path: Path) -> None:
    """A packet of a former neighbour stays until it is known again."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    author, reader = pair.books["c"].private_keys(), pair.books["b"].private_keys()
    path = pair.put(seal_packet(b"body", author, reader, plain=exec_header()), sender="a")
    book = pair.books["b"]
    pair.books["b"] = forget(book, "c")
    assert pair.toss() == BAD
    assert "Err: " in pair.log_text()
    assert "unknown node" in pair.log_text()
    assert path.exists()
    assert not out.exists()
    pair.books["b"] = book
    pair.allow("x", ["/bin/true"], sender="c")
    assert pair.toss() == TossResult(done_count=1)


def test_a_packet_signed_by_another(tmp_path: Path) -> None:
    """Who signs with a key that is not the sender's is refused."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    author = dataclasses.replace(make_keys("forger"), id=pair.id("a"))
    path = pair.put(seal_packet(PAYLOAD, author, pair.books["b"].private_keys(), plain=exec_header()))
    assert_refused(pair, path, out, "invalid signature")


def test_a_private_key_that_is_not_the_right_one(tmp_path: Path) -> None:
    """With a wrong private key nothing opens, and the message says that the keys may be wrong."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    path = pair.send("x", PAYLOAD)
    book = pair.books["b"]
    wrong = dataclasses.replace(book.private_keys(), exchprv=os.urandom(32))
    pair.books["b"] = Book(wrong, book.nodes)
    assert_refused(pair, path, out, "the keys are wrong")


@pytest.mark.parametrize("cut", [1, 4, 50])
def test_a_compressed_body_that_is_cut_by_its_sender(tmp_path: Path, cut: int) -> None:
    """A sound packet around an unsound body is refused before any handler starts."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    whole = pair.send("x", PAYLOAD)
    reader = pair.books["b"].private_keys()
    opened = open_packet(whole.read_bytes(), reader.id, reader.exchprv, pair.books["b"].find_keys)
    whole.unlink()
    path = pair.put_typed(PacketType.EXEC, b"x", opened.payload[:-cut])
    assert_refused(pair, path, out, "ends within a zstd frame")


def test_a_body_that_is_not_compressed_at_all(tmp_path: Path) -> None:
    """Text in a packet that promises zstd is refused."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    path = pair.put_typed(PacketType.EXEC, b"x", b"plain text")
    assert_refused(pair, path, out, "not compressed with zstd")


def test_a_body_that_unfolds_without_end(tmp_path: Path) -> None:
    """A decompression bomb is refused by the limit, before any handler starts."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    path = pair.send("x", (bytes(1 << 20) for _ in range(64)))
    assert path.stat().st_size < 100_000
    assert pair.toss(max_payload_bytes=1 << 20) == BAD
    assert "unfolds to more than 1048576 bytes" in pair.log_text()
    assert path.exists()
    assert not out.exists()


def test_others_go_on(tmp_path: Path) -> None:
    """Whatever is wrong with one packet, the good ones are tossed in the same run."""
    pair = Pair(tmp_path, "c")
    out = pair.record("x")
    strangers = make_books("x", "y")
    bad = [
        pair.put(b"", name=None),
        pair.put(b"garbage" * 100),
        pair.put(seal_packet(b"", strangers["x"].private_keys(), pair.books["b"].private_keys())),
        pair.put(seal_packet(b"", pair.books["a"].private_keys(), pair.books["c"].private_keys())),
        pair.send("nosuch", b""),
    ]
    for _ in range(5):
        pair.send("x", b"good ")
    assert pair.toss() == TossResult(done_count=5, bad_count=len(bad))
    assert out.read_text() == "good " * 5
    assert all(path.exists() for path in bad)
