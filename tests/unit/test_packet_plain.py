import pytest

from gateway.errors import BadMagic, PacketError, TooLarge, Truncated
from gateway.packet.plain import (
    PacketType,
    PlainHeader,
    decode_exec_path,
    decode_plain,
    encode_exec_path,
    encode_plain,
)


def test_layout() -> None:
    raw = encode_plain(PlainHeader(PacketType.EXEC, 224, b"cat\0arg"))
    assert raw[:20] == b"NNCPP\0\0\x03\0\0\0\x03\0\0\0\xe0\0\0\0\x07"
    assert raw[20:] == b"cat\0arg".ljust(256, b"\0")
    assert len(raw) == 276


def test_numbers_of_the_types_start_at_1() -> None:
    names = ["FILE", "FREQ", "EXEC", "TRNS", "EXEC_FAT", "AREA", "ACK"]
    assert [PacketType[name] for name in names] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_unknown_type_is_read(kind: int) -> None:
    assert decode_plain(encode_plain(PlainHeader(kind, 1, b""))).type == kind


def test_path_of_255_bytes_is_the_longest() -> None:
    header = PlainHeader(1, 1, b"p" * 255)
    assert decode_plain(encode_plain(header)) == header
    with pytest.raises(TooLarge, match="256 bytes, at most 255"):
        encode_plain(PlainHeader(1, 1, b"p" * 256))


@pytest.mark.parametrize(("kind", "nice"), [(256, 1), (-1, 1), (1, 256), (1, -1)])
def test_value_that_is_no_byte_is_not_written(kind: int, nice: int) -> None:
    with pytest.raises(PacketError, match="is not 0 to 255"):
        encode_plain(PlainHeader(kind, nice, b""))


@pytest.mark.parametrize(("offset", "text"), [(8, "type"), (12, "niceness"), (16, "path")])
def test_field_out_of_range_is_refused_by_name(offset: int, text: str) -> None:
    raw = bytearray(encode_plain(PlainHeader(1, 1, b"x")))
    raw[offset : offset + 4] = (256).to_bytes(4, "big")
    with pytest.raises(PacketError, match=text):
        decode_plain(bytes(raw))


def test_what_follows_the_path_is_ignored() -> None:
    raw = encode_plain(PlainHeader(1, 1, b"x"))[:-1] + b"X"
    assert decode_plain(raw).path == b"x"


def test_view_is_read_like_bytes() -> None:
    raw = encode_plain(PlainHeader(1, 1, b"x"))
    assert decode_plain(memoryview(raw)) == decode_plain(raw)


def test_old_version_is_named() -> None:
    raw = bytearray(encode_plain(PlainHeader(1, 1, b"x")))
    raw[7] = 2
    with pytest.raises(BadMagic, match=r"plain packet v2 format is unsupported \(used till 4\.1\)"):
        decode_plain(bytes(raw))


@pytest.mark.parametrize("size_bytes", [0, 275, 277])
def test_wrong_length(size_bytes: int) -> None:
    with pytest.raises(Truncated, match=f"{size_bytes} bytes, not 276"):
        decode_plain(bytes(size_bytes))


@pytest.mark.parametrize(
    ("handle", "args", "path"),
    [
        (b"cat", [], b"cat"),
        (b"cat", [b""], b"cat\0"),
        (b"cat", [b"", b""], b"cat\0\0"),
        (b"cat", [b"arg 1", b"two", b""], b"cat\0arg 1\0two\0"),
        (b"h", [b"x" * 253], b"h\0" + b"x" * 253),
    ],
)
def test_exec_path(handle: bytes, args: list[bytes], path: bytes) -> None:
    assert encode_exec_path(handle, args) == path
    assert decode_exec_path(path) == (handle, tuple(args))


def test_exec_path_that_is_too_long() -> None:
    with pytest.raises(TooLarge, match="256 bytes, at most 255"):
        encode_exec_path(b"h", [b"x" * 254])


@pytest.mark.parametrize(("handle", "args"), [(b"", []), (b"a\0b", []), (b"a", [b"x\0y"])])
def test_exec_path_that_would_read_otherwise(handle: bytes, args: list[bytes]) -> None:
    with pytest.raises(PacketError, match="exec"):
        encode_exec_path(handle, args)


def test_empty_exec_path_has_an_empty_handle() -> None:
    assert decode_exec_path(b"") == (b"", ())
