"""Reading at the endpoint: what the store has comes out of the socket, page by page."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.ingest.nntp_reading import PAGE_COUNT
from tests.support.news import GROUP, article
from tests.support.newsroom import crlf
from tests.support.nntp_endpoint import NntpEndpoint

COUNT = PAGE_COUNT * 2 + 5


def filled(directory: Path, count: int, **settings: object) -> NntpEndpoint:
    endpoint = NntpEndpoint(directory, is_reader_on=True, **settings)  # type: ignore[arg-type]
    endpoint.store.add([crlf(article(number, f"body {number}\n.dot\n")) for number in range(1, count + 1)])
    return endpoint


def test_a_reader_finds_groups_and_articles(tmp_path: Path) -> None:
    with filled(tmp_path, 3) as endpoint, endpoint.client() as client:
        assert client.command("LIST")[0] == 215
        assert client.block() == [b"misc.test 0000000003 0000000001 y", b"mod.test 0000000000 0000000001 m"]
        assert client.command("LIST NEWSGROUPS misc.*")[0] == 215
        assert client.block() == [b"misc.test\ttests"]
        assert client.command("LIST COUNTS misc.*")[0] == 215
        assert client.block() == [b"misc.test 3 1 3 y"]
        assert client.command("NEWGROUPS 20000101 000000 GMT")[0] == 231
        assert len(client.block()) == 2
        assert client.command("GROUP no.such")[0] == 411
        assert client.command("GROUP misc.test") == (211, "3 1 3 misc.test")
        assert client.command("LISTGROUP misc.test 2-")[0] == 211
        assert client.block() == [b"2", b"3"]
        assert client.command("ARTICLE 2")[0] == 220
        assert client.block()[-2:] == [b"body 2", b".dot"]
        assert client.command("STAT <3@a.test>") == (223, "0 <3@a.test>")
        assert [client.command("NEXT")[0], client.command("NEXT")[0], client.command("LAST")[0]] == [
            223,
            421,
            223,
        ]
        assert client.command("ARTICLE 99")[0] == 423
        assert client.command("BODY <none@a.test>")[0] == 430


def test_overview_and_fields(tmp_path: Path) -> None:
    with filled(tmp_path, 3) as endpoint, endpoint.client() as client:
        assert client.command("GROUP misc.test")[0] == 211
        assert client.command("OVER 2-3")[0] == 224
        lines = client.block()
        assert [line.split(b"\t")[:2] for line in lines] == [[b"2", b"number 2"], [b"3", b"number 3"]]
        assert client.command("OVER <1@a.test>")[0] == 224
        assert client.block()[0].startswith(b"0\tnumber 1\t")
        assert client.command("HDR Subject 1-")[0] == 225
        assert client.block() == [b"1 number 1", b"2 number 2", b"3 number 3"]
        assert client.command("XHDR Subject <2@a.test>")[0] == 221
        assert client.block() == [b"<2@a.test> number 2"]
        assert client.command("XPAT Subject 1- *3")[0] == 221
        assert client.block() == [b"3 number 3"]
        assert [client.command("OVER 7-9")[0], client.command("OVER <none@a.test>")[0]] == [423, 430]
        assert client.command("NEWNEWS * 20000101 000000 GMT")[0] == 503


def test_long_lists_come_whole_and_in_order_whatever_else_was_asked(tmp_path: Path) -> None:
    with filled(tmp_path, COUNT, is_newnews_on=True) as endpoint, endpoint.client() as client:
        client.send(b"GROUP misc.test\r\nXOVER 1-\r\nDATE\r\nNEWNEWS misc.* 20000101 000000 GMT\r\nQUIT\r\n")
        assert client.answer()[0] == 211
        assert client.answer()[0] == 224
        assert [int(line.split(b"\t")[0]) for line in client.block()] == list(range(1, COUNT + 1))
        assert client.answer()[0] == 111
        assert client.answer()[0] == 230
        assert len(client.block()) == COUNT
        assert client.answer()[0] == 205
        assert client.is_closed()


def test_a_reader_who_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    with filled(tmp_path, COUNT) as endpoint, endpoint.client() as lazy, endpoint.client() as client:
        lazy.send(b"GROUP misc.test\r\n" + b"XOVER 1-\r\n" * 200)
        assert client.command("GROUP misc.test")[0] == 211
        for number in range(1, 50):
            assert client.command(f"HEAD {number}")[0] == 221
            client.block()
        assert client.take_this("new")[0] == 239


def test_a_store_that_fails_is_said_and_does_not_end_the_connection(tmp_path: Path) -> None:
    with filled(tmp_path, 1) as endpoint, endpoint.client() as client:
        with closing(sqlite3.connect(next((tmp_path / "reader").glob("*.sqlite")))) as database:
            database.execute("ALTER TABLE newsgroup RENAME TO gone")
        assert client.command(f"GROUP {GROUP}")[0] == 403
        assert client.command("DATE")[0] == 111
