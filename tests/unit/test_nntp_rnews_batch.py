import bz2
import gzip
from collections.abc import Callable

import pytest
import zstandard

from gateway.errors import BadBatch
from gateway.nntp.rnews_batch import (
    ArticleRead,
    ArticleUnreadable,
    RnewsEvent,
    RnewsLimits,
    RnewsReader,
    read_batch,
)
from gateway.nntp.unpacking import Packing
from tests.support.articles import article, batch_article, packing_header
from tests.support.lzw import compress

ARTICLES = [article(f"body {number}\r\n" * number, Subject=f"t{number}") for number in range(40)]
BATCH = b"".join(map(batch_article, ARTICLES))
PACKERS: list[tuple[Packing, Callable[[bytes], bytes]]] = [
    (Packing.CUNBATCH, compress),
    (Packing.CUNBATCH, gzip.compress),
    (Packing.GUNBATCH, gzip.compress),
    (Packing.BUNBATCH, bz2.compress),
    (Packing.ZSTDUNBATCH, zstandard.compress),
]


def read(data: bytes, limits: RnewsLimits | None = None, size: int = 1000) -> list[RnewsEvent]:
    return list(read_batch((data[at : at + size] for at in range(0, len(data), size)), limits))


def fault_of(data: bytes, limits: RnewsLimits | None = None) -> str:
    texts = set()
    for size in (1, 7, 100_000):
        with pytest.raises(BadBatch) as caught:
            read(data, limits, size)
        texts.add(str(caught.value))
    (text,) = texts
    return text


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_articles_of_a_batch_come_back_byte_for_byte(size: int) -> None:
    assert read(BATCH, size=size) == [ArticleRead(data) for data in ARTICLES]


@pytest.mark.parametrize(("packing", "pack"), PACKERS)
def test_packed_batches_are_read(packing: Packing, pack: Callable[[bytes], bytes]) -> None:
    data = packing_header(packing) + pack(BATCH)
    assert read(data) == read(data, size=1) == [ArticleRead(data) for data in ARTICLES]


@pytest.mark.parametrize(("packing", "pack"), PACKERS)
def test_packed_batch_cut_short_is_a_fault(packing: Packing, pack: Callable[[bytes], bytes]) -> None:
    data = packing_header(packing) + pack(BATCH)
    for size in (
        len(data) - 1,
        len(data) // 2,
        len(packing_header(packing)) + 3,
        len(packing_header(packing)),
    ):
        assert fault_of(data[:size])


@pytest.mark.parametrize("packing", Packing)
def test_packed_batch_must_be_what_it_says(packing: Packing) -> None:
    assert str(packing) in fault_of(packing_header(packing) + BATCH)


def test_batch_cut_anywhere_else_than_between_articles_is_a_fault() -> None:
    data = batch_article(ARTICLES[1]) + batch_article(ARTICLES[2])
    for size in range(1, len(data)):
        if size != len(batch_article(ARTICLES[1])):
            assert fault_of(data[:size]) if size > 1 else isinstance(read(data[:1])[0], ArticleRead)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "article 1 should begin"),
        (b"#! rnews 5\nabc", "2 bytes before the end of article 1"),
        (b"#! rnews 3\nabc\n", "article 2"),
        (b"#! rnews 2\nabc\n#! rnews 4\nabc\n", "article 2"),
        (b"#! rnews x\nabc\n", "article 1"),
        (b"#! rnews -5\nabc\n", "article 1"),
        (b"#! rnews 99999999999999999\nabc\n", "article 1"),
        (b"#! c7unbatch\nabc\n", "'c7unbatch' can not be read"),
        (b"#! ../../bin/sh\nabc\n", "article 1"),
        (b"#! gunbatch\n" + gzip.compress(b"#! gunbatch\n" + gzip.compress(BATCH)), "article 1"),
        (b"#! gunbatch\n" + gzip.compress(BATCH) + b"garbage", "no sound gzip"),
        (b"#! " + b"x" * 500, "article 1"),
    ],
)
def test_what_is_no_batch_is_said_where(data: bytes, text: str) -> None:
    assert text in fault_of(data)


def test_article_without_a_line_in_front_is_a_batch_of_one() -> None:
    assert read(ARTICLES[3].replace(b"\r\n", b"\n")) == [ArticleRead(ARTICLES[3])]
    assert read(ARTICLES[3]) == [ArticleRead(ARTICLES[3])]
    assert read(b"#") == [ArticleRead(b"#")]


def test_headers_that_other_batchers_write() -> None:
    data = b"#! rnews 2\r\na\n#!rnews 2\nb\n#! rnews      2 from here\nc\n"
    assert read(data) == [ArticleRead(b"a\r\n"), ArticleRead(b"b\r\n"), ArticleRead(b"c\r\n")]


def test_article_that_is_none_does_not_stop_the_batch() -> None:
    parts = [b"#! rnews 4\na\rb\n", b"#! rnews 3\na\0\n", b"#! rnews 0\n", b"#! rnews 9\n" + b"x" * 9]
    found = read(b"".join([*parts, batch_article(b"x\r\n")]), RnewsLimits(article_bytes=8))
    assert [type(event) for event in found] == [*[ArticleUnreadable] * 4, ArticleRead]
    assert [event.size_bytes for event in found if isinstance(event, ArticleUnreadable)] == [4, 3, 0, 9]


def test_bare_article_over_the_limit_is_unreadable() -> None:
    assert read(b"x" * 100, RnewsLimits(article_bytes=8)) == [ArticleUnreadable(100, "100 bytes; allowed: 8")]


@pytest.mark.parametrize(("packing", "pack"), PACKERS)
def test_bomb_is_stopped_at_the_limit(packing: Packing, pack: Callable[[bytes], bytes]) -> None:
    bomb = packing_header(packing) + pack(b"#! rnews 1000000\n" + bytes(1_000_000))
    assert "more than 100000 bytes" in fault_of(bomb, RnewsLimits(total_bytes=100_000))


def test_limits_of_a_batch() -> None:
    assert "more than 5 articles" in fault_of(BATCH, RnewsLimits(article_count=5))
    assert "larger than 500 bytes" in fault_of(BATCH, RnewsLimits(total_bytes=500))


def test_after_a_fault_the_reader_says_it_again() -> None:
    reader = RnewsReader()
    with pytest.raises(BadBatch, match="article 1"):
        reader.feed(b"#! rnews x\n")
    with pytest.raises(BadBatch, match="article 1"):
        reader.feed(b"")
    with pytest.raises(BadBatch, match="article 1"):
        reader.finish()
