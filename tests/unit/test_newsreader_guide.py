"""What the guide for newsreaders shows is what the program takes, and means what the guide says."""

import re

from gateway.config.gateway_toml import parse_gateway_text
from gateway.config.toml_schema import GatewayFile
from tests.support.peers import PROJECT

GUIDE = PROJECT / "docs" / "howto" / "offline-newsreader.md"
BLOCKS = [
    block.replace("\n    ", "\n").strip()
    for block in re.findall(r"(?:\n(?:    .*)?)+\n", GUIDE.read_text())
    if block.lstrip().startswith("[")
]


def read(number: int) -> GatewayFile:
    return parse_gateway_text(GUIDE, BLOCKS[number])


def test_the_village_and_the_town_carry_the_same_and_know_each_other_by_name() -> None:
    village, town = read(0), read(1)
    to_town, to_village = village.neighbour["town"].news, town.neighbour["village"].news
    assert to_town is not None
    assert to_village is not None
    assert (to_town.feed, to_town.accept) == (to_village.accept, to_village.feed)
    assert to_town.path_names == [town.news.pathhost]
    assert to_village.path_names == [village.news.pathhost]
    assert "local.talk" in village.news.reader.groups
    assert not village.nntp.certificate


def test_others_on_the_network_read_in_tls_only() -> None:
    assert len(BLOCKS) == 3
    nntp = read(2).nntp
    assert nntp.certificate is not None
    assert (nntp.listen, nntp.listen_tls, nntp.post_from) == ([], ["[::]:563"], [])
