"""Lanes are closed before a carrier leaves, whatever way their packets take, and not all the time."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.batch.batcher import LOCK_NAME, Batcher
from gateway.batch.flusher import Flusher
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.msgqueue.entry import Form
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import Queue
from gateway.nodes import Area, Book
from gateway.spool.layout import Box
from tests.support.areas import AREA_ID, AREA_KEYS, NAME
from tests.support.messages import NODE_C, new_message
from tests.support.nodes import make_books, make_spool
from tests.support.queue_clock import SetClock

INTERVAL_SECONDS = 20.0
PATIENT = LanePolicy(form=Form.BSMTP, max_age_seconds=1e6)


class Site:
    """Node a: b is its neighbour, and mail for c travels through b; d is another one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.books = make_books("a", "b", "c", "d", via={"c": ("b",)})
        self.clock = SetClock()
        self.pauses: list[float] = []
        self.spool = make_spool(directory / "spool")
        self.open()

    def open(self) -> None:
        self.queue = Queue(self.directory / "queue", Disk(is_syncing=False), clock=self.clock.make)
        settings = BatchSettings(default=PATIENT)
        self.batcher = Batcher(self.queue, self.books["a"], self.spool, settings)
        self.flusher = Flusher(self.queue, self.books["a"], self.batcher, INTERVAL_SECONDS, self.pause)

    def reopen(self) -> None:
        self.queue.close()
        self.open()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.go_on(seconds)

    def id(self, name: str) -> NodeId:
        return self.books[name].self_node.id

    def put(self, *names: str, nice: int = 96) -> None:
        for name in names:
            self.queue.put(new_message(node=self.id(name), nice=nice)).result()

    def packet_counts(self) -> dict[str, int]:
        counts = {name: len(list(self.spool.jobs(self.id(name), Box.TX))) for name in "bcd"}
        return {name: count for name, count in counts.items() if count}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.queue.close()


def test_what_waits_for_the_neighbour_and_through_it_travels_along(site: Site) -> None:
    site.put("b", "b", "c", "d")
    site.flusher.flush(site.id("b"))
    assert site.packet_counts() == {"b": 2}
    assert [figures.lane.node for figures in Outbox(site.queue).lanes()] == [site.id("d")]


def test_every_lane_is_closed_for_a_carrier_to_all(site: Site) -> None:
    site.put("b", "c", "d")
    result = site.flusher.flush_now(None)
    assert (result.packet_count, result.message_count) == (3, 3)
    assert site.packet_counts() == {"b": 2, "d": 1}


def test_nothing_waits(site: Site) -> None:
    assert site.flusher.flush_now(site.id("b")).packet_count == 0


def test_a_storm_of_carriers_makes_one_packet_in_an_interval(site: Site) -> None:
    for _ in range(50):
        site.put("b")
        site.flusher.flush(site.id("b"))
        site.clock.go_on(0.1)
    assert site.packet_counts() == {"b": 1}
    assert sum(figures.message_count for figures in site.flusher.lanes_through(site.id("b"))) == 49


def test_what_was_put_off_is_done_by_the_batcher_when_the_time_has_come(site: Site) -> None:
    site.put("b")
    site.flusher.flush(site.id("b"))
    site.clock.go_on(5)
    site.put("b")
    site.flusher.flush(site.id("b"))
    assert site.batcher.next_run_seconds() == pytest.approx(INTERVAL_SECONDS - 5)
    assert site.batcher.run_once().packet_count == 0
    site.clock.go_on(INTERVAL_SECONDS - 5)
    assert site.batcher.next_run_seconds() == 0
    assert site.batcher.run_once().packet_count == 1


def test_carriers_do_not_put_off_what_they_wait_for(site: Site) -> None:
    site.put("b")
    site.flusher.flush(site.id("b"))
    for _ in range(4):
        site.put("b")
        site.flusher.flush(site.id("b"))
        site.clock.go_on(INTERVAL_SECONDS / 4)
    assert site.batcher.run_once().message_count == 4


def test_the_interval_counts_over_processes(site: Site) -> None:
    site.put("b")
    site.flusher.flush(site.id("b"))
    site.reopen()
    site.put("b")
    site.flusher.flush(site.id("b"))
    assert site.packet_counts() == {"b": 1}


def test_neighbours_have_intervals_of_their_own(site: Site) -> None:
    site.put("b", "d")
    site.flusher.flush(site.id("b"))
    site.flusher.flush(site.id("d"))
    assert site.packet_counts() == {"b": 1, "d": 1}


def test_a_person_who_flushes_is_not_put_off(site: Site) -> None:
    site.put("b")
    site.flusher.flush(site.id("b"))
    site.put("b")
    site.flusher.flush(site.id("b"))
    assert site.batcher.run_once(is_flush=True).packet_count == 1


def test_who_leaves_for_long_waits_until_it_is_time(site: Site) -> None:
    site.put("b")
    site.flusher.flush_now(site.id("b"))
    site.clock.go_on(15)
    site.put("b")
    assert site.flusher.flush_now(site.id("b"), patience_seconds=4.9).packet_count == 0
    assert site.pauses == []
    assert site.flusher.flush_now(site.id("b"), patience_seconds=5.1).packet_count == 1
    assert site.pauses == [pytest.approx(5)]


def test_open_lanes_are_known_by_the_way_they_take_and_their_niceness(site: Site) -> None:
    assert not site.flusher.has_open_lane(site.id("b"))
    site.put("c", nice=128)
    has_lane = site.flusher.has_open_lane
    assert has_lane(site.id("b"))
    assert has_lane(site.id("b"), 128)
    assert not has_lane(site.id("b"), 127)
    assert not has_lane(site.id("c"))
    assert not has_lane(site.id("d"))


def test_mail_for_nobody_we_know_keeps_no_carrier_from_leaving(site: Site) -> None:
    site.queue.put(new_message(node=NODE_C)).result()
    site.put("b")
    site.flusher.flush(site.id("b"))
    assert site.packet_counts() == {"b": 1}
    assert not site.flusher.has_open_lane(NODE_C)


def test_another_batcher_at_work_is_waited_for(site: Site) -> None:
    site.put("b")
    is_waiting = threading.Event()
    release = threading.Event()

    def pause(_seconds: float) -> None:
        is_waiting.set()
        assert release.wait(60)

    flusher = Flusher(site.queue, site.books["a"], site.batcher, INTERVAL_SECONDS, pause)
    thread = threading.Thread(target=flusher.flush, args=(site.id("b"),))
    with site.queue.lock(LOCK_NAME):
        thread.start()
        assert is_waiting.wait(60)
    release.set()
    thread.join(60)
    assert site.packet_counts() == {"b": 1}


def test_a_queue_that_refuses_keeps_no_carrier_from_leaving(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.put("b")
    site.queue.close()
    with caplog.at_level(logging.ERROR):
        site.flusher.flush(site.id("b"))
    assert "what waits in the outbox stays there" in caplog.text
    site.open()


def test_what_waits_for_an_area_leaves_with_a_carrier_to_any_who_subscribes(site: Site) -> None:
    own, others = site.books["a"], (site.id("c"), site.id("d"))
    site.books["a"] = Book(own.own, own.nodes, {NAME: Area(NAME, AREA_ID, *AREA_KEYS, others)})
    site.reopen()
    passed: list[int] = []

    def pass_on() -> None:
        passed.append(len(list(site.spool.jobs(site.id("a"), Box.TX))))

    flusher = Flusher(site.queue, site.books["a"], site.batcher, 0, site.pause, pass_on)
    site.queue.put(new_message(node=AREA_ID, nice=96)).result()
    assert [hop in flusher.lanes_by_hop() for hop in (site.id("b"), *others)] == [True, False, True]
    assert flusher.has_open_lane(site.id("d"))
    # What is for c travels through b.
    assert flusher.flush_now(site.id("b")).packet_count == 1
    assert passed == [1]
    site.put("d")
    flusher.flush(site.id("d"))
    assert passed == [1]
