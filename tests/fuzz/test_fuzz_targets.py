"""A short round of every fuzz target, without coverage's guidance, always the same."""

import time
from itertools import islice

import pytest

from gateway.errors import GatewayError
from tests.fuzz.mutate import changed_inputs
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

INPUT_COUNT = 400
ROUND_SECONDS = 3.0


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_raise_gateway_errors_only(name: str) -> None:
    target = TARGETS[name]
    end = time.monotonic() + ROUND_SECONDS
    tried = 0
    for data in islice(changed_inputs(target, 1), INPUT_COUNT):
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"{name}, input {data.hex()}")
            raise
        tried += 1
        if time.monotonic() > end:
            break
    assert tried > len(list(target.seeds()))


def is_sound(target: Target, data: bytes) -> bool:
    try:
        target.decode(data)
    except GatewayError:
        return False
    return True


@pytest.mark.parametrize("name", TARGETS)
def test_a_round_begins_with_sound_inputs(name: str) -> None:
    target = TARGETS[name]
    assert any(is_sound(target, data) for data in target.seeds())
