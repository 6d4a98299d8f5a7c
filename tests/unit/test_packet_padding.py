import pytest

from gateway.packet.padding import pad_bytes, sealed_size_bytes
from gateway.packet.sealed import BLOCK_BYTES as B


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (276, 480),
        (B - 17, 131259),
        (B - 16, 131260),
        (B - 15, 131277),
        (B - 1, 131291),
        (B, 131292),
        (B + 1, 131293),
        (2 * B - 16, 262348),
        (2 * B - 15, 262365),
    ],
)
def test_sizes_measured_of_the_go_tools(total: int, size: int) -> None:
    assert sealed_size_bytes(total) == size


@pytest.mark.parametrize(("wrappers", "size"), [(1, 1480), (2, 1960), (3, 2440)])
def test_each_layer_adds_480_bytes_to_a_small_packet(wrappers: int, size: int) -> None:
    assert sealed_size_bytes(1276, wrappers) == size


def test_padding_fills_up_to_the_size_asked_for() -> None:
    assert pad_bytes(286, 1024) == 1024 - 490
    assert pad_bytes(1276, 8192, 3) == 8192 - 2440


def test_packet_that_is_large_enough_is_not_padded() -> None:
    assert pad_bytes(3276, 1024) == 0
    assert pad_bytes(276, 0) == 0
    assert pad_bytes(276, 480) == 0
