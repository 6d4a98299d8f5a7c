"""What a neighbour sends over its rate waits, for as long as the rate says, whatever happens meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import NodeId, PacketId
from gateway.msgqueue.entry import Batch, Form, Lane, Received, Role, State
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.pace import LONGEST_WAIT_SECONDS, Account, OverRate, check_backlog
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import list_messages
from gateway.routing.rights import Rate
from tests.support.messages import NODE_A, NODE_B, NODE_C, new_message
from tests.support.queue_clock import SetClock

SIX = Account(NODE_A, Rate(messages_per_hour=6))
TEN_MINUTES = 600.0


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def queue(tmp_path: Path, clock: SetClock) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as opened:
        yield opened


_numbers = iter(range(1, 1_000_000))


def put(
    queue: Queue, count: int, account: Account = SIX, *, node: NodeId | None = None, size: int = 10
) -> Received:
    messages = [
        new_message(node=node, nice=0 if node is None else 96, body=b"x" * size) for _ in range(count)
    ]
    packet = PacketId(next(_numbers).to_bytes(32, "big"))
    return Inbox(queue).put_batch(account.node, messages, batch=None, packet=packet, account=account)


def claim(outbox: Outbox) -> Batch | None:
    return outbox.claim(Lane(NODE_B, 96), Form.GATEWAY, max_count=100, max_bytes=1 << 20, first_hop=NODE_B)


def waits(queue: Queue) -> list[int]:
    """When each of the messages of the inbox may be tried, in minutes from now."""
    views = list_messages(queue, Role.INBOX, states=(State.QUEUED,))
    return [round(view.deliveries[0].next_try_seconds / 60) for view in views]


def test_an_hours_worth_comes_at_once_and_the_rest_as_fast_as_it_may(queue: Queue) -> None:
    received = put(queue, 9)
    assert waits(queue) == [0] * 6 + [10, 20, 30]
    assert (received.late_count, round(received.longest_wait_seconds)) == (3, 1800)
    assert len(Inbox(queue).due(100)) == 6


def test_what_waits_is_let_go_when_its_time_has_come(queue: Queue, clock: SetClock) -> None:
    put(queue, 8)
    clock.go_on(TEN_MINUTES)
    assert len(Inbox(queue).due(100)) == 7
    (waiting,) = [
        view for view in list_messages(queue, Role.INBOX) if view.deliveries[0].next_try_seconds > 0
    ]
    assert waiting.deliveries[0].status == "4.4.5"
    assert "goes on when the rate allows it" in waiting.deliveries[0].text


def test_an_hour_of_silence_gives_the_whole_hour_back_and_no_more(queue: Queue, clock: SetClock) -> None:
    put(queue, 6)
    clock.go_on(100 * TEN_MINUTES)
    assert put(queue, 7).late_count == 1


def test_the_account_outlasts_a_restart_and_a_jump_of_the_wall_clock(tmp_path: Path, clock: SetClock) -> None:
    for ahead_seconds in (0.0, 1e9, -1e9):
        clock.wall_ahead_seconds = ahead_seconds
        with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as queue:
            put(queue, 3)
    with Queue(tmp_path, Disk(is_syncing=False), clock=clock.make) as queue:
        assert waits(queue) == [0] * 6 + [10, 20, 30]


def test_bytes_count_as_well_and_each_limit_for_itself(queue: Queue) -> None:
    account = Account(NODE_A, Rate(messages_per_hour=6, bytes_per_hour=6000))
    assert put(queue, 5, account, size=1000).late_count == 0
    assert put(queue, 1, account, size=1000).late_count == 0
    assert put(queue, 1, account, size=2000).longest_wait_seconds == pytest.approx(2 * TEN_MINUTES)


def test_a_message_larger_than_an_hours_bytes_waits_and_comes_through(queue: Queue) -> None:
    account = Account(NODE_A, Rate(bytes_per_hour=1000))
    assert put(queue, 1, account, size=2000).longest_wait_seconds == pytest.approx(3600)


def test_neighbours_have_accounts_of_their_own(queue: Queue) -> None:
    put(queue, 20)
    assert put(queue, 6, Account(NODE_C, SIX.rate)).late_count == 0
    assert put(queue, 1000, Account(NODE_B, Rate())).late_count == 0


def test_what_waits_is_not_batched_before_its_time(queue: Queue, clock: SetClock) -> None:
    put(queue, 8, node=NODE_B)
    outbox = Outbox(queue)
    (figures,) = outbox.lanes()
    assert figures.message_count == 6
    batch = claim(outbox)
    assert batch is not None
    assert batch.message_count == 6
    assert claim(outbox) is None
    outbox.release(batch.id)
    clock.go_on(2 * TEN_MINUTES)
    (figures,) = outbox.lanes()
    assert figures.message_count == 8


def test_a_flush_takes_what_may_go_and_leaves_what_waits(queue: Queue, clock: SetClock) -> None:
    put(queue, 7, node=NODE_B)
    outbox = Outbox(queue)
    outbox.ask_flush()
    (figures,) = outbox.lanes()
    assert (figures.message_count, figures.is_flush_due) == (6, True)


def test_a_neighbour_with_a_days_worth_waiting_keeps_its_packets(queue: Queue, clock: SetClock) -> None:
    put(queue, 6 + 6 * 24)
    check_backlog(queue, SIX)
    put(queue, 1)
    with pytest.raises(OverRate) as caught:
        check_backlog(queue, SIX)
    assert caught.value.is_temporary
    check_backlog(queue, Account(NODE_C, SIX.rate))
    clock.go_on(2 * TEN_MINUTES)
    check_backlog(queue, SIX)


def test_nothing_of_one_huge_batch_waits_for_longer_than_a_week(queue: Queue) -> None:
    account = Account(NODE_A, Rate(messages_per_hour=1))
    assert put(queue, 400, account).longest_wait_seconds == LONGEST_WAIT_SECONDS


def test_a_batch_that_comes_twice_is_counted_once(queue: Queue) -> None:
    inbox, packet = Inbox(queue), PacketId(bytes(32))
    for _ in range(2):
        messages = [new_message(node=None) for _ in range(6)]
        inbox.put_batch(NODE_A, messages, batch=None, packet=packet, account=SIX)
    assert put(queue, 1).longest_wait_seconds == pytest.approx(TEN_MINUTES)


def test_a_batch_that_fails_is_not_counted(queue: Queue) -> None:
    def failing() -> Iterator[object]:
        yield new_message(node=None)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Inbox(queue).put_batch(NODE_A, failing(), batch=None, packet=None, account=SIX)  # type: ignore[arg-type]
    assert put(queue, 6).late_count == 0
