"""How much memory a command takes at most, on a stream of any length."""

import hashlib
import subprocess
import sys
from collections.abc import Iterable, Iterator

from tests.support.nncp_verbs import verb_environ

MIB_BYTES = 1 << 20
LIMIT_MIB = 100

# Runs a command and tells the largest resident set that it reached, in KiB, on its last line of stderr.
_MEASURE = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr);"
    "sys.exit(done.returncode)"
)


def pieces(size_mib: int) -> Iterator[bytes]:
    """A stream of which a part compresses and a part does not, a MiB at a time."""
    noise = hashlib.shake_256(b"noise").digest(MIB_BYTES // 2)
    for number in range(size_mib):
        mask = number.to_bytes(8, "big")
        yield hashlib.shake_256(mask).digest(MIB_BYTES // 2) + noise


def peak_mib(argv: list[str], source: Iterable[bytes] = ()) -> float:
    """Run a command on a stream; its largest resident set in MiB."""
    with subprocess.Popen(
        [sys.executable, "-c", _MEASURE, *argv],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=verb_environ(NNCPNOSYNC="1"),
    ) as process:
        assert process.stdin is not None
        for piece in source:
            process.stdin.write(piece)
        _, told = process.communicate()
    assert process.returncode == 0, told.decode()
    return int(told.split()[-1]) * 1024 / MIB_BYTES
