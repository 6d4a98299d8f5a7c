"""The program is stopped before every single step of claim, seal, commit and done."""

from collections import Counter
from pathlib import Path

import pytest

from gateway.batch.batcher import Batcher
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.durable import Disk
from gateway.msgqueue.entry import Form, Role, State
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from gateway.nodes import Book
from gateway.packet.plain import decode_exec_path
from gateway.receive.receiver import Receiver, ReceiveSettings
from gateway.spool.layout import Box
from gateway.spool.store import Spool
from tests.support.crash import run_until_step
from tests.support.messages import new_message
from tests.support.nodes import make_books, make_spool, payloads_for
from tests.support.received import receive

STEP_LIMIT = 400
MESSAGE_COUNT = 3


class Journey:
    """Node a with mail for b, and b's inbox, in one directory."""

    def __init__(self, directory: Path, books: dict[str, Book], form: Form) -> None:
        self.directory = directory
        self.books = books
        self.form = form
        self.b = books["b"].self_node.id
        make_spool(directory / "spool")
        self.put()

    def put(self) -> None:
        """What waits in the outbox."""
        with Queue(self.directory / "a", Disk(is_syncing=False)) as queue:
            for number in range(MESSAGE_COUNT):
                head = f"Subject: number {number}\r\n\r\n".encode()
                body = head + b"x" * (INLINE_BODY_BYTES if number == 1 else 10) + b"\r\n"
                message = new_message(node=self.b)
                queue.put(
                    new_message(id=message.id, node=self.b, body=queue.hold_body(message.id, body))
                ).result()

    def batch(self, disk: Disk) -> None:
        """As the program does at its start, and then in its work."""
        policy = LanePolicy(form=self.form, max_count=2, level=1)
        with Queue(self.directory / "a", disk) as queue:
            spool = Spool(self.directory / "spool", disk)
            Batcher(queue, self.books["a"], spool, BatchSettings(default=policy)).run_once(is_flush=True)

    def carry(self) -> None:
        """What a carrier could take now goes to the far inbox, and is gone from tx."""
        book = self.books["b"]
        spool = Spool(self.directory / "spool", Disk(is_syncing=False))
        settings = ReceiveSettings("b.test", ("b.test",))
        sender = self.books["a"].self_node.id
        disk = Disk(is_syncing=False)
        with Queue(self.directory / "b", disk) as queue:
            receiver = Receiver(queue, disk, settings)
            jobs = list(spool.jobs(self.b, Box.TX))
            for job, (plain, payload) in zip(jobs, payloads_for(spool, self.b, book), strict=True):
                handle, args = decode_exec_path(plain.path)
                receive(receiver, [payload], job.packet, handle.decode(), args, sender=sender)
            for job in jobs:
                spool.remove(job)

    def arrived(self) -> Counter[bytes]:
        """How often each message is in the far inbox, by its subject."""
        with Queue(self.directory / "b", Disk(is_syncing=False)) as queue:
            views = list_messages(queue, Role.INBOX)
            bodies = [b"".join(queue.read_body(view.seq)) for view in views]
        return Counter(
            line for body in bodies for line in body.split(b"\r\n") if line.startswith(b"Subject: number")
        )

    def left_behind(self) -> list[str]:
        """Files of the sending side that should not be there any more."""
        tx = self.directory / "spool" / self.b.text / "tx"
        with Queue(self.directory / "a", Disk(is_syncing=False)) as queue:
            queue.sweep_bodies()
            open_views = list_messages(queue, states=[State.QUEUED, State.CLAIMED, State.DEAD])
            bodies = [path.name for path in queue.bodies.directory.iterdir()]
        packets = [path.name for path in tx.iterdir() if path.is_file()]
        return [*(view.id for view in open_views), *bodies, *packets]


@pytest.mark.parametrize("is_taken_at_once", [False, True], ids=["carrier-later", "carrier-between"])
@pytest.mark.parametrize("form", [Form.BSMTP, Form.SENDMAIL])
def test_a_stop_at_any_step_leaves_every_message_exactly_once(
    tmp_path: Path, form: Form, *, is_taken_at_once: bool
) -> None:
    """No step at which the program ends, and no carrier that comes then, loses or doubles a message."""
    books = make_books("a", "b")
    seen_steps: set[str] = set()
    for step in range(STEP_LIMIT):
        journey = Journey(tmp_path / str(step), books, form)
        was_stopped, steps = run_until_step(step, journey.batch)
        seen_steps.update(steps)
        if is_taken_at_once:
            journey.carry()
        journey.batch(Disk(is_syncing=False))
        journey.carry()
        expected = {b"Subject: number %d" % number: 1 for number in range(MESSAGE_COUNT)}
        assert journey.arrived() == expected, f"stopped before step {step}, after {steps[-1:]}"
        assert journey.left_behind() == [], f"stopped before step {step}, after {steps[-1:]}"
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert {"commit", "committed", "create", "write", "sync", "sync-directory", "rename"} <= seen_steps


def test_the_name_of_a_sealed_packet_is_durable_before_it_is_recorded(tmp_path: Path) -> None:
    """A power cut can't make a lost temporary look like a packet that a carrier took."""
    journey = Journey(tmp_path, make_books("a", "b"), Form.BSMTP)
    steps: list[tuple[str, Path]] = []

    def hook(step: str, path: Path) -> None:
        steps.append((step, path))

    journey.batch(Disk(is_syncing=False, hook=hook))
    tx = tmp_path / "spool" / journey.b.text / "tx"
    created = next(i for i, (step, path) in enumerate(steps) if step == "create" and path.parent == tx)
    synced = next(
        i for i, (step, path) in enumerate(steps) if step == "sync-directory" and path == tx and i > created
    )
    recorded = next(i for i, (step, _) in enumerate(steps) if step == "commit" and i > created)
    renamed = next(i for i, (step, path) in enumerate(steps) if step == "rename" and path.parent == tx)
    assert created < synced < recorded < renamed
