"""Packets: many small ones, a large stream, a large file and a full spool, against the Go tools.

Both work on configurations and spools of their own in one temporary directory on disk, synced as
they do by default. The small packets of ours are made inside one process, as the gateway makes
them; Go has no other way than a process each, which is what its users pay. Both toss the same small
packets. The large file is sent and tossed on disk and on a tmpfs, where the disk is no limit. Of the
rounds the best counts, for each side.

Smaller sizes for a quick look: ``BENCH_SMALL_COUNT``, ``BENCH_STREAM_MIB``, ``BENCH_FILE_MIB`` and
``BENCH_STAT_COUNT`` in the environment.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import BenchError, Figure, rate_of, side_by_side
from bench.packet_nodes import OURS, Pair, call, installed, peak_mib, run_go
from bench.places import SHARED_MEMORY, place_in
from gateway.ids import PacketId
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.seal import Hop, OnionSealer
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import Box
from gateway.toss.tosser import Tosser, TossSettings
from gateway.tx.exec_packet import ExecRequest, send_exec

SMALL_BYTES = 4096
SMALL_COUNT = int(os.environ.get("BENCH_SMALL_COUNT", "3334"))
"""Of each of the three rounds, 10,000 in all."""
PEER_MADE_COUNT = min(SMALL_COUNT, 300)
"""A process each: fewer give the same rate."""
MIB = 1 << 20
STREAM_BYTES = int(os.environ.get("BENCH_STREAM_MIB", "512")) * MIB
FILE_BYTES = int(os.environ.get("BENCH_FILE_MIB", "1024")) * MIB
STAT_COUNT = int(os.environ.get("BENCH_STAT_COUNT", "100000"))
MEMORY_LIMIT_MIB = 100
LARGE_ROUNDS = 5
COPIES = 4
"""Of the large file, at most: source, packet, what is being written, what was tossed."""
SMALL_HANDLER = ["/bin/true"]
STREAM_HANDLER = ["/bin/sh", "-c", "cat >/dev/null"]
Words = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class _Rates:
    """A figure that both sides give besides the one of ``side_by_side``."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    def of(self, side: str) -> list[float]:
        """One side's."""
        return self.ours if side == "ours" else self.peer

    @property
    def best(self) -> tuple[float, float]:
        """The best of each."""
        return max(self.ours), max(self.peer)


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    for program in ("nncp-exec", "nncp-file", "nncp-stat", "nncp-toss"):
        if shutil.which(program) is None:
            raise BenchError(f"{program} is not installed")
    with place_in() as cache, installed(cache):
        yield from _figures()


def _figures() -> Iterator[Figure]:
    with place_in() as place:
        yield from _small(place)
    with place_in() as place:
        yield from _stream(place)
    with place_in() as place:
        yield from _file(place, "disk", 1.0)
    with place_in() as place:
        yield from _stat(place)
    if not SHARED_MEMORY.is_dir() or shutil.disk_usage(SHARED_MEMORY).free < COPIES * FILE_BYTES:
        print("bench packets: left out: no room on a tmpfs in /dev/shm", file=sys.stderr)
        return
    with place_in(SHARED_MEMORY) as place:
        yield from _file(place, "tmpfs", 1.5)


def ours(verb: str) -> list[str]:
    """The command line of our verb."""
    return [*OURS, verb]


def peers(verb: str) -> list[str]:
    """The command line of Go's."""
    return [f"nncp-{verb}"]


def _small(place: Path) -> Iterator[Figure]:
    body = os.urandom(SMALL_BYTES)
    mine, theirs, made_by_go = (Pair(place / name, SMALL_HANDLER) for name in ("ours", "peer", "made"))
    tossed = _Rates()

    def make_go() -> None:
        for _ in range(PEER_MADE_COUNT):
            run_go(made_by_go, "a", "nncp-exec", "-nocompress", "b", "run", stdin=body)

    def our_round(_: int) -> float:
        rate = rate_of(SMALL_COUNT, lambda: _make_ours(mine, body))
        mine.carry()
        tossed.ours.append(rate_of(SMALL_COUNT, lambda: _toss_ours(mine)))
        return rate

    def peer_round(_: int) -> float:
        rate = rate_of(PEER_MADE_COUNT, make_go)
        _make_ours(theirs, body)
        theirs.carry()
        tossed.peer.append(rate_of(SMALL_COUNT, lambda: run_go(theirs, "b", "nncp-toss")))
        return rate

    rates = side_by_side(our_round, peer_round)
    yield Figure("packets.exec_4KiB_made_per_second", *rates, 1.0)
    yield Figure("packets.exec_4KiB_tossed_per_second", *tossed.best, 1.0)


def _make_ours(pair: Pair, body: bytes) -> None:
    spool, book = pair.spool("a"), pair.book("a")
    request = ExecRequest(book.find("b"), (), b"run", is_compressed=False)
    for _ in range(SMALL_COUNT):
        send_exec(spool, book.private_keys(), request, [body])


def _toss_ours(pair: Pair) -> None:
    result = Tosser(pair.book("b"), pair.spool("b"), pair.log("b"), TossSettings()).run_once()
    if result.done_count != SMALL_COUNT:
        raise BenchError(f"{result} of {SMALL_COUNT} packets tossed")


def _stream(place: Path) -> Iterator[Figure]:
    source = _write_random(place / "stream", STREAM_BYTES)

    def make(pair: Pair, words: Words) -> None:
        command = [*words("exec"), "-cfg", str(pair.paths["a"]), "-nocompress", "b", "run"]
        with source.open("rb") as stdin:
            call(command, stdin=stdin)

    yield from _large(place, "exec_stream", STREAM_BYTES, make, 1.0)


def _file(place: Path, where: str, target: float) -> Iterator[Figure]:
    source = _write_random(place / "file", FILE_BYTES)

    def make(pair: Pair, words: Words) -> None:
        call([*words("file"), "-quiet", "-cfg", str(pair.paths["a"]), str(source), "b:large"])

    yield from _large(place, f"file_{where}", FILE_BYTES, make, target)
    pair = Pair(place / "memory", STREAM_HANDLER)
    command = ["-quiet", "-cfg", str(pair.paths["a"]), str(source), "b:large"]
    peaks = [peak_mib([*ours("file"), *command])]
    pair.carry()
    peaks.append(peak_mib([*ours("toss"), "-quiet", "-cfg", str(pair.paths["b"])]))
    # There the peer's figure is the limit.
    yield Figure(f"packets.file_{where}_memory_MiB", max(peaks), MEMORY_LIMIT_MIB, 1.0, is_less_better=True)


def _large(
    place: Path, name: str, size_bytes: int, make: Callable[[Pair, Words], None], target: float
) -> Iterator[Figure]:
    """Make and toss one large packet by each side in turn."""
    tossed = _Rates()
    megabytes = size_bytes / 1e6

    def one_round(side: str, words: Words) -> float:
        pair = Pair(place / side, STREAM_HANDLER)
        made = rate_of(megabytes, lambda: make(pair, words))
        pair.carry()
        toss = [*words("toss"), "-quiet", "-cfg", str(pair.paths["b"])]
        tossed.of(side).append(rate_of(megabytes, lambda: call(toss)))
        shutil.rmtree(pair.place)
        return made

    made = side_by_side(
        lambda _: one_round("ours", ours), lambda _: one_round("peer", peers), repeats=LARGE_ROUNDS
    )
    both = [1 / (1 / one + 1 / other) for one, other in zip(made, tossed.best, strict=True)]
    yield Figure(f"packets.{name}_made_MB_per_second", *made, target)
    yield Figure(f"packets.{name}_tossed_MB_per_second", *tossed.best, target)
    yield Figure(f"packets.{name}_made_and_tossed_MB_per_second", both[0], both[1], target)


def _stat(place: Path) -> Iterator[Figure]:
    pair = Pair(place / "stat", SMALL_HANDLER)
    _fill(pair)

    def seconds(words: Words) -> float:
        start = time.perf_counter()
        call([*words("stat"), "-cfg", str(pair.paths["a"])])
        return time.perf_counter() - start

    mine, theirs = side_by_side(lambda _: seconds(ours), lambda _: seconds(peers), min)
    yield Figure("packets.stat_100000_seconds", mine, theirs, 1.0, is_less_better=True)
    peak = peak_mib([*ours("stat"), "-cfg", str(pair.paths["a"])])
    yield Figure("packets.stat_100000_memory_MiB", peak, MEMORY_LIMIT_MIB, 1.0, is_less_better=True)


def _fill(pair: Pair) -> None:
    """Lay packets of all niceness into a's tx for b, as far as stat looks into them."""
    book = pair.book("a")
    own, other = book.private_keys(), book.find("b")
    plain = PlainHeader(PacketType.FILE, 96, b"name")
    headers = []
    for nice in range(1, 256):
        sealer = OnionSealer(own, Hop(other.id, other.keys.exchpub), (), plain, nice=nice, rng=os.urandom)
        headers.append((bytes(sealer.feed(b"x")) + sealer.finish())[:ENCRYPTED_HEADER_BYTES])
    box = pair.configs["a"].spool / other.id.text / Box.TX
    (box / "hdr").mkdir(parents=True)
    for number in range(STAT_COUNT):
        name = PacketId(os.urandom(32)).text
        header = headers[number % len(headers)]
        (box / name).write_bytes(header)
        (box / "hdr" / name).write_bytes(header)


def _write_random(path: Path, size_bytes: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size_bytes // MIB):
            file.write(os.urandom(MIB))
    return path
