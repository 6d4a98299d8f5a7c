"""Neighbours are found by name, then by id."""

from typing import Any

import pytest

from gateway.errors import ConfigError, UnknownNode
from gateway.ids import NodeId
from gateway.nodes import Area, Book
from tests.support.nodes import make_books


def test_a_name_comes_before_an_id() -> None:
    book = make_books("a", "b")["a"]
    b = book.nodes["b"]
    assert book.find("b") is b
    assert book.find(b.id.text) is b
    assert book.find_id(b.id) is b
    assert book.find_keys(b.id) == b.keys
    disguised = Book(book.own, {**book.nodes, b.id.text: book.self_node})
    assert disguised.find(b.id.text) is book.self_node


@pytest.mark.parametrize("name", ["c", "", "A" * 52, "a" * 52, "not base32!"])
def test_an_unknown_name_is_said(name: str) -> None:
    book = make_books("a", "b")["a"]
    with pytest.raises(UnknownNode, match="unknown node"):
        book.find(name)


def test_a_configuration_without_keys_can_be_read_but_not_used() -> None:
    book = make_books("a", "b")["a"]
    keyless = Book(None, book.nodes)
    assert keyless.find("b") is book.nodes["b"]
    with pytest.raises(ConfigError, match="lacks private keys"):
        keyless.private_keys()


def test_a_configuration_must_know_itself() -> None:
    with pytest.raises(ConfigError, match="self"):
        Book(None, {})


def test_private_keys_are_never_shown() -> None:
    book = make_books("a", "b")["a"]
    own = book.private_keys()
    shown = repr(own) + str(own) + repr(book.self_node)
    for secret in (own.exchprv, own.signprv, own.noiseprv):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def an_area(**fields: Any) -> Area:
    return Area("news", NodeId(b"n" * 32), **fields)


def test_an_area_is_found_by_name_then_by_id() -> None:
    book = make_books("a", "b")["a"]
    area = an_area()
    book = Book(book.own, book.nodes, {"news": area})
    assert book.find_area("news") is area
    assert book.find_area(area.id.text) is area
    assert book.find_area_id(area.id) is area
    for name in ("sports", "a", "A" * 52):
        with pytest.raises(UnknownNode, match="unknown area"):
            book.find_area(name)


@pytest.mark.parametrize("keys", [{}, {"pub": b"p" * 32}])
def test_an_area_without_keys_can_be_known_but_not_sent_to(keys: dict[str, bytes]) -> None:
    with pytest.raises(ConfigError, match="area news has no encryption keys"):
        an_area(**keys).keys()
    assert an_area(pub=b"p" * 32, prv=b"q" * 32).keys() == (b"p" * 32, b"q" * 32)
    assert "qqqq" not in repr(an_area(pub=b"p" * 32, prv=b"q" * 32))
