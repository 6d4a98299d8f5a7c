"""Memory that the daemon freed is used again without the kernel's help."""

import resource
import subprocess
import sys

PROGRAM = """
import resource
from gateway.daemon.allocator import keep_freed_memory

keep_freed_memory()
counts = []
for _ in range(3):
    for _ in range(20):
        b"x" * (1 << 20)
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(counts[2] - counts[1])
"""


def test_a_block_that_was_freed_needs_no_new_pages() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    pages_of_all = 20 * (1 << 20) // resource.getpagesize()
    assert int(done.stdout) < pages_of_all / 20
