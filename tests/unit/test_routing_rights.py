"""Rights name whom a neighbour may be and reach; what they do not name is not allowed."""

import pytest

from gateway.errors import ConfigError
from gateway.routing.rights import Addresses, Rate, Rights, sample_of


def test_addresses_are_named_by_the_patterns_of_routes() -> None:
    some = Addresses(("alice@a.test", "b.test", ".c.test"))
    assert "Alice@A.test" in some
    assert "anybody@b.test" in some
    assert "x@y.c.test" in some
    for other in ("bob@a.test", "x@sub.b.test", "x@c.test", "", "alice"):
        assert other not in some
    assert "x@anywhere.test" in Addresses(("*",))
    assert "x@anywhere.test" not in Addresses()
    with pytest.raises(ConfigError):
        Addresses(("no pattern",))


@pytest.mark.parametrize(
    ("senders", "sender", "is_way_back", "may_send", "is_told"),
    [
        (None, "x@a.test", True, True, True),
        (None, "x@a.test", False, True, False),
        (("a.test",), "x@a.test", False, True, True),
        (("a.test",), "x@b.test", True, False, False),
        (("*",), "x@b.test", False, True, True),
        ((), "x@b.test", True, False, False),
        ((), "", False, True, False),
    ],
)
def test_a_sender_is_told_if_it_is_named_or_is_the_neighbours_by_the_routes(
    senders: tuple[str, ...] | None,
    sender: str,
    *,
    is_way_back: bool,
    may_send: bool,
    is_told: bool,
) -> None:
    rights = Rights(senders=None if senders is None else Addresses(senders))
    assert rights.may_send_as(sender) == may_send
    assert rights.is_told_as(sender, is_way_back=is_way_back) == is_told


@pytest.mark.parametrize(
    "pattern",
    ["bob@a.test", "a.test", ".a.test", "*", "[192.0.2.1]", "list-*@a.test", "*.a.test", "x@*", "*@a.test"],
)
def test_a_sample_is_what_its_own_pattern_means(pattern: str) -> None:
    assert sample_of(pattern) in Addresses((pattern,))


def test_a_rate_costs_time_by_number_and_by_size() -> None:
    assert Rate().costs_seconds(10) == (0.0, 0.0)
    assert not Rate().is_limited
    assert Rate(60, 3600).costs_seconds(10) == (60.0, 10.0)
    assert Rate(bytes_per_hour=1).is_limited
