"""``nncp hash``: the Merkle-tree hash of a file, which is also how packets get their names."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.cli.nncp.context import fatal
from gateway.cli.nncp.flags import STATUS_OK, parse
from gateway.cli.nncp.standard_input import READ_BYTES, read_stdin
from gateway.cli.nncp.verbs import HASH
from gateway.durable import store_errors
from gateway.errors import GatewayError
from gateway.packet.mth import MerkleTreeHash
from gateway.spool.progress import open_progress


def run(arguments: list[str], _environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    parsed = parse(HASH, arguments)
    if isinstance(parsed, int):
        return parsed
    name = parsed.text("file")
    if parsed.number("seek") and not name:
        return fatal(HASH, "-file is required with -seek")
    tree = MerkleTreeHash()
    is_shown = parsed.switch("progress")
    progress = open_progress(is_wanted=is_shown, is_forced=is_shown)
    try:
        pieces: Iterator[bytes | memoryview] = _read_file(Path(name)) if name else read_stdin()
        with progress.bar(f"hashing {name or '-'}", _size_bytes(name)) as bar:
            for piece in bar.follow(pieces):
                tree.update(piece)
    except GatewayError as error:
        return fatal(HASH, error)
    sys.stdout.write(tree.digest().hex() + "\n")
    return STATUS_OK


def _size_bytes(name: str) -> int | None:
    try:
        return Path(name).stat().st_size if name else None
    except OSError:
        return None


def _read_file(path: Path) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(READ_BYTES))
    with store_errors(path, "read"), path.open("rb", buffering=0) as file:
        while size_bytes := file.readinto(buffer):
            yield buffer[:size_bytes]
