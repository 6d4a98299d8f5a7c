"""Articles, patterns and batches of articles come back; garbage raises only our own errors."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadBatch, GatewayError
from gateway.message.header import rfc5322_date
from gateway.nntp.article import Article, Rejection, field_value, header_end, read_article
from gateway.nntp.dates import parse_date
from gateway.nntp.injection import Injected, Injector, Poster
from gateway.nntp.lzw import LzwExpander
from gateway.nntp.overview import overview_fields
from gateway.nntp.path import Source, hop_count, is_in_path, path_identities, relayed
from gateway.nntp.rnews_batch import ArticleRead, RnewsLimits, read_batch
from gateway.nntp.wildmat import Verdict, Wildmat
from tests.support.articles import FIELDS, article_of, batch_article
from tests.support.lzw import compress

SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=5)
NAMES = st.text("ab.*?", max_size=8)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


def matches(pattern: str, name: str) -> bool:
    """RFC 3977 section 4.2, tried out in all ways."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return matches(pattern[1:], name) or bool(name and matches(pattern, name[1:]))
    return bool(name) and pattern[0] in {"?", name[0]} and matches(pattern[1:], name[1:])


@given(st.lists(st.tuples(st.sampled_from(["", "!", "@"]), NAMES.filter(bool)), max_size=4), NAMES)
def test_patterns_mean_what_their_definition_says(rules: list[tuple[str, str]], name: str) -> None:
    verdicts = {"": Verdict.YES, "!": Verdict.NO, "@": Verdict.POISON}
    expected = [verdicts[mark] for mark, pattern in rules if matches(pattern, name)]
    found = Wildmat.parse(",".join(mark + pattern for mark, pattern in rules)).verdict(name)
    assert found is (expected[-1] if expected else Verdict.NO)


HEADER_PIECES = st.sampled_from(
    [
        *(
            b"Path: ",
            b"path:",
            b"Xref: x\r\n",
            b"Message-ID: <1@a>\r\n",
            b"From: x\r\n",
            b"Newsgroups: a,b\r\n",
        ),
        *(
            b"Subject: \xff\r\n",
            b"Date: 1 Jan 2026 00:00 GMT\r\n",
            b"a!b",
            b"!",
            b".POSTED",
            b"\r\n",
            b"\r\n ",
        ),
        *(b"\r\n\t", b"\r", b"\n", b"\0", b":", b"x", b"\r\n\r\n", b"body"),
    ]
)
GARBAGE = st.lists(HEADER_PIECES, max_size=25).map(b"".join)
SOURCES = st.sampled_from([Source(), Source(("a.test", "x")), Source((), "192.0.2.1"), Source(("b",))])


@given(GARBAGE, SOURCES)
def test_garbage_is_rejected_or_can_be_relayed(garbage: bytes, source: Source) -> None:
    front = article_of({key: value for key, value in FIELDS.items() if key != "Path"})[
        : -len(b"\r\nbody\r\n")
    ]
    for data in (garbage, front + garbage):
        found = read_article(data)
        overview_fields(data)
        if isinstance(found, Rejection):
            assert found.text.isprintable()
            continue
        passed_on = relayed(data, "us.test", source, found)
        again = read_article(passed_on)
        assert isinstance(again, Article)
        assert path_identities(again.path) == ("us.test", *path_identities(found.path))
        assert is_in_path(again.path, ("us.test",))
        assert hop_count(again.path) == hop_count(found.path) + 1
        assert field_value(passed_on, "Xref") is None
        assert passed_on[header_end(passed_on) :] == data[header_end(data) :]
        assert (again.message_id, again.newsgroups) == (found.message_id, found.newsgroups)


@given(GARBAGE)
def test_whatever_is_posted_is_an_article_or_is_refused(garbage: bytes) -> None:
    injector = Injector("us.test", {"a", "misc.test"}.__contains__, {"b"}.__contains__)
    found = injector.inject(garbage, Poster("h"), 1.8e9, "<n@us.test>")
    if isinstance(found, Injected):
        assert isinstance(read_article(found.data), Article)
        assert found.article.path.startswith("us.test!.POSTED.h!")


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_dates_come_back(seconds: int, offset_minutes: int) -> None:
    assert parse_date(rfc5322_date(seconds, offset_minutes * 60)) == seconds


@given(st.text(max_size=40))
def test_texts_are_dates_or_none(text: str) -> None:
    parse_date(text)


ARTICLES = st.lists(
    st.lists(st.sampled_from([b"\r\n", b"#! rnews 3", b"a", b"\xff", b"."]), min_size=1, max_size=10).map(
        b"".join
    ),
    min_size=1,
    max_size=6,
)


@given(ARTICLES, SIZES, st.booleans())
def test_batches_come_back(
    articles: list[bytes],
    sizes: list[int],
    is_packed: bool,  # noqa: FBT001 - drawn
) -> None:
    data = b"".join(map(batch_article, articles))
    if is_packed:
        data = b"#! cunbatch\n" + compress(data)
    assert list(read_batch(cut(data, sizes))) == [ArticleRead(article) for article in articles]


WILD = st.lists(
    st.sampled_from(
        [b"#! rnews 3\n", b"#! rnews 70\n", b"#! rnews", b"#!", b"abc", b"\n", b"\r", b"\0", b"#! gunbatch\n",
         b"#! cunbatch\n\x1f\x9d\x90", b"x" * 60, b"#! rnews 0\n"]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


@given(WILD, SIZES)
def test_garbage_is_one_batch_or_none_however_it_is_cut(garbage: bytes, sizes: list[int]) -> None:
    limits = RnewsLimits(article_bytes=50, article_count=4, total_bytes=200)
    results = []
    for pieces in ([garbage], cut(garbage, sizes)):
        try:
            results.append(repr(list(read_batch(pieces, limits))))
        except BadBatch as error:
            results.append(type(error).__name__)
    assert results[0] == results[1]


@given(st.binary(max_size=300), st.integers(9, 16), st.integers(1, 60), SIZES)
def test_what_compress_packs_comes_back(data: bytes, bits: int, clear_after: int, sizes: list[int]) -> None:
    expander = LzwExpander()
    pieces = [expander.feed(piece) for piece in cut(compress(data, bits, clear_after=clear_after), sizes)]
    assert b"".join([*pieces, expander.finish()]) == data


@given(st.binary(max_size=100), SIZES)
def test_garbage_for_the_unpacker_is_a_fault_or_bytes(garbage: bytes, sizes: list[int]) -> None:
    with contextlib.suppress(GatewayError):
        expander = LzwExpander()
        for piece in cut(b"\x1f\x9d\x90" + garbage, sizes):
            expander.feed(piece)
        expander.finish()
