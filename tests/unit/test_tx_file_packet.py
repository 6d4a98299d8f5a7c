"""File packets, whole and in chunks."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import pytest

from gateway.errors import GatewayError, PacketError, StoreError, StoreFull, TooLarge
from gateway.ids import PacketId
from gateway.packet.chunked import decode_chunk_meta
from gateway.packet.mth import mth
from gateway.packet.plain import PlainHeader
from gateway.tx.file_packet import FileRequest, SentFile, clean_path, send_file
from gateway.tx.file_source import FileSource
from gateway.tx.sealing import Outside, SealedPacket
from tests.support.nodes import make_books

NODE = make_books("a", "b")["a"].find("b")
PLENTY_BYTES = 1 << 40


class Posted:
    """Stands where packets are sealed, and records.

    Args:
        refused: destination of the packet that can't be queued.
    """

    def __init__(self, refused: bytes = b"") -> None:
        self.refused = refused
        self.files: dict[bytes, bytes] = {}
        self.outsides: set[Outside] = set()
        self.logged: list[tuple[bytes, int]] = []
        self.failures: list[tuple[bytes, str]] = []

    def __call__(
        self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]
    ) -> SealedPacket:
        with self.group() as group:
            group.add(outside, plain, payload)
            return group.queue_next()

    def group(self) -> "PostedGroup":
        return PostedGroup(self)

    def seal(self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]) -> bytes:
        data = b"".join(bytes(piece) for piece in payload)
        total_bytes = 276 + len(data)
        if total_bytes > outside.maxsize_bytes:
            raise TooLarge("made too large")
        assert (plain.type, plain.nice) == (1, outside.nice)
        self.outsides.add(outside)
        return data

    def sent(self, sent: SentFile) -> None:
        self.logged.append((sent.destination, sent.size_bytes))

    def failed(self, destination: bytes, error: GatewayError) -> None:
        self.failures.append((destination, str(error)))


class PostedGroup:
    """Packets that are queued together."""

    def __init__(self, posted: Posted) -> None:
        self._posted = posted
        self._waiting: dict[bytes, bytes] = {}
        self._queued: dict[bytes, bytes] = {}

    def add(self, outside: Outside, plain: PlainHeader, payload: Iterable[bytes | memoryview]) -> None:
        self._waiting[plain.path] = self._posted.seal(outside, plain, payload)

    def queue_next(self) -> SealedPacket:
        name = next(iter(self._waiting))
        if name == self._posted.refused:
            raise StoreFull("no room in tx")
        data = self._queued[name] = self._waiting.pop(name)
        return SealedPacket(Path("x"), PacketId(bytes(32)), NODE, b"", 0, 276 + len(data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._waiting:
            self._posted.files |= self._queued


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        (b"x", b"x"),
        (b"a/../b/./c", b"b/c"),
        (b"a//b/", b"a/b"),
        (b"", b"."),
        (b"../x", b"../x"),
        (b"x:y", b"x:y"),
        (b"\xff", b"\xff"),
    ],
)
def test_paths_are_cleaned_as_they_are_written(path: bytes, cleaned: bytes) -> None:
    assert clean_path(path, "destination") == cleaned


@pytest.mark.parametrize("path", [b"/", b"/etc", b"//x", b"a\0b"])
def test_absolute_paths_and_impossible_names_are_refused(path: bytes) -> None:
    with pytest.raises(PacketError, match=r"Relative destination path required|NUL"):
        clean_path(path, "destination")


def send(
    content: bytes, posted: Posted, free_bytes: int = PLENTY_BYTES, *, is_known: bool = True, **how: int
) -> None:
    request = FileRequest(b"dir/name", 7, **how)
    pieces = [content[at : at + 3] for at in range(0, len(content), 3)]
    source = FileSource("-", pieces, len(content) if is_known else None)
    send_file(posted, request, source, free_bytes=free_bytes, recorder=posted)


@pytest.mark.parametrize(("content", "chunk"), [(b"", 0), (b"12345", 0), (b"12345", 5), (b"12345", 6)])
def test_a_file_that_fits_one_chunk_goes_whole(content: bytes, chunk: int) -> None:
    posted = Posted()
    send(content, posted, chunk_bytes=chunk, minsize_bytes=9)
    assert posted.files == {b"dir/name": content}
    assert posted.logged == [(b"dir/name", 276 + len(content))]
    assert posted.outsides == {Outside(7, 9)}


@pytest.mark.parametrize(
    ("content", "chunk", "is_known", "parts"),
    [
        (b"12345", 4, True, [b"1234", b"5"]),
        (b"12345678", 4, True, [b"1234", b"5678"]),
        (b"", 4, True, [b""]),
        (b"", 4, False, [b""]),
        (b"123", 4, False, [b"123"]),
        (b"12345", 1, False, [b"1", b"2", b"3", b"4", b"5"]),
    ],
)
def test_chunks_and_the_meta_file_that_describes_them(
    content: bytes, chunk: int, parts: list[bytes], *, is_known: bool
) -> None:
    posted = Posted()
    send(content, posted, chunk_bytes=chunk, is_known=is_known)
    meta = decode_chunk_meta(posted.files.pop(b"dir/name.nncp.meta"))
    names = [b"dir/name.nncp.chunk%d" % number for number in range(len(parts))]
    assert posted.files == dict(zip(names, parts, strict=True))
    assert (meta.size_bytes, meta.chunk_bytes) == (len(content), chunk)
    assert meta.checksums == tuple(mth(part) for part in parts)
    assert [name for name, _ in posted.logged] == [*names, b"dir/name.nncp.meta"]
    assert posted.logged[-1][1] == 28 + 32 * len(parts)


def test_what_is_known_to_be_too_large_is_refused_before_anything_is_sent() -> None:
    posted = Posted()
    with pytest.raises(TooLarge, match="Too big than allowed"):
        send(b"x" * 1000, posted, maxsize_bytes=1479)
    send(b"x" * 1000, posted, maxsize_bytes=1480)
    with pytest.raises(TooLarge, match="Too big than allowed"):
        send(b"x" * 100, posted, minsize_bytes=2000, maxsize_bytes=1999)
    with pytest.raises(TooLarge):
        send(b"x" * 5000, posted, chunk_bytes=1000, maxsize_bytes=1479)
    assert len(posted.files) == 1
    assert [name for name, _ in posted.failures] == [b"dir/name", b"dir/name", b"dir/name.nncp.chunk0"]


def test_what_finds_no_space_is_refused_before_anything_is_sent() -> None:
    posted = Posted()
    with pytest.raises(StoreFull, match="is not enough space"):
        send(b"x" * 1000, posted, free_bytes=1000)
    with pytest.raises(StoreFull):
        send(b"x" * 1000, posted, free_bytes=1000, chunk_bytes=10)
    assert posted.files == {}
    send(b"x" * 1000, posted, free_bytes=1001)
    assert len(posted.files) == 1


def test_a_stream_that_becomes_too_large_is_refused_by_the_sealing() -> None:
    posted = Posted()
    with pytest.raises(TooLarge, match="made too large"):
        send(b"x" * 1000, posted, is_known=False, maxsize_bytes=1275)
    assert posted.failures == [(b"dir/name", "made too large")]


def test_no_chunk_is_queued_or_told_before_all_are_sealed() -> None:
    posted = Posted()

    def pieces() -> Iterator[bytes]:
        yield b"12345"
        assert (posted.files, posted.logged) == ({}, [])
        raise StoreError("the source is gone")

    with pytest.raises(StoreError, match="gone"):
        send_file(
            posted,
            FileRequest(b"name", chunk_bytes=2),
            FileSource("-", pieces(), 9),
            free_bytes=PLENTY_BYTES,
            recorder=posted,
        )
    assert (posted.files, posted.logged) == ({}, [])
    assert posted.failures == [(b"name.nncp.chunk2", "the source is gone")]


def test_a_chunk_that_cannot_be_queued_is_told_under_its_name() -> None:
    posted = Posted(refused=b"dir/name.nncp.chunk1")
    with pytest.raises(StoreFull):
        send(b"12345", posted, chunk_bytes=2)
    assert posted.files == {}
    assert posted.failures == [(b"dir/name.nncp.chunk1", "no room in tx")]


def test_a_name_too_long_for_the_last_chunk_is_refused_before_the_first() -> None:
    posted = Posted()
    source = FileSource("-", [b"x" * 11], 11)
    request = FileRequest(b"n" * 243, chunk_bytes=1)
    with pytest.raises(TooLarge, match="path of the last chunk: 256 bytes"):
        send_file(posted, request, source, free_bytes=PLENTY_BYTES, recorder=posted)
    assert (posted.files, len(posted.failures)) == ({}, 1)


def test_more_chunks_than_a_meta_file_lists_are_refused_before_the_first() -> None:
    posted = Posted()
    source = FileSource("-", [], 1 << 30)
    with pytest.raises(TooLarge, match="take larger ones"):
        request = FileRequest(b"n", chunk_bytes=1)
        send_file(posted, request, source, free_bytes=PLENTY_BYTES, recorder=posted)
    assert posted.files == {}
