import pytest

from gateway.nntp.wildmat import (
    REMEMBERED_COUNT,
    REMEMBERED_GROUPS_COUNT,
    BadWildmat,
    Verdict,
    Wildmat,
    is_newsgroup_name,
)


@pytest.mark.parametrize(
    ("patterns", "name", "verdict"),
    [
        # The examples of RFC 3977 section 4.4.
        ("aaa", "aaa", Verdict.YES),
        ("aaa", "aaab", Verdict.NO),
        ("a*", "abc", Verdict.YES),
        ("a*,!*b", "aab", Verdict.NO),
        ("a*,!*b,c*", "cxb", Verdict.YES),
        ("a*,c*,!*b", "cxb", Verdict.NO),
        ("?a*", "xaa", Verdict.YES),
        ("??a*", "xxaa", Verdict.YES),
        ("*a", "baa", Verdict.YES),
        ("*a*", "bab", Verdict.YES),
        ("*a?b*", "xacby", Verdict.YES),
        ("a*b*b", "abxb", Verdict.YES),
        ("a*b*b", "ab", Verdict.NO),
        ("comp.*, !comp.binaries.*", "comp.binaries.x", Verdict.NO),
        ("*,@*.sex*", "alt.sex.x", Verdict.POISON),
        ("*,@alt.*,alt.ok", "alt.ok", Verdict.YES),
        ("free.öl?", "free.öle", Verdict.YES),
        ("a.b", "axb", Verdict.NO),
        ("*", "", Verdict.YES),
        ("", "a", Verdict.NO),
    ],
)
def test_the_last_pattern_that_matches_decides(patterns: str, name: str, verdict: Verdict) -> None:
    wildmat = Wildmat.parse(patterns)
    assert wildmat.verdict(name) is verdict
    assert wildmat.matches(name) == (verdict is Verdict.YES)
    assert wildmat.is_poison(name) == (verdict is Verdict.POISON)


@pytest.mark.parametrize("patterns", ["a,,b", "!", "a,", "a[b", "a\\b", "a b", "a!b", "a\0", "x" * 70_000])
def test_what_is_no_list_of_patterns_is_refused(patterns: str) -> None:
    with pytest.raises(BadWildmat):
        Wildmat.parse(patterns)


def test_many_stars_take_no_longer_than_they_must() -> None:
    # With trial and error this would not end before the sun does.
    assert not Wildmat.parse("*a" * 200 + "*b").matches("a" * 497)


def test_article_with_one_poisoned_group_is_not_fed_at_all() -> None:
    wildmat = Wildmat.parse("comp.*,@comp.sex")
    assert wildmat.takes(("misc.test", "comp.misc"))
    assert not wildmat.takes(("comp.sex", "comp.misc"))
    assert not wildmat.takes(("misc.test",))
    assert not wildmat.takes(())


def test_many_groups_are_judged_as_few_are() -> None:
    wildmat = Wildmat.parse("comp.*,@*.sex")
    many = tuple(f"misc.{number}" for number in range(REMEMBERED_GROUPS_COUNT))
    assert not wildmat.takes(many)
    assert wildmat.takes((*many, "comp.misc"))
    assert not wildmat.takes((*many, "comp.misc", "comp.sex"))
    assert Wildmat.parse("misc.*").takes(many)


@pytest.mark.parametrize("name", ["comp.lang.c++", "a", "a_b.c-d", "free.öl", "0.1"])
def test_names_of_groups(name: str) -> None:
    assert is_newsgroup_name(name)


@pytest.mark.parametrize("name", ["", ".a", "a.", "a..b", "a b", "a,b", "a*", "a!b", "a/b", "a\n", "a" * 498])
def test_what_can_be_no_name_of_a_group(name: str) -> None:
    assert not is_newsgroup_name(name)


def test_what_is_remembered_of_many_groups_is_right_and_bounded() -> None:
    wildmat = Wildmat.parse("a.*,!a.x.*")
    names = [(f"a.{'x' if number % 3 else 'y'}.{number}",) for number in range(2 * REMEMBERED_COUNT + 1)]
    for _ in range(2):
        assert [wildmat.takes(name) for name in names] == [name[0].startswith("a.y") for name in names]
    assert wildmat == Wildmat.parse("a.*,!a.x.*")
