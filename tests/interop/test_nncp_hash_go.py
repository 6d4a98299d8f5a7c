"""What ``nncp hash`` prints, beside Go's."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.nncp_verbs import run_verb_process
from tests.support.peers import require

LEAF_BYTES = 128 * 1024
SIZES_BYTES = [0, 1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES, 5 * LEAF_BYTES + 7]


def go_hash(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    argv = [require("nncp-hash"), *map(str, arguments)]
    return subprocess.run(argv, input=stdin, capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("size_bytes", SIZES_BYTES)
def test_the_hash_is_gos(place: Path, size_bytes: int) -> None:
    """A file, standard input and any -seek give the same line as Go's tool."""
    require("nncp-hash")
    content = os.urandom(size_bytes)
    path = place / "file"
    path.write_bytes(content)
    expected = go_hash("-file", path)
    assert run_verb_process("hash", "-file", path).stdout == expected
    assert run_verb_process("hash", stdin=content).stdout == expected == go_hash(stdin=content)
    for seek in {1, size_bytes // 2, size_bytes} - {0}:
        ours = run_verb_process("hash", "-seek", str(seek), "-file", path).stdout
        assert ours == go_hash("-seek", str(seek), "-file", path) == expected
    assert run_verb_process("hash", "-force-fat", "-file", path).stdout == expected
