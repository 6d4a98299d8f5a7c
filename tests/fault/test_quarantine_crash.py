"""The program is stopped before every single step of taking a payload in again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.msgqueue.decisions import Ending
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.receive.again import KeptPayloads, KeptResult
from gateway.receive.quarantine import Source
from gateway.receive.receiver import Receipt
from tests.support.crash import run_until_step
from tests.support.received import PACKET, batch_of, body_of, inbox, pair, receiver, take, without_trace

STEP_LIMIT = 100
LARGE = b"Subject: large\r\n\r\n" + b"x" * INLINE_BODY_BYTES + b"\r\n"
PAIRS = [pair(), pair(body=LARGE)]


def replay(directory: Path, disk: Disk) -> list[KeptResult]:
    with Queue(directory, disk) as queue:

        def receive(source: Source, payload: Iterator[bytes]) -> Receipt:
            with receiver(queue, disk).begin(source) as reception:
                return reception.take_all(payload)

        payloads = KeptPayloads(queue, disk)
        payloads.sweep()
        return [payloads.replay(kept, receive) for kept in payloads.list()]


@pytest.mark.parametrize("packet", [PACKET, None])
def test_a_stop_at_any_step_leaves_a_payload_in_quarantine_or_its_messages_in_the_inbox_once(
    tmp_path: Path, packet: PacketId | None
) -> None:
    """Nothing is lost between quarantine and inbox, and a batch with an id is never taken in twice."""
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        with Queue(directory, Disk(is_syncing=False)) as queue:
            take(queue, batch_of(PAIRS), packet, limits=BatchLimits(message_count=1))
            assert inbox(queue) == []

        def work(disk: Disk, directory: Path = directory) -> None:
            replay(directory, disk)

        was_stopped, steps = run_until_step(step, work)
        results = replay(directory, Disk(is_syncing=False))
        assert all(result.ending is Ending.DONE for result in results)
        with Queue(directory, Disk(is_syncing=False)) as queue:
            queue.sweep_bodies()
            bodies = [without_trace(body_of(queue, view)) for view in inbox(queue)]
            kept = [path.name for path in queue.bodies.directory.iterdir()]
        where = f"stopped before step {step}, after {steps[-1:]}"
        assert bodies == [body for _, body in PAIRS], where
        assert len(kept) == 1, where
        assert list((directory / "quarantine").iterdir()) == [], where
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert step >= 10
