"""A fuzz target of the store for newsreaders: whatever an article says, its lines stay lines."""

from collections.abc import Iterator, Mapping
from functools import cache

from gateway.nntp.events import Part, Range
from gateway.nntp.overview import OVERVIEW_FORMAT
from gateway.nntp.wildmat import Wildmat
from gateway.reader.store import ReaderStore
from gateway.reader.values import Filing
from tests.fuzz.configurations import place
from tests.fuzz.target import Target
from tests.support.bookshelf import open_store, written

KEPT_BYTES = 20_000
FIELDS = ("Subject", "Newsgroups", "Path", "Xref", ":lines", "X-None")


@cache
def _store() -> ReaderStore:
    return open_store(place() / "reader", max_bytes=KEPT_BYTES)


def reader_article(data: bytes) -> None:
    """An article: what is filed can be read under its number, and each line about it is one line."""
    store = _store()
    (added,) = store.add([data])
    if added.filing is not Filing.FILED:
        return
    for place_text in added.text.split():
        group, _, number = place_text.rpartition(":")
        one = Range(int(number), int(number))
        found = store.retrieve(group, int(number))
        assert found is not None
        assert found.data.count(b"\r\nXref: gw.test ") == 1
        head = store.retrieve_id(found.message_id, Part.HEAD)
        assert head is not None
        assert found.data.startswith(head.data)
        (line,) = store.overview(group, one)
        assert line.count(b"\t") == len(OVERVIEW_FORMAT)
        lines = [line, *(value for field in FIELDS for value in store.header(field, group, one))]
        assert len(lines) == 1 + len(FIELDS)
        assert not any(byte in value for value in lines for byte in (b"\r", b"\n", b"\0"))
        (shown,) = store.groups(Wildmat.parse(group))
        assert shown.name == group


def reader_article_seeds() -> Iterator[bytes]:
    """An article in two groups, a control message, and one with all that may be folded."""
    yield written(1, groups="a.b,c.d")
    yield written(2, more="Control: cancel <1@a.test>")
    yield written(3, more="References: <1@a.test>\n\t<2@a.test>\nXref: x a.b:1\n c.d:2")


READER: Mapping[str, Target] = {
    "reader-article": Target(
        reader_article, reader_article_seeds, (b"Newsgroups: ", b"\r\nXref:", b"Control: ", b"\r\n\t", b",")
    ),
}
"""By the name that ``./run fuzz`` takes."""
