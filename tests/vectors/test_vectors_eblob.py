"""Configurations that nncp-cfgenc encrypted open to what went in."""

from pathlib import Path

import pytest

from gateway.packet.eblob import Costs, decode_eblob, open_eblob, seal_eblob

EBLOBS = Path(__file__).parent / "eblobs"
PASSPHRASE = b"correct horse battery staple"
COSTS = {
    "s1t1p1": Costs(1, 1, 1),
    "s16t1p1": Costs(16, 1, 1),
    "s16t3p2": Costs(16, 3, 2),
    "s1024t4p3": Costs(1024, 4, 3),
    "default": Costs(),
}


@pytest.mark.parametrize("name", COSTS)
def test_golden_blob_opens_and_is_sealed_to_the_same_bytes(name: str) -> None:
    raw = (EBLOBS / f"{name}.eblob").read_bytes()
    plain = (EBLOBS / "plain.hjson").read_bytes()
    blob = decode_eblob(raw)
    assert blob.costs == COSTS[name]
    assert open_eblob(blob, PASSPHRASE) == plain
    if name != "default":
        assert seal_eblob(plain, PASSPHRASE, blob.costs, blob.salt) == raw
