"""An article goes to each feed that wants it, unless one of its limits keeps it back."""

import pytest

from gateway.errors import ConfigError
from gateway.nntp.article import Article, read_article
from gateway.nntp.wildmat import Wildmat
from gateway.routing.feeds import Distributions, Feed, Feeds
from tests.support.news import article
from tests.support.newsroom import crlf, feed


def read(**values: str) -> Article:
    found = read_article(crlf(article(1, **values)))
    assert isinstance(found, Article)
    return found


@pytest.mark.parametrize(
    ("patterns", "groups", "is_taken"),
    [
        ("*", "comp.lang.c", True),
        ("comp.*", "misc.test", False),
        ("comp.*", "misc.test,comp.lang.c", True),
        ("comp.*,!comp.binaries.*", "comp.binaries.x", False),
        ("comp.*,!comp.binaries.*,comp.binaries.d", "comp.binaries.d", True),
        ("*,@alt.spam.*", "comp.lang.c,alt.spam.more", False),
    ],
)
def test_groups_decide_first(patterns: str, groups: str, *, is_taken: bool) -> None:
    assert feed(groups=Wildmat.parse(patterns)).takes(read(groups=groups)) is is_taken


@pytest.mark.parametrize(
    ("words", "field", "is_taken"),
    [
        ([], "local", True),
        (["!local"], "local", False),
        (["!local"], "world", True),
        (["world"], "local", False),
        (["world"], "LOCAL, World", True),
        (["world", "!local"], "local, world", False),
        (["world"], "", True),
    ],
)
def test_distributions_are_compared_in_any_case_and_none_passes(
    words: list[str], field: str, *, is_taken: bool
) -> None:
    found = read(more=f"Distribution: {field}") if field else read()
    assert feed(distributions=Distributions.parse(words)).takes(found) is is_taken


def test_a_distribution_without_a_name_is_an_error() -> None:
    with pytest.raises(ConfigError):
        Distributions.parse(["!"])


def test_limits_hold_at_the_exact_figure() -> None:
    found = read(groups="a.b,c.d", path="one!two!")
    for key, figure in (
        ("max_article_bytes", found.size_bytes),
        ("max_groups_count", 2),
        ("max_hops_count", 3),
    ):
        assert feed(**{key: figure}).takes(found)
        assert not feed(**{key: figure - 1}).takes(found)


def test_control_messages_may_be_left_out() -> None:
    found = read(more="Control: cancel <x@y>")
    assert feed().takes(found)
    assert not feed(is_control_fed=False).takes(found)


def test_what_has_been_there_and_what_came_from_there_does_not_go_there() -> None:
    feeds = Feeds((feed(name="one", path_names=("news.one",)), feed(name="two"), feed(name="three")))
    targets = feeds.targets(read(path="NEWS.one!"), "three")
    assert [target.name for target in targets] == ["two"]


def test_nothing_is_fed_where_nothing_is_configured() -> None:
    assert Feeds().targets(read(), "") == ()
    assert not Feed("f", Wildmat.parse("!*")).takes(read())
