import pytest

from gateway.packet.keys import generate_keys, node_id_of
from tests.support.packets import golden_keys, seeded


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_id_of_a_node_made_by_the_go_tools(name: str) -> None:
    keys = golden_keys(name)
    assert node_id_of(keys.signpub) == keys.id


def test_new_keys() -> None:
    keys = generate_keys(seeded("new"))
    assert keys.id == node_id_of(keys.signpub)
    assert keys.signprv[32:] == keys.signpub
    assert len({keys.exchprv, keys.exchpub, keys.noiseprv, keys.noisepub, keys.signpub}) == 5
    assert keys == generate_keys(seeded("new"))
    assert keys.id != generate_keys(seeded("other")).id


def test_private_keys_are_never_shown() -> None:
    keys = generate_keys(seeded("new"))
    for shown in (repr(keys), str(keys), repr(keys.public)):
        for secret in (keys.exchprv, keys.signprv, keys.noiseprv):
            assert repr(secret) not in shown
    assert keys.public.signpub == keys.signpub
