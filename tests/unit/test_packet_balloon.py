import pytest

from gateway.packet.balloon import balloon_key

SALT = bytes(range(32))


@pytest.mark.parametrize("changed", ["passphrase", "salt", "spaces", "rounds", "jobs"])
def test_everything_counts(changed: str) -> None:
    usual = {"spaces": 8, "rounds": 2, "jobs": 2}
    key = balloon_key(b"secret", SALT, **usual)
    assert len(key) == 32
    assert balloon_key(b"secret", SALT, **usual) == key
    passphrase = b"secret!" if changed == "passphrase" else b"secret"
    salt = SALT[::-1] if changed == "salt" else SALT
    costs = {name: value + (name == changed) for name, value in usual.items()}
    assert balloon_key(passphrase, salt, **costs) != key
