"""What the guide for a laptop's outbox shows is what the program takes."""

import re

import pytest

from gateway.config.gateway_toml import parse_gateway_text
from tests.support.peers import PROJECT

GUIDE = PROJECT / "docs" / "howto" / "laptop-outbox.md"
BLOCKS = [
    block.replace("\n    ", "\n").strip()
    for block in re.findall(r"(?:\n(?:    .*)?)+\n", GUIDE.read_text())
    if block.lstrip().startswith("[")
]


ENDPOINTS = [block for block in BLOCKS if block.startswith("[submission]")]


def test_the_guide_shows_a_laptop_what_home_allows_it_and_a_village() -> None:
    assert len(BLOCKS) == 3
    assert len(ENDPOINTS) == 2


@pytest.mark.parametrize("block", BLOCKS)
def test_a_table_of_the_guide_is_read(block: str) -> None:
    parse_gateway_text(GUIDE, block)


@pytest.mark.parametrize("block", ENDPOINTS)
def test_an_endpoint_of_the_guide_takes_passwords_in_clear_only_where_it_has_no_certificate(
    block: str,
) -> None:
    file = parse_gateway_text(GUIDE, block)
    assert file.submission.cleartext_on_loopback == (file.submission.certificate is None)
    assert file.submission.listen
