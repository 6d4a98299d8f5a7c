import pytest

from gateway.spool.sizes import ibytes


@pytest.mark.parametrize(
    ("size_bytes", "written"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (10, "10 B"),
        (277, "277 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (4372, "4.3 KiB"),
        (10188, "9.9 KiB"),
        (10189, "10 KiB"),
        (300295, "293 KiB"),
        (300531, "294 KiB"),
        (1024**2 - 1, "1024 KiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3 + 1024**3 // 2, "5.5 GiB"),
        (1024**6, "1.0 EiB"),
        (2**63 - 1, "8.0 EiB"),
    ],
)
def test_size_is_written_as_the_go_tools_write_it(size_bytes: int, written: str) -> None:
    assert ibytes(size_bytes) == written


def test_half_a_unit_is_rounded_to_even_from_ten_on() -> None:
    assert ibytes(10 * 1024 + 512) == "10 KiB"
    assert ibytes(11 * 1024 + 512) == "12 KiB"
