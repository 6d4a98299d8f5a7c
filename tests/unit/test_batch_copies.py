"""Copies travel as one message, large ones alone, in their windows, and to neighbours in service."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.batch.batcher import Batcher
from gateway.batch.flusher import Flusher
from gateway.batch.policy import BatchSettings, LanePolicy, Niceness
from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.message.bsmtp import BatchReader, MessageData, MessageStart
from gateway.message.envelope import Envelope, Notify, RecipientOptions
from gateway.message.header import received_line
from gateway.msgqueue.copies import ContentHash
from gateway.msgqueue.entry import Form, NewMessage, State, Target
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from gateway.packet.plain import decode_exec_path
from gateway.schedule.window import parse_window
from gateway.spool.layout import Box
from tests.support.nodes import make_books, make_spool, payloads_for
from tests.support.queue_clock import SetClock

CONTENT = b"Subject: one for all\r\n\r\nhello\r\n"
NOON = datetime(2026, 11, 16, 12)  # noqa: DTZ001 - a Monday, on the wall


class Site:
    """Node a with a queue, a spool and a clock; b is its neighbour."""

    def __init__(self, directory: Path) -> None:
        self.books = make_books("a", "b")
        self.clock = SetClock()
        self.queue = Queue(directory / "queue", Disk(is_syncing=False), clock=self.clock.make)
        self.spool = make_spool(directory / "spool")
        self.moment = NOON

    @property
    def b(self) -> NodeId:
        return self.books["b"].self_node.id

    def batcher(self, policy: LanePolicy) -> Batcher:
        settings = BatchSettings(default=policy)
        return Batcher(self.queue, self.books["a"], self.spool, settings, wall=lambda: self.moment)

    def go_on(self, seconds: float) -> None:
        self.clock.go_on(seconds)
        self.moment += timedelta(seconds=seconds)

    def put(self, *recipients: str, content: bytes = CONTENT, nice: int = 96, **envelope: Any) -> str:
        """Take a message in as an endpoint does; returns its queue id."""
        message_id = self.queue.new_id()
        received = received_line(
            from_helo="mta.test",
            from_ip="192.0.2.1",
            by="gw.test",
            protocol="ESMTP",
            queue_id=message_id,
            for_recipient=recipients[0] if len(recipients) == 1 else None,
            unix_seconds=self.clock.seconds,
        )
        message = NewMessage(
            id=message_id,
            envelope=Envelope("alice@a.test", recipients, **envelope),
            targets=tuple(Target(recipient, self.b, nice) for recipient in recipients),
            body=self.queue.hold_body(message_id, received + content),
            message_id="",
            origin="192.0.2.1",
            trace_bytes=len(received),
            content_hash=ContentHash(content).digest(),
        )
        self.queue.put(message).result()
        return message_id

    def packets(self) -> list[tuple[tuple[bytes, ...], bytes]]:
        """Arguments and body of each packet."""
        return [
            (decode_exec_path(plain.path)[1], payload)
            for plain, payload in payloads_for(self.spool, self.b, self.books["b"])
        ]

    def mails(self) -> list[tuple[tuple[str, ...], bytes]]:
        """Recipients and content of each message in the packets."""
        found: list[tuple[tuple[str, ...], bytes]] = []
        for _, payload in self.packets():
            reader = BatchReader()
            for event in reader.feed(payload):
                match event:
                    case MessageStart(envelope):
                        found.append((envelope.recipients, b""))
                    case MessageData(data):
                        found[-1] = (found[-1][0], found[-1][1] + data)
            reader.finish()
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.queue.close()


def test_copies_become_one_message_whose_trace_names_no_recipient(site: Site) -> None:
    first = site.put("bob@b.test")
    other = site.put("bob@b.test", content=b"Subject: another\r\n\r\n")
    site.put("carol@b.test", "dave@b.test")
    site.put("eve@b.test")
    result = site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    assert (result.packet_count, result.message_count) == (1, 4)
    (joined, content), (single, _) = site.mails()
    assert joined == ("bob@b.test", "carol@b.test", "dave@b.test", "eve@b.test")
    assert single == ("bob@b.test",)
    trace = content.removesuffix(CONTENT)
    assert trace + CONTENT == content
    assert b" id " + first.encode() + b";\r\n\t" in trace
    assert b"for <" not in trace
    assert b"b.test" not in trace
    states = {
        view.id: [each.state for each in view.deliveries]
        for view in list_messages(site.queue, states=list(State))
    }
    assert set(states) >= {first, other}
    assert {state for each in states.values() for state in each} == {State.SENT}


def test_a_message_without_copies_keeps_its_trace(site: Site) -> None:
    site.put("bob@b.test")
    site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    ((_, content),) = site.mails()
    assert b"\r\n\tfor <bob@b.test>;\r\n\t" in content


def test_two_equal_mails_for_one_recipient_stay_two(site: Site) -> None:
    for _ in range(2):
        site.put("cron@b.test")
    site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    assert [recipients for recipients, _ in site.mails()] == [("cron@b.test",)] * 2


def test_what_is_asked_for_single_recipients_is_kept(site: Site) -> None:
    never = RecipientOptions(frozenset({Notify.NEVER}))
    site.put("bob@b.test", recipient_options={"bob@b.test": never})
    site.put("carol@b.test", recipient_options={"carol@b.test": RecipientOptions(orcpt="rfc822;c@a.test")})
    site.batcher(LanePolicy(form=Form.GATEWAY)).run_once(is_flush=True)
    ((_, payload),) = site.packets()
    lines = payload.replace(b"\r\n", b"\n")
    assert b"RCPT TO:<bob@b.test> NOTIFY=NEVER\nRCPT TO:<carol@b.test> ORCPT=rfc822;c@a.test\n" in lines


def test_copies_share_the_arguments_of_a_sendmail_packet(site: Site) -> None:
    names = [f"recipient-number-{number:02}@b.test" for number in range(20)]
    for name in names:
        site.put(name)
    site.batcher(LanePolicy(form=Form.SENDMAIL)).run_once()
    packets = site.packets()
    assert 1 < len(packets) < 5
    assert sorted(arg.decode() for args, _ in packets for arg in args) == names
    assert all(body.endswith(b"\nhello\n") and b"for <" not in body for _, body in packets)


@pytest.mark.parametrize("form", [Form.BSMTP, Form.SENDMAIL])
def test_an_address_that_can_not_be_sent_takes_no_copy_with_it(site: Site, form: Form) -> None:
    bad = "bob@under_score.test" if form is Form.BSMTP else "-bs@b.test"
    site.put("bob@b.test")
    bad_id = site.put(bad)
    site.put("carol@b.test")
    result = site.batcher(LanePolicy(form=form)).run_once(is_flush=True)
    assert result.bad_count == 1
    (dead,) = list_messages(site.queue, states=[State.DEAD])
    assert dead.id == bad_id
    arrived = [arg for args, _ in site.packets() for arg in args]
    if form is Form.BSMTP:
        assert [recipients for recipients, _ in site.mails()] == [("bob@b.test", "carol@b.test")]
    else:
        assert sorted(arrived) == [b"bob@b.test", b"carol@b.test"]


def test_a_lost_body_costs_one_copy_alone(site: Site) -> None:
    large = CONTENT + b"x" * INLINE_BODY_BYTES + b"\r\n"
    first = site.put("bob@b.test", content=large)
    site.put("carol@b.test", content=large)
    site.put("dave@b.test", content=large)
    (site.queue.bodies.directory / first).unlink()
    result = site.batcher(LanePolicy(form=Form.BSMTP)).run_once(is_flush=True)
    assert (result.packet_count, result.message_count, result.bad_count) == (1, 2, 1)
    assert [view.id for view in list_messages(site.queue, states=[State.DEAD])] == [first]
    ((recipients, content),) = site.mails()
    assert recipients == ("carol@b.test", "dave@b.test")
    assert content.endswith(large)
    assert list(site.queue.bodies.directory.iterdir()) == []


def test_copies_count_once_against_the_limits_of_a_batch(site: Site) -> None:
    content = CONTENT + b"x" * 1000
    for number in range(10):
        site.put(f"r{number}@b.test", content=content)
    site.put("last@b.test", content=content + b"!")
    tight = LanePolicy(form=Form.BSMTP, max_count=2, max_bytes=2500)
    assert site.batcher(tight).run_once(is_flush=True).packet_count == 1
    assert [len(recipients) for recipients, _ in site.mails()] == [10, 1]


def test_a_large_message_travels_alone_and_behind_small_ones(site: Site) -> None:
    large = CONTENT + b"x" * 5000
    site.put("one@b.test", content=large)
    site.put("two@b.test")
    site.put("three@b.test", content=CONTENT + b"!")
    site.put("four@b.test", content=large)
    site.put("five@b.test", content=large + b"!")
    policy = LanePolicy(form=Form.BSMTP, niceness=Niceness(large_bytes=5000), max_age_seconds=1e6)
    assert site.batcher(policy).run_once().packet_count == 3
    with site.queue.reading() as connection:
        order = connection.execute(
            "SELECT group_concat(recipient) FROM (SELECT recipient, batch FROM delivery ORDER BY seq)"
            " JOIN batch ON batch.id = batch GROUP BY batch ORDER BY batch.rowid"
        ).fetchall()
    assert order == [("two@b.test,three@b.test",), ("one@b.test,four@b.test",), ("five@b.test",)]


def test_a_window_lets_batches_be_made_when_it_opens(site: Site) -> None:
    batcher = site.batcher(LanePolicy(form=Form.BSMTP, windows=(parse_window("22:00-06:00"),)))
    site.put("bob@b.test")
    site.go_on(3600)
    site.put("carol@b.test")
    assert batcher.run_once().packet_count == 0
    assert batcher.next_run_seconds() == 9 * 3600
    site.go_on(9 * 3600 - 1)
    assert batcher.run_once().packet_count == 0
    site.go_on(1)
    assert batcher.run_once().message_count == 2
    site.go_on(1)
    site.put("dave@b.test")
    assert batcher.run_once().packet_count == 0
    assert batcher.next_run_seconds() == 60
    site.go_on(60)
    assert batcher.run_once().packet_count == 1


def test_a_clock_that_is_set_only_moves_the_window(site: Site) -> None:
    batcher = site.batcher(LanePolicy(form=Form.BSMTP, windows=(parse_window("22:00-06:00"),)))
    site.put("bob@b.test")
    site.moment = datetime(1970, 1, 1, 23)  # noqa: DTZ001 - a clock that forgot the time
    assert batcher.run_once().packet_count == 0
    site.go_on(60)
    assert batcher.run_once().packet_count == 1


def test_a_carrier_takes_along_what_waits_for_a_window(site: Site) -> None:
    batcher = site.batcher(LanePolicy(form=Form.BSMTP, windows=(parse_window("22:00-06:00"),)))
    flusher = Flusher(site.queue, site.books["a"], batcher, 0.0)
    site.put("bob@b.test")
    assert flusher.has_open_lane(site.b)
    assert flusher.flush_now(site.b).packet_count == 1


def test_for_a_neighbour_out_of_service_nothing_is_made_and_nobody_is_called(site: Site) -> None:
    batcher = site.batcher(LanePolicy(is_in_service=False))
    flusher = Flusher(site.queue, site.books["a"], batcher, 0.0)
    site.put("bob@b.test")
    assert batcher.run_once(is_flush=True).packet_count == 0
    assert not flusher.has_open_lane(site.b)
    assert flusher.flush_now(site.b).packet_count == 0
    assert batcher.next_run_seconds() == float("inf")
    assert list(site.spool.jobs(site.b, Box.TX)) == []
    assert site.batcher(LanePolicy()).run_once().packet_count == 1
