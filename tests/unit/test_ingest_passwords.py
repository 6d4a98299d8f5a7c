"""Passwords are kept as hashes, checked in the same time for everybody, and never shown."""

import stat
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import ConfigError, StoreError
from gateway.ingest import passwords
from gateway.ingest.passwords import (
    Cost,
    PasswordHash,
    Passwords,
    check_name,
    hash_password,
    read_passwords,
    write_passwords,
)

CHEAP = Cost(log_n=4, r=8, p=1)
DISK = Disk(is_syncing=False)


def test_a_password_is_known_by_its_hash_alone() -> None:
    hashed = hash_password("correct horse", CHEAP)
    assert hashed.is_of("correct horse")
    assert not hashed.is_of("correct horsE")
    assert not hashed.is_of("")
    assert "horse" not in hashed.text
    assert hashed.text != hash_password("correct horse", CHEAP).text


def test_the_hash_is_that_of_rfc_7914() -> None:
    # Section 12, second vector: "password", "NaCl", N=1024, r=8, p=16.
    digest = bytes.fromhex(
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830da"
        "c727afb94a83ee6d8360cbdfa2cc0640"
    )
    assert PasswordHash(Cost(10, 8, 16), b"NaCl", digest).is_of("password")


def test_the_cost_stands_with_the_hash_and_the_default_is_dear() -> None:
    hashed = hash_password("correct horse", CHEAP)
    assert PasswordHash.parse(hashed.text) == hashed
    assert hashed.text.startswith("$scrypt$ln=4,r=8,p=1$")
    assert Cost() == Cost(log_n=14, r=8, p=5)
    assert Cost().memory_bytes > 16 << 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wonderland",
        "$scrypt$ln=4,r=8,p=1$c2FsdA",
        "$scrypt$ln=4,r=8,p=1$c2FsdA$!!",
        "$scrypt$ln=4,r=8,p=1$c2FsdA$a",
        "$scrypt$ln=0,r=8,p=1$c2FsdA$c2FsdA",
        "$scrypt$ln=99,r=8,p=1$c2FsdA$c2FsdA",
        "$scrypt$ln=20,r=99,p=1$c2FsdA$c2FsdA",
        "$scrypt$ln=4,r=0,p=1$c2FsdA$c2FsdA",
        "$scrypt$ln=4,r=8,p=0$c2FsdA$c2FsdA",
        "$2b$12$abcdefghijklmnopqrstuv",
    ],
)
def test_what_is_no_hash_or_would_take_all_memory_is_not_used(text: str) -> None:
    assert PasswordHash.parse(text) is None


@pytest.mark.parametrize(
    "password", ["", "seven77", "x" * 1001, "with\0nul in it", "with\ttab in it", "a\udcff" * 8]
)
def test_a_password_that_nobody_should_have_is_refused(password: str) -> None:
    with pytest.raises(ConfigError, match="allowed: ") as caught:
        hash_password(password, CHEAP)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a:b", "ä", "a\n", "x" * 65, "#a"])
def test_a_name_that_can_not_stand_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="allowed: "):
        check_name(name)


def test_the_file_is_written_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    users = {"bob": hash_password("correct horse", CHEAP), "alice@a.test": hash_password("wonderland", CHEAP)}
    path = tmp_path / "passwords"
    write_passwords(path, users, DISK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_passwords(path) == users
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#")
    assert [line.partition(":")[0] for line in lines[1:]] == ["alice@a.test", "bob"]
    write_passwords(path, {}, DISK)
    assert read_passwords(path) == {}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("line", ["alice", "alice:secret", ":$scrypt$x", "bob:{0}\nbob:{0}", "a b:{0}"])
def test_a_line_that_can_not_be_read_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "passwords"
    path.write_text("# comment\n\n" + line.format(hash_password("correct horse", CHEAP).text) + "\n")
    with pytest.raises(ConfigError, match=r"passwords, line \d: ") as caught:
        read_passwords(path)
    assert "secret" not in str(caught.value)
    assert "$scrypt$ln" not in str(caught.value)


def test_a_file_that_is_not_there_has_no_users_and_one_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    assert read_passwords(tmp_path / "passwords") == {}
    with pytest.raises(StoreError, match="cannot read"):
        read_passwords(tmp_path)


def test_a_user_that_is_not_known_costs_as_much_as_one_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passwords"
    known = Passwords(path)
    work: list[Cost] = []
    real = passwords._scrypt

    def counted(password: str, salt: bytes, cost: Cost, size_bytes: int) -> bytes:
        work.append(cost)
        return real(password, salt, CHEAP, size_bytes)

    monkeypatch.setattr(passwords, "_scrypt", counted)
    assert not known.check("alice", "wonderland")
    assert work == [Cost()]
    write_passwords(path, {"alice": hash_password("wonderland", CHEAP)}, DISK)
    work.clear()
    assert known.check("alice", "wonderland")
    assert not known.check("alice", "looking-glass")
    assert not known.check("nobody", "wonderland")
    assert not known.check("", "")
    assert work == [CHEAP] * 4
    path.unlink()
    assert not known.check("alice", "wonderland")
