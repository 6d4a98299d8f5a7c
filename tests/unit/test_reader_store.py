"""Newsreaders find each article once, under numbers that are never given twice."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.errors import StoreCorrupt, StoreError, StoreFull
from gateway.msgqueue.store import INLINE_BODY_BYTES
from gateway.nntp.article import ArticleLimits
from gateway.nntp.events import GroupFigures, Part, Range
from gateway.nntp.wildmat import Wildmat
from gateway.reader.marks import SET_ASIDE_COUNT
from gateway.reader.store import ReaderStore
from gateway.reader.values import DAY_SECONDS, Filing, ReaderRules, Status
from tests.support.bookshelf import EVERY, marks, message_ids, open_store, written
from tests.support.queue_clock import SetClock

LARGE = "x" * INLINE_BODY_BYTES + "\n"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Iterator[ReaderStore]:
    with open_store(tmp_path, clock=clock.make, keep_seconds=10 * DAY_SECONDS) as opened:
        yield opened


def filings(store: ReaderStore, *articles: bytes) -> list[str]:
    return [added.filing.value for added in store.add(articles)]


def test_an_article_in_two_groups_is_there_once_with_a_number_in_each(store: ReaderStore) -> None:
    both = written(2, groups="misc.test,comp.x")
    assert filings(store, written(1), both, written(3, groups="comp.x")) == ["filed"] * 3
    assert marks(store) == {"comp.x": (1, 2, 2), "misc.test": (1, 2, 2)}
    found = store.retrieve("comp.x", 1)
    assert found is not None
    assert (found.number, found.message_id) == (1, "<2@a.test>")
    head, _, body = both.partition(b"\r\n\r\n")
    assert found.data == head + b"\r\nXref: gw.test misc.test:2 comp.x:1\r\n\r\n" + body
    by_id = store.retrieve_id("<2@a.test>")
    assert by_id is not None
    assert (by_id.number, by_id.data) == (0, found.data)


def test_an_article_that_is_there_is_known(store: ReaderStore) -> None:
    assert filings(store, written(1), written(1)) == ["filed", "known"]
    assert filings(store, written(1, body="other\n"), written(2)) == ["known", "filed"]
    assert marks(store) == {"misc.test": (1, 2, 2)}


def test_a_foreign_xref_is_replaced_by_ours(store: ReaderStore) -> None:
    store.add([written(1, more="Xref: inn.test misc.test:900\n comp.x:2")])
    found = store.retrieve("misc.test", 1)
    assert found is not None
    assert found.data.count(b"Xref:") == 1
    assert b"\r\nXref: gw.test misc.test:1\r\n" in found.data


@pytest.mark.parametrize("body", ["short\n", LARGE])
def test_of_an_article_only_the_part_is_read_that_is_asked_for(store: ReaderStore, body: str) -> None:
    store.add([written(1, body=body)])
    parts = {part: store.retrieve("misc.test", 1, part) for part in Part}
    assert all(parts.values())
    data = {part: found.data for part, found in parts.items() if found is not None}
    assert data[Part.ARTICLE].startswith(data[Part.HEAD])
    assert data[Part.HEAD].endswith(b"Xref: gw.test misc.test:1\r\n")
    assert data[Part.STAT] == b""
    assert data[Part.BODY].endswith(b"\r\n\r\n" + body.encode().replace(b"\n", b"\r\n"))


def test_overview_has_all_fields_and_xref(store: ReaderStore) -> None:
    store.add([written(1, more="References: <0@a.test>\n <x@a.test>")])
    (line,) = store.overview("misc.test", EVERY)
    number, subject, author, _, message_id, references, size, lines, xref = line.split(b"\t")
    assert (number, subject, author) == (b"1", b"number 1", b"Alice <alice@a.test>")
    assert (message_id, references) == (b"<1@a.test>", b"<0@a.test> <x@a.test>")
    assert int(size) > 100
    assert (lines, xref) == (b"1", b"Xref: gw.test misc.test:1")
    assert store.overview_id("<1@a.test>") == b"0" + line[1:]
    assert store.overview_id("<2@a.test>") is None


def test_ranges_are_those_of_the_numbers_that_are_there(store: ReaderStore) -> None:
    store.add([written(number) for number in range(1, 8)])
    assert store.numbers("misc.test", Range(3, 5)) == [3, 4, 5]
    assert store.numbers("misc.test", Range(6, None)) == [6, 7]
    assert store.numbers("misc.test", Range(5, 3)) == []
    assert store.numbers("no.such", EVERY) == []
    assert len(store.overview("misc.test", Range(2, 3))) == 2
    assert store.neighbour("misc.test", 3, is_next=True) == (4, "<4@a.test>")
    assert store.neighbour("misc.test", 3, is_next=False) == (2, "<2@a.test>")
    assert store.neighbour("misc.test", 7, is_next=True) is None
    assert store.neighbour("misc.test", 1, is_next=False) is None
    assert store.retrieve("misc.test", 8) is None
    assert store.retrieve("no.such", 1) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Subject", b"number 1"), ("FROM", b"Alice <alice@a.test>"), ("message-id", b"<1@a.test>"),
        (":lines", b"1"), ("Xref", b"gw.test misc.test:1"), ("newsgroups", b"misc.test"), ("X-Tab", b"a b"),
        ("Organization", b""), ("References", b""),
    ],
)  # fmt: skip
def test_a_field_of_articles_is_read_from_where_it_stands(
    store: ReaderStore, field: str, value: bytes
) -> None:
    store.add([written(1, more="X-Tab: a\tb")])
    assert store.header(field, "misc.test", EVERY) == [b"1 " + value]
    assert store.header_id(field, "<1@a.test>") == value
    assert store.header_id(field, "<2@a.test>") is None


def test_of_a_field_those_values_are_told_that_match(store: ReaderStore) -> None:
    store.add([written(number) for number in (1, 2, 12)])
    pattern = Wildmat.parse("*2")
    assert store.header("subject", "misc.test", EVERY, pattern) == [b"2 number 2", b"3 number 12"]
    assert store.header_id("subject", "<1@a.test>", pattern) is None


def test_what_is_kept_long_enough_goes_and_its_numbers_do_not_come_again(
    store: ReaderStore, clock: SetClock
) -> None:
    store.add([written(1), written(2, groups="misc.test,comp.x")])
    clock.go_on(6 * DAY_SECONDS)
    store.add([written(3)])
    clock.go_on(5 * DAY_SECONDS)
    assert store.expire() == 2
    assert marks(store) == {"comp.x": (2, 1, 0), "misc.test": (3, 3, 1)}
    assert store.group("comp.x") == GroupFigures("comp.x", 2, 1, 0)
    assert store.retrieve_id("<1@a.test>") is None
    clock.go_on(6 * DAY_SECONDS)
    assert (store.expire(), store.expire()) == (1, 0)
    store.add([written(4, groups="misc.test,comp.x")])
    assert marks(store) == {"comp.x": (2, 2, 1), "misc.test": (4, 4, 1)}


def test_a_jump_of_the_clock_makes_nothing_go(store: ReaderStore, clock: SetClock) -> None:
    store.add([written(1, more="Expires: Thu, 1 Jan 2009 00:00:00 +0000")])
    clock.wall_ahead_seconds = 40 * 365 * DAY_SECONDS
    assert store.expire() == 0
    assert message_ids(store, "misc.test") == [(1, "<1@a.test>")]


def test_above_the_limit_the_oldest_go_at_once(tmp_path: Path) -> None:
    size = len(written(10))
    with open_store(tmp_path, max_bytes=3 * size) as store:
        for number in range(10, 16):
            store.add([written(number)])
        assert message_ids(store, "misc.test") == [
            (number - 9, f"<{number}@a.test>") for number in (13, 14, 15)
        ]
        assert store.group("misc.test") == GroupFigures("misc.test", 4, 6, 3)


def test_the_files_of_large_articles_go_with_them(tmp_path: Path, clock: SetClock) -> None:
    with open_store(tmp_path, clock=clock.make, keep_seconds=100.0) as store:
        store.add([written(1, body=LARGE), written(1, body=LARGE), written(2)])
        (file,) = (tmp_path / "bodies").iterdir()
        assert store.sweep() == 0
        clock.go_on(101)
        store.expire()
        assert not list((tmp_path / "bodies").iterdir())
        (tmp_path / "bodies" / file.name).write_bytes(b"left by a crash")
        assert store.sweep() == 1


def test_a_file_that_is_damaged_is_told(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add([written(1, body=LARGE)])
        (file,) = (tmp_path / "bodies").iterdir()
        file.write_bytes(b"short")
        with pytest.raises(StoreCorrupt):
            store.retrieve("misc.test", 1)
        assert store.retrieve("misc.test", 1, Part.HEAD) is not None


def test_groups_are_those_that_are_configured_and_those_with_an_article(tmp_path: Path) -> None:
    rules: dict[str, Any] = {
        "groups": Wildmat.parse("comp.*,local.*"),
        "created": Wildmat.parse("comp.*"),
        "configured": {"local.talk": "Anything", "misc.kept": ""},
        "moderated": Wildmat.parse("comp.mod"),
        "unposted": Wildmat.parse("*.announce"),
    }
    with open_store(tmp_path, **rules) as store:
        assert filings(
            store,
            written(1, groups="comp.mod,alt.other,misc.kept"),
            written(2, groups="alt.other"),
            written(3, groups="local.unknown"),
            written(4, groups="comp.announce"),
        ) == ["filed", "unwanted", "unwanted", "filed"]
        shown = [(line.name, line.count, line.status, line.description) for line in store.groups()]
        assert shown == [
            ("comp.announce", 1, Status.NO_POSTING, "?"),
            ("comp.mod", 1, Status.MODERATED, "?"),
            ("local.talk", 0, Status.POSTING, "Anything"),
            ("misc.kept", 1, Status.POSTING, "?"),
        ]
        assert [line.name for line in store.groups(Wildmat.parse("comp.*,!*.mod"))] == ["comp.announce"]
        assert (store.is_group_known("local.talk"), store.is_group_known("local.unknown")) == (True, False)
        assert (store.is_moderated("comp.mod"), store.is_moderated("local.talk")) == (True, False)
        assert not store.is_posting_allowed("comp.announce")
    with open_store(tmp_path, configured={"local.new": "New"}) as store:
        assert marks(store)["local.new"] == (1, 0, 0)
        assert marks(store)["comp.mod"] == (1, 1, 1)


def test_control_messages_are_in_groups_of_their_own(store: ReaderStore) -> None:
    store.add([
        written(1, more="Control: cancel <0@a.test>"),
        written(2, more="Control: ../../etc x"),
        written(3, more="Control: newgroup misc.new"),
    ])  # fmt: skip
    assert list(marks(store)) == ["control", "control.cancel", "control.newgroup"]


def test_what_can_not_be_read_is_unwanted_and_stops_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path, limits=ArticleLimits(article_bytes=1000)) as store:
        found = store.add([b"no article", written(1), written(2, body="x" * 1000)])
        assert [added.filing for added in found] == [Filing.UNWANTED, Filing.FILED, Filing.UNWANTED]
        assert "1000" in found[2].text


def test_new_groups_and_articles_are_told_by_when_they_came(store: ReaderStore, clock: SetClock) -> None:
    store.add([written(1)])
    clock.go_on(100)
    now = clock.seconds
    store.add([written(2), written(3, groups="comp.x,misc.test")])
    assert [line.name for line in store.new_groups(now)] == ["comp.x"]
    assert store.new_articles(Wildmat.parse("*"), now) == ["<2@a.test>", "<3@a.test>"]
    assert store.new_articles(Wildmat.parse("comp.*"), 0.0) == ["<3@a.test>"]


def test_what_is_there_stays_when_the_store_is_opened_again(tmp_path: Path, clock: SetClock) -> None:
    with open_store(tmp_path, clock=clock.make, keep_seconds=100.0) as store:
        store.add([written(1), written(2, body=LARGE)])
        before = store.overview("misc.test", EVERY)
    clock.go_on(50)
    with open_store(tmp_path, clock=clock.make, keep_seconds=100.0) as store:
        assert store.overview("misc.test", EVERY) == before
        assert store.expire() == 0
        clock.go_on(51)
        assert store.expire() == 2
    with open_store(tmp_path, clock=clock.make) as store:
        assert marks(store) == {"misc.test": (3, 2, 0)}


def test_many_threads_read_while_articles_come_and_go(tmp_path: Path) -> None:
    size = len(written(100))
    faults: list[BaseException] = []
    with open_store(tmp_path, max_bytes=20 * size) as store:
        is_over = threading.Event()

        def read() -> None:
            try:
                while not is_over.is_set():
                    lines = store.overview("misc.test", EVERY)
                    figures = store.group("misc.test")
                    assert len(lines) <= 20
                    assert figures is None or figures.count <= 20
                    for number in store.numbers("misc.test", EVERY)[:2]:
                        store.retrieve("misc.test", number)
            except BaseException as error:  # noqa: BLE001 - told by the test
                faults.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(100, 300):
            store.add([written(number, body=LARGE if number % 50 == 0 else "hello\n")])
        is_over.set()
        for reader in readers:
            reader.join()
    assert not faults


def test_nothing_is_filed_while_the_reserve_of_the_disk_is_touched(tmp_path: Path) -> None:
    rules = ReaderRules("gw.test")
    with ReaderStore(tmp_path, Disk(is_syncing=False), rules, reserve_bytes=1 << 60) as store:
        with pytest.raises(StoreFull):
            store.add([written(1)])
        assert marks(store) == {}


def test_a_store_of_a_newer_program_or_none_at_all_is_not_opened(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "reader.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        open_store(tmp_path)
    (tmp_path / "reader.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreCorrupt):
        open_store(tmp_path)


def test_a_database_that_was_deleted_begins_anew_and_its_numbers_go_on(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add([written(1, body=LARGE), written(2, groups="comp.x")])
    for path in tmp_path.glob("reader.sqlite*"):
        path.unlink()
    with open_store(tmp_path, configured={"local.talk": ""}) as store:
        assert store.sweep() == 1
        behind = SET_ASIDE_COUNT + 1
        assert marks(store) == {
            "comp.x": (behind + 1, behind, 0),
            "local.talk": (1, 0, 0),
            "misc.test": (behind + 1, behind, 0),
        }
        assert filings(store, written(1), written(3, groups="comp.y")) == ["filed", "filed"]
        assert message_ids(store, "misc.test") == [(behind + 1, "<1@a.test>")]
        assert message_ids(store, "comp.y") == [(1, "<3@a.test>")]
    with open_store(tmp_path) as store:
        assert message_ids(store, "misc.test") == [(behind + 1, "<1@a.test>")]


def test_numbers_are_on_disk_before_they_are_given_and_rarely_written(tmp_path: Path) -> None:
    steps: list[str] = []

    def note(step: str, path: Path) -> None:
        if step == "commit" or path.name == "marks":
            steps.append(step)

    with open_store(tmp_path, Disk(is_syncing=False, hook=note)) as store:
        steps.clear()
        store.add([written(1)])
        assert steps[-1] == "commit"
        assert steps[:-1]
        steps.clear()
        for start in range(10):
            store.add([written(f"{start}.{number}") for number in range(100)])
        assert steps == ["commit"] * 10
        store.add([written(2)])
        assert steps[10:] == ["rename", "commit"]


def test_a_file_of_numbers_that_was_damaged_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "marks").write_bytes(b"misc.test 41\n\xff\n nothing\ncomp.x many\ncomp.y 7\n")
    with open_store(tmp_path) as store:
        assert marks(store) == {"comp.y": (8, 7, 0), "misc.test": (42, 41, 0)}


def test_a_store_that_was_deleted_whole_begins_at_one(tmp_path: Path) -> None:
    with open_store(tmp_path / "a") as store:
        store.add([written(1)])
    shutil.rmtree(tmp_path / "a")
    with open_store(tmp_path / "a") as store:
        assert filings(store, written(1)) == ["filed"]
        assert marks(store) == {"misc.test": (1, 1, 1)}


def test_groups_are_listed_whatever_the_clock_said_when_they_came_to_be(
    store: ReaderStore, clock: SetClock
) -> None:
    clock.wall_ahead_seconds = -1e9
    store.add([written(1)])
    assert [line.name for line in store.groups()] == ["misc.test"]
    assert store.new_groups(0.0) == []


def test_a_group_that_is_wanted_no_more_is_listed_while_it_has_articles(
    tmp_path: Path, clock: SetClock
) -> None:
    with open_store(tmp_path, clock=clock.make) as store:
        store.add([written(1, groups="alt.spam"), written(2, groups="comp.x")])
    rules: dict[str, Any] = {"keep_seconds": 100.0, "groups": Wildmat.parse("comp.*")}
    with open_store(tmp_path, clock=clock.make, **rules) as store:
        assert list(marks(store)) == ["alt.spam", "comp.x"]
        clock.go_on(101)
        store.expire()
        assert marks(store) == {"comp.x": (2, 1, 0)}
        assert store.group("alt.spam") == GroupFigures("alt.spam", 2, 1, 0)
