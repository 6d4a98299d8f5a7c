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


def test_the_guide_shows_a_laptop_and_a_village() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS)
def test_a_table_of_the_guide_is_read(block: str) -> None:
    file = parse_gateway_text(GUIDE, block)
    assert file.submission.cleartext_on_loopback == (file.submission.certificate is None)
    assert file.submission.listen
