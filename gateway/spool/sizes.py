"""Sizes for people, written as the Go tools write them: ``277 B``, ``4.3 KiB``, ``293 KiB``."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP = 1024
_FIRST_WITHOUT_DECIMALS = 10


def ibytes(size_bytes: int) -> str:
    """Write a size with an IEC unit.

    Below ten there is one decimal (bytes never have any), from ten on none. The Go tools round
    twice: to tenths, half up, then those to whole units, half to even; a log read by a program
    should not tell us apart.

    Args:
        size_bytes: zero or more.
    """
    if size_bytes < _FIRST_WITHOUT_DECIMALS:
        return f"{size_bytes} B"
    power = min((size_bytes.bit_length() - 1) // 10, len(_UNITS) - 1)
    unit_bytes = _STEP**power
    # In integers: a float would lose the last digits of an exabyte.
    tenths = (size_bytes * 10 + unit_bytes // 2) // unit_bytes
    if tenths < _FIRST_WITHOUT_DECIMALS * 10:
        return f"{tenths // 10}.{tenths % 10} {_UNITS[power]}"
    return f"{round(tenths / 10)} {_UNITS[power]}"
