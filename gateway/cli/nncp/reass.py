"""``nncp reass``: join files that came in chunks."""

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK, wrong_usage
from gateway.cli.nncp.verbs import REASS
from gateway.errors import BadMagic, ConfigError, GatewayError, PacketError, StoreError, UnknownNode
from gateway.nodes import Node
from gateway.spool.progress import Bar
from gateway.spool.sizes import ibytes
from gateway.toss.reassembly import (
    BadChunk,
    ChunkedFile,
    copy_chunks,
    find_chunked_files,
    finish_removal,
    is_joined,
    join_chunks,
    missing_chunks,
    prove_chunks,
    read_chunked_file,
    remove_chunks,
)

Fields = list[tuple[str, str | int | bool]]


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(REASS, arguments, environ, _reass)


def _reass(context: Context) -> int:
    parsed = context.parsed
    name, is_all, files = parsed.text("node"), parsed.switch("all"), parsed.arguments
    if bool(files) + bool(name) + is_all != 1 or len(files) > 1:
        return wrong_usage(REASS)
    if files:
        path = Path(files[0])
        if not path.exists() and not is_joined(path):
            return fatal(REASS, f"Can not open file: {path}: no such file")
        return STATUS_OK if _Reassembler(context).run(path) else STATUS_FAILED
    return _all_of(context, [_find(context, name)] if name else context.book)


def _find(context: Context, name: str) -> Node:
    try:
        node = context.book.find(name)
    except UnknownNode as error:
        raise UnknownNode(f"Invalid -node specified: {error}") from error
    if node.incoming is None:
        raise ConfigError(f"neigh.{node.name}: the node given by -node has no incoming")
    return node


def _all_of(context: Context, nodes: Iterable[Node]) -> int:
    reassembler = _Reassembler(context)
    is_good, records = True, context.log
    for directory in dict.fromkeys(node.incoming for node in nodes if node.incoming is not None):
        try:
            for path in find_chunked_files(Path(directory)):
                is_good &= reassembler.run(path)
        except GatewayError as error:
            is_good = False
            records.error("reass", [("Path", directory)], error, f"Finding .meta in {directory}")
    return STATUS_OK if is_good else STATUS_FAILED


class _Reassembler:
    """Does with each meta file what the flags say, and tells of it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        switches = ("keep", "dryrun", "dump")
        self._is_removing = not any(context.parsed.switch(name) for name in switches)

    def run(self, path: Path) -> bool:
        """Handle one meta file; returns whether all went well."""
        name = f'Reassembling chunked file "{path}"'
        fields: Fields = [("Path", str(path))]
        try:
            if is_joined(path):
                if self._is_removing:
                    finish_removal(path, self._context.disk)
                if not path.exists():
                    return True
            return self._run(read_chunked_file(path), name, fields)
        except BadChunk as error:
            fields.append(("Chunk", error.number))
            self._log.error("reass-chunk", fields, error, f"{name}: chunk {error.number}")
        except BadMagic as error:
            self._log.error("reass", fields, error, name)
        except PacketError as error:
            self._log.error("reass-bad-meta", fields, error, f"{name}: bad meta")
        except GatewayError as error:
            self._log.error("reass", fields, error, name)
        return False

    def _run(self, file: ChunkedFile, name: str, fields: Fields) -> bool:
        parsed = self._context.parsed
        if parsed.switch("dump"):
            _dump(file)
            return True
        missing = False
        for number in missing_chunks(file):
            missing = True
            told: Fields = [*fields, ("Chunk", number)]
            self._log.info("reass-chunk-miss", told, f"{name}: chunk {number} missing")
        if missing:
            return False
        prove_chunks(file)
        if parsed.switch("dryrun"):
            self._log.info("reass", fields, name)
            return True
        with self._context.progress.bar(file.name, file.meta.size_bytes) as bar:
            self._join(file, bar)
        if self._is_removing:
            remove_chunks(file, self._context.disk)
        self._log.info("reass", fields, f"{name}: done")
        return True

    def _join(self, file: ChunkedFile, bar: Bar) -> None:
        if not self._context.parsed.switch("stdout"):
            join_chunks(file, self._context.disk, bar.add)
            return
        with _standard_output() as write:
            copy_chunks(file, write, bar.add)


@contextlib.contextmanager
def _standard_output() -> Iterator[Callable[[memoryview], None]]:
    """Write to standard output; at the end it is on the disk, where it is a file.

    Raises:
        StoreError: it does not take it.
    """
    try:
        fd = sys.stdout.fileno()

        def write(piece: memoryview) -> None:
            while piece:
                piece = piece[os.write(fd, piece) :]

        yield write
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fsync(fd)
    except OSError as error:
        raise StoreError(f"cannot write standard output: {error.strerror}") from error


def _dump(file: ChunkedFile) -> None:
    meta = file.meta
    print(f"Original filename: {file.name}")
    print(f"File size: {ibytes(meta.size_bytes)} ({meta.size_bytes} bytes)")
    print(f"Chunk size: {ibytes(meta.chunk_bytes)} ({meta.chunk_bytes} bytes)")
    print(f"Number of chunks: {len(meta.checksums)}")
    print("Checksums:")
    for number, checksum in enumerate(meta.checksums):
        print(f"\t{number}: {checksum.hex()}")
