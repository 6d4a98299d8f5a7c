"""Which place mail for somebody here goes to: the most exact domain decides."""

import pytest

from gateway.errors import ConfigError
from gateway.routing.places import Places

PLACES = Places(
    [("b.test", "deep.village.test"), (".b.test", "Village.test"), (".village.test", ".x.b.test")]
)


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("bob@b.test", 0),
        ("bob@B.Test", 0),
        ("bob@sub.b.test", 1),
        ("bob@a.x.b.test", 2),
        ("bob@x.b.test", 1),
        ("bob@village.test", 1),
        ("bob@far.village.test", 2),
        ("bob@deep.village.test", 0),
        ('"a@village.test"@b.test', 0),
        ("bob@elsewhere.test", 0),
        ("bob@[192.0.2.1]", 0),
        ("postmaster", 0),
        ("", 0),
    ],
)
def test_the_most_exact_pattern_decides_and_the_first_place_has_the_rest(address: str, number: int) -> None:
    assert PLACES.number_of(address) == number


def test_a_domain_with_two_places_is_refused_whatever_its_case() -> None:
    with pytest.raises(ConfigError, match=r"'B\.test' has two targets"):
        Places([("b.test",), ("B.test",)])


def test_a_domain_that_stands_twice_for_one_place_does_no_harm() -> None:
    assert Places([(), ("b.test", "b.test")]).number_of("bob@b.test") == 1
