"""A payload that is received again after the program died at any step is in the inbox exactly once."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError, StoreFull
from gateway.ids import PacketId
from gateway.msgqueue.entry import State
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from gateway.routing.rights import Addresses, Rate, Rights
from tests.support.crash import run_until_step
from tests.support.hub import hub, through
from tests.support.messages import NODE_C
from tests.support.received import (
    PACKET,
    batch_of,
    body_of,
    inbox,
    leftovers,
    pair,
    receive,
    receiver,
    without_trace,
)

STEP_LIMIT = 300
LARGE = b"Subject: large\r\n\r\n" + b"x" * INLINE_BODY_BYTES + b"\r\n"
SMALL = b"Subject: small\r\n\r\nhello\r\n"
STOCK = (
    b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n" + LARGE + b".\r\n"
    b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\nbare\nlf\r\n.\r\n"
    b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n" + SMALL + b".\r\n"
)
PAYLOADS = {
    "a batch of a gateway": (batch_of([pair(body=LARGE), pair(body=SMALL), pair(body=LARGE)]), None),
    "a stock batch with a bad message": (STOCK, PACKET),
    "a batch that can't be read": (b"junk\r\n", PACKET),
}


def handle(directory: Path, disk: Disk, payload: bytes, packet: PacketId | None) -> None:
    """As a handler does, from opening the queue to the answer."""
    with Queue(directory, disk) as queue:
        receive(receiver(queue, disk), [payload], packet)


def check(directory: Path, payload: bytes) -> None:
    """All of it is there, once, and nothing else is left."""
    with Queue(directory, Disk(is_syncing=False)) as queue:
        queue.sweep_bodies()
        bodies = [body_of(queue, view) for view in inbox(queue)]
        texts = [without_trace(body) if body else b"" for body in bodies]
        named = sum(len(body) > INLINE_BODY_BYTES for body in bodies)
        assert len(list(queue.bodies.directory.iterdir())) == named
    kept = sorted(path.suffix for path in directory.glob("quarantine/*"))
    if payload == STOCK:
        assert texts == [LARGE, b"", SMALL]
        assert kept == [".batch", ".txt"]
    elif payload == b"junk\r\n":
        assert texts == []
        assert kept == [".batch", ".txt"]
    else:
        assert texts == [LARGE, SMALL, LARGE]
        assert kept == []
    assert list(leftovers(directory)) == []


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_stop_at_every_step_and_another_try(tmp_path: Path, name: str) -> None:
    """A message is never lost and never there twice, wherever the receiver died."""
    payload, packet = PAYLOADS[name]
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, steps = run_until_step(
            step,
            lambda disk, d=directory: handle(d, disk, payload, packet),  # type: ignore[misc]
        )
        if was_stopped:
            handle(directory, Disk(is_syncing=False), payload, packet)
        check(directory, payload)
        if not was_stopped:
            assert len(steps) == step > 10
            return
    raise AssertionError("the receiver never came to its end")


def _failing(last_step: int, number: int) -> tuple[Disk, Callable[[], int]]:
    count = 0

    def hook(step: str, _path: Path) -> None:
        nonlocal count
        count += 1
        if count == last_step and step not in {"commit", "committed"}:
            raise OSError(number, "injected")

    return Disk(is_syncing=False, hook=hook), lambda: count


def _error_of(work: Callable[[], None]) -> StoreError | None:
    try:
        work()
    except StoreError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("name", "number"), [*((name, errno.ENOSPC) for name in PAYLOADS), (next(iter(PAYLOADS)), errno.EIO)]
)
def test_a_disk_that_refuses_a_step_keeps_the_packet(tmp_path: Path, name: str, number: int) -> None:
    """A full or broken disk raises a temporary error, and the next try takes all of it, once."""
    payload, packet = PAYLOADS[name]
    raised_count = 0
    for step in range(1, STEP_LIMIT):
        directory = tmp_path / str(step)
        disk, steps_done = _failing(step, number)
        error = _error_of(lambda d=directory, k=disk: handle(d, k, payload, packet))  # type: ignore[misc]
        if error is not None:
            raised_count += 1
            assert error.is_temporary
            assert isinstance(error, StoreFull) == (number == errno.ENOSPC)
            handle(directory, Disk(is_syncing=False), payload, packet)
        check(directory, payload)
        if steps_done() < step:
            assert raised_count > 5
            return
    raise AssertionError("the receiver never came to its end")


RELAYED = batch_of(
    [pair("carol@c.test", "bob@b.test", body=LARGE), pair("carol@c.test"), pair("x@world.test")]
)
SLOW = Rights(relay_to=Addresses(("c.test",)), rate=Rate(messages_per_hour=1))


def relay(directory: Path, disk: Disk) -> None:
    """As a handler of a hub does."""
    with Queue(directory, disk) as queue:
        through(hub(queue, SLOW, disk=disk), RELAYED)


def test_a_stop_at_every_step_of_a_hub_and_another_try(tmp_path: Path) -> None:
    """What goes on to a neighbour waits for it once, with what stays here, and is counted once."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        was_stopped, _ = run_until_step(step, lambda disk, d=directory: relay(d, disk))  # type: ignore[misc]
        if was_stopped:
            relay(directory, Disk(is_syncing=False))
        with Queue(directory, Disk(is_syncing=False)) as queue:
            queue.sweep_bodies()
            views = list_messages(queue, states=tuple(State))
            found = [(each.recipient, each.node, each.state) for view in views for each in view.deliveries]
            assert found == [
                ("carol@c.test", NODE_C.text, State.QUEUED),
                ("bob@b.test", "", State.QUEUED),
                ("carol@c.test", NODE_C.text, State.QUEUED),
                ("x@world.test", "", State.DEAD),
            ]
            assert b"".join(queue.read_body(views[0].seq)).endswith(LARGE)
            assert len(list(queue.bodies.directory.iterdir())) == 1
            (lane,) = Outbox(queue).lanes()
            assert lane.message_count == 1
            assert 3500 < views[1].deliveries[0].next_try_seconds <= 3600
        assert list(leftovers(directory)) == []
        if not was_stopped:
            assert step > 10
            return
    raise AssertionError("the receiver never came to its end")
