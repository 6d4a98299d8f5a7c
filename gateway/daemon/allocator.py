"""Freed memory is kept for the next message instead of being given back to the kernel.

glibc returns what is free at the top of the heap as soon as it is 128 KiB. Messages come and go, so each
would be given pages that are new and have to be cleared: a fifth of all that is done with a large one.
"""

import ctypes

KEPT_BYTES = 16 << 20
"""Free memory that stays."""
OWN_MAPPING_BYTES = 4 << 20
"""Larger blocks come from the kernel and go back to it at once."""
GROWTH_BYTES = 1 << 20
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""From malloc.h."""


def keep_freed_memory() -> None:
    """Tell the C library, if it is glibc; another one does as it likes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(_M_TOP_PAD, GROWTH_BYTES)
    mallopt(_M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)
