"""The tar of a bundle, as it is written and as it is found again in anything."""

import io
import tarfile
from collections.abc import Iterable

import pytest

from gateway.errors import Truncated
from gateway.ids import PacketId
from gateway.packet.bundle import (
    EXTENSION_LIMIT_BYTES,
    BundleReader,
    PacketStart,
    encode_entry,
    padding,
)
from tests.support.bundles import BODY, IDS, RECIPIENT, SENDER, entry, read


def test_what_was_written_is_read() -> None:
    stream = entry(IDS[0]) + entry(IDS[1], b"y" * 1024)
    assert read(stream) == ([(IDS[0], BODY), (IDS[1], b"y" * 1024)], [])


def test_any_tar_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(entry() + entry(IDS[1]))) as archive:
        members = archive.getmembers()
    assert [(member.name, member.mode, member.isdir(), member.mtime) for member in members[:2]] == [
        ("NNCP", 0o700, True, 0),
        (f"NNCP/{RECIPIENT}/{SENDER}/{IDS[0]}", 0o400, False, 0),
    ]


def test_a_size_beyond_eleven_octal_digits_is_in_an_extended_header() -> None:
    head = encode_entry(RECIPIENT, SENDER, IDS[0], 9_000_000_000)
    [start] = BundleReader().feed(head)
    assert start == PacketStart(IDS[0], f"NNCP/{RECIPIENT}/{SENDER}/{IDS[0]}", 9_000_000_000)
    with tarfile.open(fileobj=io.BytesIO(head[512:])) as archive:
        member = archive.next()
    assert member is not None
    assert member.size == 9_000_000_000


def python_tar(form: int, packets: Iterable[PacketId], body: bytes = BODY, size: int | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for packet in packets:
            directory = tarfile.TarInfo("NNCP")
            directory.type = tarfile.DIRTYPE
            archive.addfile(directory)
            member = tarfile.TarInfo(f"NNCP/{RECIPIENT}/{SENDER}/{packet}")
            member.size = len(body) if size is None else size
            member.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_other_formats_of_tar_are_read(form: int) -> None:
    assert read(python_tar(form, IDS[:3])) == ([(packet, BODY) for packet in IDS[:3]], [])


def test_junk_padding_and_several_archives_do_no_harm() -> None:
    junk = b"NNCP is in here, NNCP" + b"NNCP" * 500
    first = python_tar(tarfile.GNU_FORMAT, IDS[:2])
    stream = junk + first + bytes(3000) + junk + entry(IDS[2]) + b"NNC"
    assert [packet for packet, _ in read(stream)[0]] == IDS[:3]


def test_a_byte_at_a_time_is_the_same() -> None:
    stream = b"NNCNNCP" + python_tar(tarfile.PAX_FORMAT, IDS[:2])
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == read(stream)


def test_a_header_inside_a_packet_is_its_content() -> None:
    body = entry(IDS[5]) + b"more"
    assert read(entry(IDS[0], body))[0] == [(IDS[0], body)]


def test_what_is_no_packet_is_passed_over_and_the_next_is_found() -> None:
    directory = entry()[:512]
    named = io.BytesIO()
    with tarfile.open(fileobj=named, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, kind, size in [("NNCP/x", tarfile.REGTYPE, 200), ("NNCP/" + "A" * 52, tarfile.SYMTYPE, 0)]:
            mark = tarfile.TarInfo("NNCP")
            mark.type = tarfile.DIRTYPE
            archive.addfile(mark)
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, size
            archive.addfile(member, io.BytesIO(bytes(size)))
    stream = (
        directory + directory + entry(IDS[0], b"small") + b"\xff" * 512 + named.getvalue() + entry(IDS[1])
    )
    found, ignored = read(stream)
    assert found == [(IDS[1], BODY)]
    assert [reason.split(": ", 1)[-1] for reason in ignored] == [
        "not a file",
        "not a file",
        "5 bytes, a packet has 172 or more",
        "not upper-case base32 (A-Z, 2-7, no padding)",
        "not a file",
    ]


@pytest.mark.parametrize("cut_bytes", [512, 700, 1024, 1100, 1923])
def test_an_end_within_a_packet_is_told(cut_bytes: int) -> None:
    reader = BundleReader()
    reader.feed(entry(IDS[0], b"z" * 900)[:cut_bytes])
    with pytest.raises(Truncated, match="within a packet"):
        reader.finish()


def test_a_stream_without_packets_is_no_error() -> None:
    assert read(b"") == ([], [])
    assert read(bytes(100_000)) == ([], [])
    assert read(b"NNCP" * 10_000) == ([], [])


def extended(records: bytes, kind: bytes = b"x", size: int | None = None) -> bytes:
    header = tarfile.TarInfo("long")
    header.size = len(records) if size is None else size
    header.type = kind
    raw = header.tobuf(tarfile.USTAR_FORMAT)
    return entry()[:512] + raw + records + padding(len(records))


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (extended(b"x", size=EXTENSION_LIMIT_BYTES + 1), "too long"),
        (extended(b"12 path=abc"), "does not parse"),
        (extended(b"0 path=abc\n"), "does not parse"),
        (extended(b"-1 path=abc\n"), "does not parse"),
        (extended(b"99999999999 path=abc\n"), "does not parse"),
        (extended(b"abc"), "does not parse"),
        (extended(b"11 size=-1\n"), "no number"),
        (extended(b"22 GNU.sparse.major=1\n"), "sparse"),
    ],
)
def test_a_hostile_extended_header_is_passed_over(stream: bytes, reason: str) -> None:
    found, ignored = read(stream + entry(IDS[1]))
    assert [packet for packet, _ in found] == [IDS[1]]
    assert reason in ignored[0]


def test_endless_extended_headers_are_passed_over() -> None:
    header = extended(b"12 path=abc\n")[512:]
    found, ignored = read(entry()[:512] + header * 20 + entry(IDS[1]))
    assert [packet for packet, _ in found] == [IDS[1]]
    assert ignored == ["extended headers that are too long"]


@pytest.mark.parametrize("field", [b"\xff" * 12, b"\x80\1" + bytes(10), b"99999999999\0", b"0x00000001f\0"])
def test_an_impossible_size_is_passed_over(field: bytes) -> None:
    block = bytearray(entry()[512:1024])
    block[124:136] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    found, ignored = read(entry()[:512] + bytes(block) + entry(IDS[1]))
    assert [packet for packet, _ in found] == [IDS[1]]
    assert len(ignored) == 1


def test_a_size_in_gnus_binary_form_is_read() -> None:
    block = bytearray(entry()[512:1024])
    block[124:136] = b"\x80" + (10**12).to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    [start] = BundleReader().feed(entry()[:512] + bytes(block))
    assert isinstance(start, PacketStart)
    assert start.size_bytes == 10**12
