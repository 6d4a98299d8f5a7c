"""Online sessions: one large packet, many small ones, one more in an open session, memory, a thin link.

Node a calls node b over loopback, both by us or both by Go, in turn on the same spools in one temporary
directory on disk; everybody syncs as by default. A round begins with the same packets in a's tx and ends
when a knows that b has them all, so that the start of the calling program counts. The best of some rounds
counts: whatever else the machine does only slows. On a busy machine the figures say ``short``.

Smaller sizes for a quick look: ``BENCH_ONLINE_MIB``, ``BENCH_ONLINE_COUNT`` and ``BENCH_ONLINE_ROUNDS`` in
the environment.
"""

import os
import random
import re
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import BenchError, Figure
from bench.packet_nodes import installed
from bench.places import discard, place_in
from gateway.packet.plain import PacketType, PlainHeader
from gateway.spool.layout import Box
from gateway.tx.posting import post_to
from gateway.tx.sealing import Outside, Route
from tests.support.both_nncp import GO, OURS
from tests.support.online import OnlinePair
from tests.support.online_packets import MIB, SEALED_BYTES, Mix
from tests.support.processes import Running
from tests.support.tcp_proxy import Proxy

LARGE_MIB = int(os.environ.get("BENCH_ONLINE_MIB", "1024"))
SMALL_COUNT = int(os.environ.get("BENCH_ONLINE_COUNT", "5000"))
ROUNDS = int(os.environ.get("BENCH_ONLINE_ROUNDS", "3"))
LATENCIES = 9
SMALL_BYTES = 4096
MEMORY_LIMIT_MIB = 100
ROUND_SECONDS = 600
POLL_SECONDS = 0.002
OPEN_SECONDS = 60
"""How long an open session waits for the next packet."""
_PATIENT = {"NNCPDEADLINE": "120"}
"""A session of Go's is lost when the disk keeps it for more than 10 seconds, as a busy one does."""
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_SMALL = Mix((SMALL_BYTES + SEALED_BYTES,) * 2, large_share=0)
_SIDES = (OURS, GO)


@dataclass(slots=True)
class Taken:
    """What was measured of one side, in one unit."""

    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


def run() -> Iterator[Figure]:
    """Take all figures of this part."""
    for program in ("nncp-call", "nncp-daemon"):
        if shutil.which(program) is None:
            raise BenchError(f"{program} is not installed")
    with place_in() as cache, installed(cache):
        with place_in() as place:
            # Modules are compiled by a session that is not measured.
            _hold_session(OnlinePair(place / "first"), OURS)
        yield from _figures()


def _figures() -> Iterator[Figure]:
    peaks = []
    with place_in() as place:
        pair = OnlinePair(place / "large", is_syncing=True, deadline_seconds=OPEN_SECONDS, environ=_PATIENT)
        _make_large(pair)
        taken = _rounds(pair)
        peaks += taken[OURS].peak_mib
        yield _rate("online.large_packet_MB_per_second", LARGE_MIB * MIB / 1e6, taken, 1.0)
    with place_in() as place:
        pair = OnlinePair(place / "small", is_syncing=True, deadline_seconds=OPEN_SECONDS, environ=_PATIENT)
        pair.fill("a", SMALL_COUNT, mix=_SMALL)
        taken = _rounds(pair)
        peaks += taken[OURS].peak_mib
        yield _rate("online.packets_4KiB_per_second", SMALL_COUNT, taken, 5.0)
    # There the peer's figure is the limit.
    yield Figure("online.memory_MiB", max(peaks), MEMORY_LIMIT_MIB, 1.0, is_less_better=True)
    with place_in() as place:
        latencies = {who: _latency_seconds(place / who, who) for who in _SIDES}
        yield Figure(
            "online.latency_open_session_seconds", latencies[OURS], latencies[GO], 10.0, is_less_better=True
        )
    with place_in() as place:
        sizes = {who: _setup_bytes(place / who, who) for who in _SIDES}
        yield Figure("online.setup_thin_bytes", sizes[OURS], sizes[GO], 10.0, is_less_better=True)


def _rate(name: str, amount: float, taken: dict[str, Taken], target: float) -> Figure:
    ours, peer = (amount / min(taken[who].seconds) for who in _SIDES)
    return Figure(name, ours, peer, target)


def _make_large(pair: OnlinePair) -> None:
    book = pair.books["a"]
    post = post_to(pair.spools["a"], book.private_keys(), Route(book.find("b")))
    block = random.randbytes(MIB)
    post(Outside(96), PlainHeader(PacketType.FILE, 96, b"large"), (block for _ in range(LARGE_MIB)))


def _rounds(pair: OnlinePair) -> dict[str, Taken]:
    """Send what lies in a's tx again and again, by each side in turn."""
    kept = pair.directory / "kept"
    pair.box("a", Box.TX).rename(kept)
    taken = {who: Taken() for who in _SIDES}
    for _ in range(ROUNDS):
        for who in _SIDES:
            _refill(pair, kept)
            _round(pair, who, taken[who])
    return taken


def _refill(pair: OnlinePair, kept: Path) -> None:
    """Lay the same packets into a's tx again, as fresh files, and empty b's rx."""
    tx, rx = pair.box("a", Box.TX), pair.box("b", Box.RX)
    for box in (tx, rx):
        if box.exists():
            discard(box)
    # Links: the bytes are read from the page cache in every round.
    shutil.copytree(kept, tx, copy_function=os.link)
    rx.mkdir(parents=True)
    os.sync()


def _round(pair: OnlinePair, who: str, taken: Taken) -> None:
    with pair.listening(who, "b", "-quiet") as (port, daemon):
        start = time.perf_counter()
        with pair.start_call(who, "a", "-quiet", "--", pair.address("b", port)) as call:
            _wait_empty(pair, call)
            taken.seconds.append(time.perf_counter() - start)
            taken.peak_mib += [_peak_mib(call), _peak_mib(daemon)]


def _wait_empty(pair: OnlinePair, call: Running) -> None:
    """Wait until nothing is queued at a any more."""
    tx = pair.box("a", Box.TX)
    deadline = time.monotonic() + ROUND_SECONDS
    # A file that is gone costs less to see than a directory of thousands to read: the last one first.
    for packet in sorted(tx.iterdir(), reverse=True):
        while packet.is_file():
            if call.returncode is not None or time.monotonic() > deadline:
                left_count = len(pair.packets("a", Box.TX))
                raise BenchError(f"a session ended early, or took too long: {left_count} packets left")
            time.sleep(POLL_SECONDS)


def _peak_mib(program: Running) -> float:
    found = _PEAK.search(Path(f"/proc/{program.pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _latency_seconds(place: Path, who: str) -> float:
    """From the commit of a packet at one side of an open session to its arrival; the median."""
    pair = OnlinePair(place, is_syncing=True, deadline_seconds=OPEN_SECONDS)
    chance = random.Random(1)
    found = []
    with ExitStack() as stack:
        pair.fill("a", 1, mix=_SMALL)
        port, _ = stack.enter_context(pair.listening(who, "b", "-quiet"))
        call = stack.enter_context(pair.start_call(who, "a", "-quiet", "--", pair.address("b", port)))
        for _ in range(LATENCIES):
            _wait_empty(pair, call)
            # The peer looks once a second: at any moment of it.
            time.sleep(chance.random())
            [made] = pair.fill("a", 1, mix=_SMALL)
            start = time.perf_counter()
            arrived = pair.box("b", Box.RX) / made.packet.text
            while not arrived.exists():
                time.sleep(POLL_SECONDS / 4)
            found.append(time.perf_counter() - start)
    return statistics.median(found)


def _setup_bytes(place: Path, who: str) -> float:
    """Bytes on the wire of a session in which nothing is to be said."""
    pair = OnlinePair(place)
    for name in ("a", "b"):
        pair.change(name, link={"thin": True})
    return _hold_session(pair, who)


def _hold_session(pair: OnlinePair, who: str) -> float:
    """Hold a session to its end; the bytes on the wire."""
    with (
        pair.listening(who, "b", "-quiet") as (port, _),
        Proxy(port) as proxy,
    ):
        pair.call(who, "a", "-quiet", "--", proxy.address)
        return proxy.passed_bytes
