"""``passwd`` sets, takes away and lists, and shows no password."""

import stat
from pathlib import Path

import pytest

from gateway.ingest.passwords import read_passwords
from tests.support.gateways import MODULE, GatewayNode
from tests.support.terminal import type_at


@pytest.fixture
def node(tmp_path: Path) -> GatewayNode:
    return GatewayNode(tmp_path / "a", "a.test")


def users(node: GatewayNode) -> dict[str, object]:
    return dict(read_passwords(node.home / "state" / "passwords"))


def test_a_password_comes_from_standard_input_where_there_is_no_terminal(node: GatewayNode) -> None:
    done = node.run("passwd", "alice", stdin=b"wonderland\r\nmore\n")
    assert done.out == "alice can log in\n"
    path = node.home / "state" / "passwords"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_passwords(path)["alice"].is_of("wonderland")


def test_users_are_listed_changed_and_taken_away(node: GatewayNode) -> None:
    for name in ("carol", "alice"):
        node.run("passwd", name, stdin=b"wonderland\n")
    before = users(node)["alice"]
    node.run("passwd", "alice", stdin=b"looking-glass")
    assert users(node)["alice"] != before
    assert node.run("passwd", "--list").out == "alice\ncarol\n"
    assert node.run("passwd", "alice", "--delete").out == "alice can log in no more\n"
    assert node.run("passwd", "--list").out == "carol\n"


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        ((), 64, "allowed: USER"),
        (("alice", "--list"), 64, "allowed: USER"),
        (("--list", "--delete"), 64, "allowed: USER"),
        (("nobody", "--delete"), 64, "there is no user nobody"),
        (("a:b",), 78, "is no name of a user; allowed: "),
        (("alice",), 78, "the password has 5 characters; allowed: "),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    node: GatewayNode, words: tuple[str, ...], status: int, named: str
) -> None:
    done = node.run("passwd", *words, stdin=b"short\n", is_checked=False)
    assert (done.status, named in done.err) == (status, True), done.err
    assert "short" not in done.err
    assert users(node) == {}


@pytest.mark.parametrize(
    ("answers", "status"), [(["wonderland", "wonderland"], 0), (["wonderland", "wonderlend"], 64)]
)
def test_a_terminal_is_asked_twice_and_shows_nothing(
    node: GatewayNode, tmp_path: Path, answers: list[str], status: int
) -> None:
    argv = [*MODULE, "-c", str(node.config_path), "passwd", "alice"]
    typed = type_at(argv, answers, tmp_path)
    assert typed.returncode == status, typed.shown
    assert typed.shown.startswith(b"Password:")
    assert b"Repeat password:" in typed.shown
    assert b"wonder" not in typed.shown
    assert set(users(node)) == ({"alice"} if status == 0 else set())


def test_a_file_elsewhere(node: GatewayNode, tmp_path: Path) -> None:
    node.set_toml("submission", f'passwords = "{tmp_path}/users"\n')
    node.run("passwd", "alice", stdin=b"wonderland\n")
    assert set(read_passwords(tmp_path / "users")) == {"alice"}
    assert users(node) == {}


def test_the_endpoint_for_news_has_users_of_its_own_but_where_both_share_a_file(node: GatewayNode) -> None:
    assert "no endpoint for news" in node.run("passwd", "--news", "--list", is_checked=False).err
    node.set_toml("news", 'pathhost = "gw.a.test"\n')
    node.set_toml("nntp", 'listen = ["127.0.0.1:0"]\n')
    node.run("passwd", "--news", "carol", stdin=b"wonderland\n")
    assert list(read_passwords(node.home / "state/news-passwords")) == ["carol"]
    assert list(users(node)) == []
    node.set_toml("nntp", 'passwords = "state/passwords"\n')
    node.run("passwd", "--news", "alice", stdin=b"wonderland\n")
    assert list(users(node)) == ["alice"]
