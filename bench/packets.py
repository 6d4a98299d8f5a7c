"""Packets: many small ones and one large stream, made and tossed, against nncp-exec and nncp-toss.

Both work on configurations and spools of their own in one temporary directory on disk, synced as
they do by default. The small packets of ours are made inside one process, as the gateway makes
them; Go has no other way than a process each, which is what its users pay.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import BenchError, Figure, rate_of, side_by_side
from gateway.config.nncp import load_nncp_config
from gateway.durable import Disk
from gateway.ids import encode_base32
from gateway.nodes import Book
from gateway.packet.keys import PrivateKeys, generate_keys
from gateway.spool.log import Log
from gateway.spool.store import Spool
from gateway.toss.tosser import Tosser, TossSettings
from gateway.tx.exec_packet import ExecRequest, send_exec

SMALL_BYTES = 4096
SMALL_COUNT = 500
STREAM_BYTES = 512 << 20
STREAM_PIECE_BYTES = 1 << 20
OURS = [sys.executable, "-m", "gateway.cli.main", "nncp"]
SMALL_HANDLER = ["/bin/true"]
STREAM_HANDLER = ["/bin/sh", "-c", "cat >/dev/null"]


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    for program in ("nncp-exec", "nncp-toss"):
        if shutil.which(program) is None:
            raise BenchError(f"{program} is not installed")
    with _place() as place:
        yield from _small(place)
    with _place() as place:
        yield from _stream(place)


class Pair:
    """Nodes a and b, each with a configuration file that both implementations read."""

    def __init__(self, place: Path, handler: list[str]) -> None:
        keys = {name: generate_keys(os.urandom) for name in ("a", "b")}
        self.place = place
        self.paths = {name: _write_config(place / name, name, keys, handler) for name in keys}
        self.configs = {name: load_nncp_config(path, {}) for name, path in self.paths.items()}

    def spool(self, name: str) -> Spool:
        """A node's spool, synced."""
        return Spool(self.configs[name].spool, Disk())

    def book(self, name: str) -> Book:
        """A node's keys and neighbours."""
        return self.configs[name].book

    def log(self, name: str) -> Log:
        """A node's log."""
        return Log(self.configs[name].log, quiet=True)

    def carry(self) -> None:
        """Move what waits at a for b into b's rx, by renaming."""
        source = self.configs["a"].spool / self.book("b").self_node.id.text / "tx"
        target = self.configs["b"].spool / self.book("a").self_node.id.text / "rx"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        source.rename(target)


@contextmanager
def _place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _write_config(home: Path, name: str, keys: dict[str, PrivateKeys], handler: list[str]) -> Path:
    for directory in ("spool", "incoming"):
        (home / directory).mkdir(parents=True)
    own = keys[name]
    parts = ("id", "exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")
    config: dict[str, Any] = {
        "spool": str(home / "spool"),
        "log": str(home / "log"),
        "noprogress": True,
        "self": {part: _text(getattr(own, part)) for part in parts},
        "neigh": {},
    }
    for other, its in keys.items():
        config["neigh"]["self" if other == name else other] = {
            **{part: _text(getattr(its, part)) for part in ("id", "exchpub", "signpub", "noisepub")},
            "exec": {"run": handler},
        }
    path = home / "nncp.json"
    path.write_text(json.dumps(config))
    return path


def _text(value: Any) -> str:
    return encode_base32(value if isinstance(value, bytes) else value.raw)


def _small(place: Path) -> Iterator[Figure]:
    body = os.urandom(SMALL_BYTES)
    ours, go = Pair(place / "ours", SMALL_HANDLER), Pair(place / "go", SMALL_HANDLER)
    toss_rates: dict[str, list[float]] = {"ours": [], "peer": []}

    def make_ours() -> None:
        spool, book = ours.spool("a"), ours.book("a")
        request = ExecRequest(book.find("b"), (), b"run", is_compressed=False)
        for _ in range(SMALL_COUNT):
            send_exec(spool, book.private_keys(), request, [body])

    def make_go() -> None:
        for _ in range(SMALL_COUNT):
            _go(go, "a", "nncp-exec", "-nocompress", "b", "run", stdin=body)

    def one_round(pair: Pair, make: Callable[[], None], toss: Callable[[], None], side: str) -> float:
        made = rate_of(SMALL_COUNT, make)
        pair.carry()
        toss_rates[side].append(rate_of(SMALL_COUNT, toss))
        return made

    mine, theirs = side_by_side(
        lambda _: one_round(ours, make_ours, lambda: _toss_ours(ours), "ours"),
        lambda _: one_round(go, make_go, lambda: _go(go, "b", "nncp-toss"), "peer"),
    )
    yield Figure("packets.exec_4KiB_made_per_second", mine, theirs, 1.0)
    mine, theirs = (sorted(toss_rates[side])[1] for side in ("ours", "peer"))
    yield Figure("packets.exec_4KiB_tossed_per_second", mine, theirs, 1.0)


def _stream(place: Path) -> Iterator[Figure]:
    source = place / "stream"
    with source.open("wb") as file:
        for _ in range(STREAM_BYTES // STREAM_PIECE_BYTES):
            file.write(os.urandom(STREAM_PIECE_BYTES))
    ours, go = Pair(place / "ours", STREAM_HANDLER), Pair(place / "go", STREAM_HANDLER)
    toss_rates: dict[str, list[float]] = {"ours": [], "peer": []}
    megabytes = STREAM_BYTES / 1e6

    def one_round(pair: Pair, words: Callable[[str], list[str]], side: str) -> float:
        command = [*words("exec"), "-cfg", str(pair.paths["a"]), "-nocompress", "b", "run"]
        with source.open("rb") as stdin:
            made = rate_of(megabytes, lambda: _call(command, stdin=stdin))
        pair.carry()
        command = [*words("toss"), "-cfg", str(pair.paths["b"])]
        toss_rates[side].append(rate_of(megabytes, lambda: _call(command)))
        return made

    mine, theirs = side_by_side(
        lambda _: one_round(ours, lambda verb: [*OURS, verb], "ours"),
        lambda _: one_round(go, lambda verb: [f"nncp-{verb}"], "peer"),
    )
    yield Figure("packets.exec_stream_made_MB_per_second", mine, theirs, 1.0)
    mine, theirs = (sorted(toss_rates[side])[1] for side in ("ours", "peer"))
    yield Figure("packets.exec_stream_tossed_MB_per_second", mine, theirs, 1.0)


def _toss_ours(pair: Pair) -> None:
    result = Tosser(pair.book("b"), pair.spool("b"), pair.log("b"), TossSettings()).run_once()
    if result.done_count != SMALL_COUNT:
        raise BenchError(f"{result} of {SMALL_COUNT} packets tossed")


def _go(pair: Pair, node: str, tool: str, *words: str, stdin: bytes = b"") -> None:
    _call([tool, "-quiet", "-cfg", str(pair.paths[node]), *words], data=stdin)


def _call(command: list[str], *, stdin: Any = None, data: bytes | None = None) -> None:
    source = {"input": data} if stdin is None else {"stdin": stdin}
    done = subprocess.run(command, capture_output=True, check=False, **source)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
