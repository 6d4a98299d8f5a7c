"""The queue against a model: whatever is done in whatever order, no delivery is lost or doubled."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.durable import Disk
from gateway.ids import BatchId, PacketId
from gateway.msgqueue.entry import BatchState, Form, Lane, State
from gateway.msgqueue.operations import Operations, Result
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.selection import Selection
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import list_messages
from tests.support.messages import NODE_B, NODE_C, new_message

PACKET = PacketId(b"\x01" * 32)
QUEUED, HELD, DEAD, DROPPED = State.QUEUED, State.HELD, State.DEAD, State.DROPPED
AFTER: dict[str, tuple[Callable[[Operations, Selection], list[Result]], dict[State, State]]] = {
    "hold": (lambda do, which: do.hold(which), {QUEUED: HELD}),
    "release": (lambda do, which: do.release(which), {HELD: QUEUED}),
    "retry": (lambda do, which: do.retry(which), {}),
    "expire": (lambda do, which: do.expire(which), {QUEUED: DEAD, HELD: DEAD}),
    "drop": (lambda do, which: do.drop(which), {QUEUED: DROPPED, HELD: DROPPED, DEAD: DROPPED}),
    "move": (lambda do, which: do.move(which, NODE_C, None), {DEAD: QUEUED}),
    "replay": (lambda do, which: do.replay(which, lambda _: None), {DEAD: QUEUED}),
}
"""Where a delivery that a person decides about stands afterwards; a state that is not named stays."""


class OutboxMachine(RuleBasedStateMachine):
    """Puts, claims, names, finishes, releases and reopens at random."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ngw-"))
        self.queue = Queue(self.directory, Disk(is_syncing=False))
        self.states: dict[str, State] = {}
        self.members: dict[BatchId, set[str]] = {}

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.directory)

    @rule(node=st.sampled_from([NODE_B, NODE_C]), count=st.integers(1, 3))
    def put(self, node: object, count: int) -> None:
        for _ in range(count):
            message = new_message(node=node)  # type: ignore[arg-type]
            self.queue.put(message).result()
            self.states[message.id] = State.QUEUED

    @rule(target=batches, node=st.sampled_from([NODE_B, NODE_C]), count=st.integers(1, 4))
    def claim(self, node: object, count: int) -> BatchId | None:
        outbox = Outbox(self.queue)
        lane = Lane(node, 96)  # type: ignore[arg-type]
        batch = outbox.claim(lane, Form.BSMTP, max_count=count, max_bytes=10**9, first_hop=lane.node)
        if batch is None:
            return None
        self.members[batch.id] = {message.id for message in outbox.messages_of(batch.id)}
        assert 1 <= len(self.members[batch.id]) <= count
        for message_id in self.members[batch.id]:
            assert self.states[message_id] is State.QUEUED
            self.states[message_id] = State.CLAIMED
        return batch.id

    @rule(batch=consumes(batches))
    def finish(self, batch: BatchId | None) -> None:
        if batch is not None:
            Outbox(self.queue).name_packet(batch, PACKET)
            Outbox(self.queue).finish(batch)
            self._set(batch, State.SENT)

    @rule(batch=consumes(batches))
    def release(self, batch: BatchId | None) -> None:
        if batch is not None:
            Outbox(self.queue).release(batch)
            self._set(batch, State.QUEUED)

    @rule(name=st.sampled_from(sorted(AFTER)), is_one=st.booleans(), place=st.integers(0, 99))
    def decide(self, name: str, *, is_one: bool, place: int) -> None:
        """Whatever a person asks for, of one message or of all, does to each what the table says."""
        ids = sorted(self.states)
        chosen = [ids[place % len(ids)]] if is_one and ids else ids
        act, after = AFTER[name]
        for result in act(Operations(self.queue), Selection(ids=tuple(chosen) if is_one else ())):
            before = self.states[result.before.message_id]
            assert result.before.state is before
            self.states[result.before.message_id] = after.get(before, before)

    @rule()
    def reopen(self) -> None:
        self.queue.close()
        self.queue = Queue(self.directory, Disk(is_syncing=False))

    @invariant()
    def every_delivery_is_where_the_model_has_it(self) -> None:
        views = list_messages(self.queue, states=list(State))
        assert {view.id: view.deliveries[0].state for view in views} == self.states
        for view in views:
            assert view.has_body == (self.states[view.id] not in {State.SENT, State.DROPPED})
        open_ids = {batch.id for batch in Outbox(self.queue).open_batches()}
        assert open_ids == set(self.members)
        assert {b.state for b in Outbox(self.queue).open_batches()} <= {BatchState.CLAIMED}

    def _set(self, batch: BatchId, state: State) -> None:
        for message_id in self.members.pop(batch):
            self.states[message_id] = state


OutboxMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestOutbox = OutboxMachine.TestCase
