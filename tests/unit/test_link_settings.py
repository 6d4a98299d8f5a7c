import pytest

from gateway.errors import LocalProtocolError
from gateway.link.envelope import MESSAGE_LIMIT_BYTES
from gateway.link.frames import file_bytes
from gateway.link.settings import LONGEST_CHUNK_BYTES, LinkSettings, Padding


def test_the_defaults_are_those_of_go() -> None:
    settings = LinkSettings()
    assert settings.padding is Padding.GO
    assert (settings.ping_seconds, settings.handshake_seconds, settings.idle_seconds) == (60, 10, 10)
    assert (settings.rx_per_second_count, settings.tx_per_second_count, settings.longest_seconds) == (0, 0, 0)


def test_the_longest_chunk_fills_a_message() -> None:
    assert file_bytes(LONGEST_CHUNK_BYTES) == MESSAGE_LIMIT_BYTES


@pytest.mark.parametrize("chunk_bytes", [-1, 0, LONGEST_CHUNK_BYTES + 1])
def test_a_chunk_that_fits_no_message_is_refused(chunk_bytes: int) -> None:
    with pytest.raises(LocalProtocolError, match="a chunk has 1 to 65232 bytes"):
        LinkSettings(chunk_bytes=chunk_bytes)
