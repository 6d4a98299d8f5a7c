"""Batches are written as the neighbour understands them, and close when the policy says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.batch.batcher import Batcher
from gateway.batch.policy import BURST_LIMIT_SECONDS, BatchSettings, LanePolicy
from gateway.durable import Disk
from gateway.errors import StoreBusy
from gateway.ids import NodeId
from gateway.message.bsmtp import BatchReader, MessageEnd, MessageStart
from gateway.msgqueue.entry import Form, State
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages, show_message
from gateway.nodes import Book
from gateway.packet.plain import decode_exec_path
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from tests.support.messages import NODE_C, new_message
from tests.support.nodes import make_books, make_spool, payloads_for
from tests.support.queue_clock import SetClock


class Site:
    """Node a with a queue and a spool; b is its neighbour."""

    def __init__(self, directory: Path, books: dict[str, Book]) -> None:
        self.books = books
        self.clock = SetClock()
        self.queue = Queue(directory / "queue", Disk(is_syncing=False), clock=self.clock.make)
        self.spool: Spool = make_spool(directory / "spool")

    @property
    def b(self) -> NodeId:
        return self.books["b"].self_node.id

    def batcher(self, policy: LanePolicy) -> Batcher:
        return Batcher(self.queue, self.books["a"], self.spool, BatchSettings(default=policy))

    def put(self, count: int = 1, **fields: object) -> list[str]:
        ids = []
        for _ in range(count):
            message = new_message(node=self.b, **fields)  # type: ignore[arg-type]
            self.queue.put(message).result()
            ids.append(message.id)
        return ids

    def packets(self) -> list[tuple[bytes, tuple[bytes, ...], bytes]]:
        opened = []
        for plain, payload in payloads_for(self.spool, self.b, self.books["b"]):
            handle, args = decode_exec_path(plain.path)
            opened.append((handle, args, payload))
        return opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, make_books("a", "b"))
    yield made
    made.queue.close()


def test_messages_of_one_lane_become_one_packet_with_one_batch(site: Site) -> None:
    site.put(2)
    site.put(1, sender="", recipients=("x@b.test", "y@b.test"), body=b".dot\r\nno end")
    result = site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    assert (result.packet_count, result.message_count, result.bad_count) == (1, 3, 0)
    ((handle, args, payload),) = site.packets()
    assert (handle, args) == (b"rsmtp", ())
    reader = BatchReader()
    events = reader.feed(payload)
    reader.finish()
    envelopes = [event.envelope for event in events if isinstance(event, MessageStart)]
    assert [envelope.sender for envelope in envelopes] == ["alice@a.test", "alice@a.test", ""]
    assert envelopes[2].recipients == ("x@b.test", "y@b.test")
    assert reader.expected_count == 3
    assert [event.size_bytes for event in events if isinstance(event, MessageEnd)][2] == len(
        b".dot\r\nno end\r\n"
    )
    assert reader.batch_id is not None
    (view, *_) = list_messages(site.queue, states=[State.SENT])
    assert view.deliveries[0].batch == reader.batch_id.text


def test_a_neighbour_with_a_sendmail_handle_gets_one_message_a_packet(site: Site) -> None:
    site.put(2)
    result = site.batcher(LanePolicy(form=Form.SENDMAIL)).run_once()
    assert result.packet_count == 2
    for handle, args, payload in site.packets():
        assert (handle, args) == (b"sendmail", (b"bob@b.test",))
        assert payload == b"Return-Path: <alice@a.test>\nSubject: test\n\nhello\n"


def test_many_recipients_are_split_over_sendmail_packets(site: Site) -> None:
    recipients = tuple(f"recipient-number-{number:03}@b.test" for number in range(60))
    site.put(1, recipients=recipients)
    site.batcher(LanePolicy(form=Form.SENDMAIL)).run_once()
    packets = site.packets()
    assert len(packets) > 1
    assert sorted(arg.decode() for _, args, _ in packets for arg in args) == sorted(recipients)
    assert all(len(b"\0".join((handle, *args))) <= 255 for handle, args, _ in packets)


@pytest.mark.parametrize("bad", ["-oQtmp@b.test", "x" * 60 + "@" + ".".join(["y" * 60] * 3) + ".b.test"])
def test_a_recipient_no_packet_can_carry_is_set_aside_and_the_others_go(site: Site, bad: str) -> None:
    (message_id,) = site.put(1, recipients=("one@b.test", bad, "two@b.test"))
    result = site.batcher(LanePolicy(form=Form.SENDMAIL)).run_once()
    assert result.bad_count == 1
    view = show_message(site.queue, message_id)
    assert view is not None
    assert [delivery.state for delivery in view.deliveries] == [State.SENT, State.DEAD, State.SENT]
    assert view.deliveries[1].status == "5.1.3"
    assert view.has_body


def test_a_lane_waits_until_count_bytes_or_age_close_it(site: Site) -> None:
    patient = LanePolicy(form=Form.BSMTP, max_count=3, max_bytes=10_000, max_age_seconds=1e6)
    site.put(2)
    batcher = site.batcher(patient)
    assert batcher.run_once().packet_count == 0
    wait_seconds = batcher.next_run_seconds()
    assert wait_seconds is not None
    assert 1e6 - 60 < wait_seconds <= 1e6
    site.put(1)
    assert batcher.run_once().packet_count == 0
    assert batcher.next_run_seconds() == BURST_LIMIT_SECONDS
    site.clock.go_on(BURST_LIMIT_SECONDS)
    assert batcher.run_once().message_count == 3
    assert batcher.run_once().packet_count == 0
    site.put(1, body=b"x" * 10_000)
    site.clock.go_on(BURST_LIMIT_SECONDS)
    assert batcher.run_once().packet_count == 1
    site.put(1)
    assert batcher.run_once().packet_count == 0
    assert site.batcher(LanePolicy(form=Form.BSMTP, max_age_seconds=0)).run_once().packet_count == 1
    assert batcher.next_run_seconds() is None


def test_a_burst_is_waited_for_though_a_message_waits_for_long_already(site: Site) -> None:
    batcher = site.batcher(LanePolicy(form=Form.BSMTP, max_count=3, max_age_seconds=1e6))
    site.put(1)
    assert batcher.run_once().packet_count == 0
    site.clock.go_on(1000)
    site.put(2)
    assert batcher.run_once().packet_count == 0
    assert batcher.next_run_seconds() == BURST_LIMIT_SECONDS
    site.clock.go_on(BURST_LIMIT_SECONDS / 2)
    site.put(4)
    assert batcher.run_once().packet_count == 0, "the burst goes on"
    assert batcher.next_run_seconds() == BURST_LIMIT_SECONDS / 2
    site.clock.go_on(BURST_LIMIT_SECONDS / 2)
    assert batcher.run_once().packet_count == 2, "no longer than this, and then all of it"
    site.put(2)
    assert batcher.run_once().packet_count == 0, "another begins"
    assert batcher.next_run_seconds() == BURST_LIMIT_SECONDS


def test_a_burst_is_not_waited_for_beyond_the_age_that_closes_a_batch(site: Site) -> None:
    batcher = site.batcher(LanePolicy(form=Form.BSMTP, max_count=3, max_age_seconds=60))
    site.put(1)
    assert batcher.run_once().packet_count == 0
    site.clock.go_on(59)
    site.put(2)
    assert batcher.run_once().packet_count == 0
    assert batcher.next_run_seconds() == 1
    site.clock.go_on(1)
    assert batcher.run_once().message_count == 3


def test_a_batcher_that_has_seen_nothing_goes_by_the_age_of_what_waits(site: Site) -> None:
    patient = LanePolicy(form=Form.BSMTP, max_count=3, max_age_seconds=1e6)
    site.put(3)
    site.clock.go_on(BURST_LIMIT_SECONDS)
    assert site.batcher(patient).run_once().message_count == 3


def test_a_flush_of_one_node_leaves_the_other_lanes_open(site: Site) -> None:
    site.put(1)
    result = site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True, only={NODE_C})
    assert result.packet_count == 0
    assert site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True, only={site.b}).packet_count == 1


def test_mail_for_a_node_that_left_the_configuration_waits(site: Site) -> None:
    site.queue.put(new_message(node=NODE_C)).result()
    site.put(1)
    result = site.batcher(LanePolicy()).run_once()
    assert (result.packet_count, result.bad_count) == (1, 1)
    assert [view.deliveries[0].node for view in list_messages(site.queue)] == [NODE_C.text]


def test_a_message_whose_body_is_lost_does_not_hold_up_its_batch(site: Site) -> None:
    good = site.put(2)
    body = b"x" * (INLINE_BODY_BYTES + 1)
    message = new_message(node=site.b)
    site.queue.put(
        new_message(id=message.id, node=site.b, body=site.queue.hold_body(message.id, body))
    ).result()
    (site.queue.bodies.directory / message.id).unlink()
    result = site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    assert (result.packet_count, result.message_count, result.bad_count) == (1, 2, 1)
    assert {view.id for view in list_messages(site.queue, states=[State.SENT])} == set(good)
    (dead,) = list_messages(site.queue, states=[State.DEAD])
    assert dead.id == message.id
    assert "missing" in dead.deliveries[0].text
    assert list(site.spool.layout.box(site.b, Box.TX).glob(".*")) == []


def test_one_process_at_a_time_batches(site: Site) -> None:
    batcher = site.batcher(LanePolicy())
    with site.queue.lock("batch"), pytest.raises(StoreBusy):
        batcher.run_once()


def test_mail_through_a_relay_goes_to_the_relays_directory(tmp_path: Path) -> None:
    books = make_books("a", "r", "b", via={"b": ("r",)})
    site = Site(tmp_path, books)
    site.put(1)
    site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    relay = books["r"].self_node.id
    assert len(list(site.spool.jobs(relay, Box.TX))) == 1
    assert list(site.spool.jobs(site.b, Box.TX)) == []
    site.queue.close()
