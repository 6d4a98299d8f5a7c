import pytest

from gateway.packet.magic import describe_magic


@pytest.mark.parametrize(
    ("magic", "text"),
    [
        (b"NNCPE\0\0\x05", "encrypted packet v5 format is unsupported (used till 7.7.0)"),
        (b"NNCPP\0\0\x01", "plain packet v1 format is unsupported (used till 2.0)"),
        (b"From me ", "unknown magic number 46726f6d206d6520"),
    ],
)
def test_refused_magic_in_words(magic: bytes, text: str) -> None:
    assert describe_magic(magic) == text
