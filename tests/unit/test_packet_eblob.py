import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadBlock, BadMagic, PacketError, TooLarge, Truncated
from gateway.packet.eblob import (
    EBLOB_MAGIC,
    SPACES_LIMIT,
    WORK_LIMIT,
    Costs,
    decode_eblob,
    is_eblob,
    open_eblob,
    seal_eblob,
)

CHEAP = Costs(2, 1, 1)
SALT = bytes(range(32))
SEALED = seal_eblob(b"spool: /x", b"secret", CHEAP, SALT)


@given(st.binary(max_size=50), st.binary(max_size=20), st.integers(1, 9), st.integers(1, 3))
def test_what_is_sealed_opens(data: bytes, passphrase: bytes, spaces: int, jobs: int) -> None:
    raw = seal_eblob(data, passphrase, Costs(spaces, 2, jobs), SALT)
    assert is_eblob(raw)
    assert len(raw) % 4 == 0
    blob = decode_eblob(raw)
    assert (blob.costs, blob.salt) == (Costs(spaces, 2, jobs), SALT)
    assert open_eblob(blob, passphrase) == data


def test_wrong_passphrase_opens_nothing() -> None:
    with pytest.raises(BadBlock, match="passphrase is wrong, or the file is damaged"):
        open_eblob(decode_eblob(SEALED), b"Secret")


@given(st.integers(8, len(SEALED) - 4), st.integers(0, 7))
def test_one_changed_bit_opens_nothing(offset: int, bit: int) -> None:
    changed = bytearray(SEALED)
    changed[offset] ^= 1 << bit
    with pytest.raises(PacketError):
        open_eblob(decode_eblob(bytes(changed)), b"secret")


@given(st.integers(0, len(SEALED) - 1))
def test_cut_file_is_told(size_bytes: int) -> None:
    with pytest.raises(Truncated if size_bytes >= len(EBLOB_MAGIC) else BadMagic):
        decode_eblob(SEALED[:size_bytes])


def test_what_stands_behind_is_refused() -> None:
    with pytest.raises(BadBlock, match="something stands behind"):
        decode_eblob(SEALED + b"\n")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "none at all"),
        (b"spool: /x", "none at all"),
        (b"NNCPB\0\0\x02" + bytes(99), "version that is not"),
    ],
)
def test_other_files_are_told_apart(raw: bytes, text: str) -> None:
    with pytest.raises(BadMagic, match=text):
        decode_eblob(raw)


@given(st.binary(max_size=200))
def test_garbage_raises_only_packet_errors(garbage: bytes) -> None:
    with pytest.raises(PacketError):
        decode_eblob(EBLOB_MAGIC + garbage[:40] + b"\xff" * 8)


@pytest.mark.parametrize(
    ("costs", "text"),
    [
        (Costs(0, 1, 1), "space cost 0, allowed: from 1"),
        (Costs(1, 0, 1), "time cost 0, allowed: from 1"),
        (Costs(1, 1, 0), "number of jobs 0, allowed: from 1"),
        (Costs(-1, 1, 1), "space cost -1"),
    ],
)
def test_costs_that_protect_nothing_are_refused(costs: Costs, text: str) -> None:
    with pytest.raises(PacketError, match=text):
        seal_eblob(b"", b"", costs, SALT)


@pytest.mark.parametrize(
    "costs",
    [Costs(SPACES_LIMIT + 1, 1, 1), Costs(2**32 - 1, 2**32 - 1, 2**32 - 1), Costs(8, WORK_LIMIT // 8, 2)],
)
def test_hostile_costs_are_refused_before_anything_is_computed(costs: Costs) -> None:
    head = EBLOB_MAGIC + b"".join(
        cost.to_bytes(4, "big") for cost in (costs.spaces, costs.rounds, costs.jobs)
    )
    blob = decode_eblob(head + SEALED[20:])
    with pytest.raises(TooLarge, match="allowed"):
        open_eblob(blob, b"secret")


def test_largest_allowed_costs_are_far_above_the_usual() -> None:
    Costs(SPACES_LIMIT, 16, 2).check()
    Costs(32768, 512, 2).check()
