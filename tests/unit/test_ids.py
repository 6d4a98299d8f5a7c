import base64
import os

import pytest

from gateway.errors import BadIdentifier
from gateway.ids import (
    BatchId,
    NodeId,
    PacketId,
    decode_base32,
    encode_base32,
    format_nice,
    parse_nice,
)

TEXT = "D75YMHDAKLZ42SMGNHKKFIEKVWPK45OYDBP4LQ7PK5UH53GIEAFQ"


def test_id_text_round_trip() -> None:
    node = NodeId.parse(TEXT)
    assert len(node.raw) == 32
    assert node.text == TEXT
    assert str(node) == TEXT


def test_key_of_64_bytes_has_103_characters() -> None:
    raw = bytes(range(64))
    assert len(encode_base32(raw)) == 103
    assert decode_base32(encode_base32(raw), 64) == raw


def test_line_ends_inside_are_ignored() -> None:
    assert NodeId.parse(TEXT[:20] + "\r\n" + TEXT[20:] + "\n").text == TEXT


def test_other_spelling_of_the_last_bits_is_the_same_id() -> None:
    assert TEXT.endswith("Q")
    assert NodeId.parse(TEXT[:-1] + "R") == NodeId.parse(TEXT)
    assert NodeId.parse(TEXT[:-1] + "R").text == TEXT


def test_every_length_is_written_as_the_library_writes_it() -> None:
    for size_bytes in range(70):
        for raw in (bytes(size_bytes), b"\xff" * size_bytes, os.urandom(size_bytes)):
            assert encode_base32(raw) == base64.b32encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "text", ["", TEXT.lower(), TEXT[:-1], TEXT + "A", TEXT[:-1] + "1", TEXT + "====", "A" * 51, " " + TEXT]
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(BadIdentifier):
        NodeId.parse(text)


def test_ids_of_different_kinds_are_not_equal() -> None:
    raw = bytes(32)
    assert len({NodeId(raw), PacketId(raw)}) == 2
    assert NodeId(raw) == NodeId(bytes(32))


@pytest.mark.parametrize("size_bytes", [0, 31, 33])
def test_id_of_wrong_length(size_bytes: int) -> None:
    with pytest.raises(BadIdentifier, match=f"not {size_bytes}"):
        PacketId(bytes(size_bytes))


def test_batch_id_text_round_trip() -> None:
    batch = BatchId(bytes(range(16)))
    assert str(batch) == "000102030405060708090a0b0c0d0e0f"
    assert BatchId.parse(str(batch)) == batch


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "0" * 31 + "A", "0" * 32 + "\n"])
def test_what_is_no_batch_id(text: str) -> None:
    with pytest.raises(BadIdentifier):
        BatchId.parse(text)


def test_batch_id_of_wrong_length() -> None:
    with pytest.raises(BadIdentifier):
        BatchId(bytes(15))


@pytest.mark.parametrize(
    ("text", "nice"),
    [
        ("1", 1),
        ("255", 255),
        ("+7", 7),
        ("FLASH", 32),
        ("f", 32),
        ("Priority", 96),
        ("p", 96),
        ("normal", 160),
        ("N", 160),
        ("bulk", 224),
        ("B", 224),
        ("max", 255),
        ("n+10", 170),
        ("N-31", 129),
        ("P+32", 128),
        ("b+31", 255),
        ("flash-31", 1),
        ("MAX-5", 250),
    ],
)
def test_niceness_is_read(text: str, nice: int) -> None:
    assert parse_nice(text) == nice


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "256",
        "-1",
        "soon",
        "n+33",
        "n-32",
        "b+32",
        "max+5",
        "n+",
        "n 10",
        "1.5",
        "\u09e7",
        "9" * 5000,
        "0" * 5000,
        "N+" + "9" * 5000,
    ],
)
def test_niceness_is_refused(text: str) -> None:
    with pytest.raises(BadIdentifier, match="niceness"):
        parse_nice(text)


@pytest.mark.parametrize(
    ("nice", "text"),
    [
        (255, "MAX"),
        (32, "F"),
        (96, "P"),
        (160, "N"),
        (224, "B"),
        (10, "F-22"),
        (20, "F-12"),
        (170, "N+10"),
        (128, "P+32"),
        (254, "B+30"),
        (0, "0"),
        (1, "1"),
        (65, "65"),
        (129, "129"),
        (193, "193"),
    ],
)
def test_niceness_is_written_as_the_go_tools_do(nice: int, text: str) -> None:
    assert format_nice(nice) == text


def test_every_niceness_reads_back() -> None:
    assert [parse_nice(format_nice(nice)) for nice in range(1, 256)] == list(range(1, 256))
