"""The order in which packets are carried."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carry.urgency import Key, most_urgent_first

KEYS = st.lists(
    st.tuples(st.integers(1, 255), st.integers(0, 1000), st.text(max_size=3)), unique=True, max_size=60
)


def same(key: Key) -> Key:
    return key


@given(KEYS, st.integers(1, 10))
def test_all_come_by_niceness_then_size_whatever_the_round(keys: list[Key], round_count: int) -> None:
    shuffled = random.Random(1).sample(keys, len(keys))
    assert list(most_urgent_first(lambda: iter(shuffled), same, round_count)) == sorted(keys)


@pytest.mark.parametrize("round_count", [1, 2, 100])
def test_what_is_removed_on_the_way_is_not_missed(round_count: int) -> None:
    keys = {(nice, 0, "") for nice in range(1, 20)}
    taken = []
    for key in most_urgent_first(lambda: iter(set(keys)), same, round_count):
        taken.append(key)
        keys.discard(key)
    assert taken == sorted(taken)
    assert keys == set()
