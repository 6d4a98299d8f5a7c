"""The next packet is opened while the handler of the one before is at work, and nothing else changes."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.packet.plain import PacketType
from gateway.spool.layout import Box
from gateway.spool.progress import SILENT
from gateway.spool.store import Job
from gateway.toss.lookahead import Lookahead
from gateway.toss.opened import BUFFER_BYTES, OpenedPacket
from gateway.toss.tosser import TossResult
from tests.support.descriptors import open_files
from tests.support.tossing import Pair


class Opening:
    """Opens b's packets, except one, and remembers which."""

    def __init__(self, pair: Pair, unreadable: str = "") -> None:
        self._book = pair.books["b"]
        self._unreadable = unreadable
        self.names: list[str] = []

    def __call__(self, job: Job) -> OpenedPacket:
        self.names.append(job.name)
        if job.name == self._unreadable:
            raise StoreError("cannot open")
        return OpenedPacket(job.path, self._book, bytearray(BUFFER_BYTES), SILENT)


def pair_with(directory: Path, count: int) -> tuple[Pair, list[str]]:
    """A pair with packets in b's rx, and their names in the order of the listing."""
    pair = Pair(directory)
    for number in range(count):
        pair.send("x", b"%d" % number)
    return pair, [job.name for job in pair.received()]


def listed(pair: Pair) -> Iterator[Job]:
    return pair.spools["b"].jobs(pair.id("a"), Box.RX)


def test_the_next_packet_is_opened_before_its_turn_and_once(tmp_path: Path) -> None:
    pair, names = pair_with(tmp_path, 3)
    opening = Opening(pair)
    lookahead = Lookahead(opening)
    with closing(lookahead.through(listed(pair))) as jobs:
        with lookahead.open(next(jobs)):
            lookahead.advance()
            lookahead.advance()
            assert opening.names == names[:2]
        with lookahead.open(next(jobs)) as opened:
            assert opened.read().start()[1].type == PacketType.EXEC
        with lookahead.open(next(jobs)):
            lookahead.advance()
        assert next(jobs, None) is None
    assert opening.names == names


def test_a_packet_that_was_opened_in_vain_is_closed(tmp_path: Path) -> None:
    pair, names = pair_with(tmp_path, 4)
    lookahead = Lookahead(Opening(pair))
    before = open_files(tmp_path)
    with closing(lookahead.through(listed(pair))) as jobs:
        next(jobs)
        lookahead.advance()
        passed_over = next(jobs)
        assert next(jobs).name == names[2]
        with lookahead.open(passed_over) as opened:
            opened.read().start()
        lookahead.advance()
    assert open_files(tmp_path) == before


def test_a_packet_that_cannot_be_opened_is_told_at_its_turn(tmp_path: Path) -> None:
    pair, names = pair_with(tmp_path, 3)
    lookahead = Lookahead(Opening(pair, unreadable=names[1]))
    with closing(lookahead.through(listed(pair))) as jobs:
        next(jobs)
        lookahead.advance()
        second = next(jobs)
        with pytest.raises(StoreError, match="cannot open"):
            lookahead.open(second)
        assert next(jobs).name == names[2]


def test_a_listing_that_fails_is_told_at_its_turn(tmp_path: Path) -> None:
    pair, names = pair_with(tmp_path, 1)

    def broken() -> Iterator[Job]:
        yield from listed(pair)
        raise StoreError("cannot list")

    lookahead = Lookahead(Opening(pair))
    with closing(lookahead.through(broken())) as jobs:
        assert next(jobs).name == names[0]
        lookahead.advance()
        with pytest.raises(StoreError, match="cannot list"):
            next(jobs)


def test_a_toss_of_good_and_bad_packets_tells_of_each_in_the_order_of_the_listing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    out = pair.record("x")
    for number in range(5):
        pair.send("x", b"%d" % number)
        damaged = bytearray(pair.send("x", os.urandom(200_000)).read_bytes())
        damaged[-1] ^= 1
        pair.put(bytes(damaged))
        pair.send("x", b"too nice", nice=200)
        pair.send("unknown handle")
    order = [job.packet.text for job in pair.received() if job.nice != 200]
    before = open_files(tmp_path)
    assert pair.toss(nice=199) == TossResult(done_count=10, bad_count=10)
    assert open_files(tmp_path) == before
    told = [line.removeprefix("Pkt: ") for line in pair.log_text().splitlines() if line.startswith("Pkt: ")]
    assert told == order
    assert len(out.read_bytes()) == 5 + 5 * 200_000
    assert len(pair.received()) == 15
