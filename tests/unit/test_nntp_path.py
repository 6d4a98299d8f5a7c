import pytest

from gateway.nntp.article import Article, read_article
from gateway.nntp.path import (
    Source,
    hop_count,
    is_in_path,
    is_path_identity,
    path_identities,
    relayed,
    without_fields,
)
from tests.support.articles import article

PATH = "b.test!!a.test!.SEEN.192.0.2.1!c.test!.POSTED.d.test!not-for-mail"


def passed_on(data: bytes, source: Source) -> bytes:
    found = read_article(data)
    assert isinstance(found, Article)
    return relayed(data, "us.test", source, found)


def test_names_in_a_path_are_neither_diagnostics_nor_the_tail() -> None:
    assert path_identities(PATH) == ("b.test", "a.test", "c.test")
    assert hop_count(PATH) == 3
    assert hop_count("not-for-mail") == 0
    assert path_identities("a.test!\t b.test! x") == ("a.test", "b.test")


def test_loop_is_seen_by_any_of_our_names_in_any_case() -> None:
    assert is_in_path(PATH, ("other", "A.TEST"))
    assert not is_in_path(PATH, ("192.0.2.1", "not-for-mail", "d.test", "test"))
    assert not is_in_path(PATH, ())


@pytest.mark.parametrize(
    ("source", "front"),
    [
        (Source(("x.test", "a.news.test")), "us.test!!a.news.test!"),
        (Source(("A.News.Test",)), "us.test!!a.news.test!"),
        (Source(("x.test",), "192.0.2.1"), "us.test!.MISMATCH.x.test!a.news.test!"),
        (Source((), "192.0.2.1"), "us.test!.SEEN.192.0.2.1!a.news.test!"),
        (Source((), "bob !\r\n"), "us.test!.SEEN.bob----!a.news.test!"),
        (Source(), "us.test!a.news.test!"),
    ],
)
def test_relaying_changes_path_alone(source: Source, front: str) -> None:
    data = article("Path: x\r\nXref: y\r\n", X_Other="1")
    assert passed_on(data, source) == article(
        "Path: x\r\nXref: y\r\n", X_Other="1", Path=f"{front}x!not-for-mail"
    )


def test_relaying_drops_xref_with_all_its_lines() -> None:
    data = b"xref: a b:1\r\n\tc:2\r\n" + article(Xref="d e:3", X_Xref="kept")
    assert passed_on(data, Source()) == article(Path="us.test!a.news.test!x!not-for-mail", X_Xref="kept")


def test_path_that_begins_on_its_second_line_stays_so() -> None:
    data = article(Path="\r\n a.test!x")
    assert b"Path: us.test!!\r\n a.test!x\r\n" in passed_on(data, Source(("a.test",)))


def test_line_of_path_is_folded_before_it_is_too_long() -> None:
    data = article(Path="!".join(["host.example.test"] * 56))
    changed = passed_on(data, Source())
    assert b"Path: us.test!\r\n\thost.example.test!" in changed
    found = read_article(changed)
    assert isinstance(found, Article)
    assert hop_count(found.path) == 56


def test_fields_are_taken_out_of_the_header_only() -> None:
    data = b"A: 1\r\nB: 2\r\n more\r\nAB: 3\r\n\r\nA: body\r\n"
    assert without_fields(data, ["a", "B"]) == b"AB: 3\r\n\r\nA: body\r\n"
    assert without_fields(b"A: 1\r\n", ["a"]) == b""


def test_names_that_may_stand_in_a_path() -> None:
    assert all(map(is_path_identity, ("news.example.org", "uucp_site", "a")))
    assert not any(map(is_path_identity, ("", ".a", "a!b", "a b", "ö", "a" * 254)))


@pytest.mark.parametrize("name", ["Path", "path", "PATH", "pAtH"])
@pytest.mark.parametrize("front", ["", "X-Path: no\r\n"])
def test_path_is_found_whatever_its_letters_and_place(name: str, front: str) -> None:
    data = front.encode() + article(Path="x!not-for-mail").replace(b"Path:", name.encode() + b":", 1)
    changed = front.encode() + article(Path="us.test!x!not-for-mail")
    assert passed_on(data, Source()) == changed


@pytest.mark.parametrize(
    "xref",
    [
        "Xref: a b:1\r\n",
        "Xref: a b:1\r\n\tc:2\r\n",
        "XREF: a b:1\r\n",
        "Xref: a b:1\r\nXref: c d:2\r\n",
        "Xref:\r\n",
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_xref_goes_wherever_and_however_it_stands(xref: str, place: str) -> None:
    header, _, body = article(X_Xref="Xref: kept").partition(b"\r\n\r\n")
    lines = header.split(b"\r\n")
    at = {"first": 0, "middle": 3, "last": len(lines)}[place]
    lines.insert(at, xref.removesuffix("\r\n").encode())
    expected = article(Path="us.test!a.news.test!x!not-for-mail", X_Xref="Xref: kept")
    assert passed_on(b"\r\n".join(lines) + b"\r\n\r\n" + body, Source()) == expected
