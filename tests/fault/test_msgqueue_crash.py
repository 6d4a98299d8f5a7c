"""What is in the queue after the program died at any point of taking a message in."""

from pathlib import Path

from gateway.durable import Disk
from gateway.msgqueue.entry import NewMessage
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.msgqueue.views import list_messages
from tests.support.crash import run_until_step
from tests.support.messages import new_message

LARGE = b"x" * (INLINE_BODY_BYTES + 1)
STEP_LIMIT = 200


def take_in(directory: Path, disk: Disk, messages: list[NewMessage], acknowledged: Path) -> None:
    """As an endpoint does: the acknowledgement is written when the future is resolved."""
    with Queue(directory, disk) as queue:
        for message in messages:
            body = queue.hold_body(message.id, LARGE if message.origin == "large" else b"small")
            queue.put(new_message(id=message.id, body=body)).result()
            with acknowledged.open("a") as file:
                file.write(message.id + "\n")


def test_what_was_acknowledged_is_there_whole_and_nothing_else_is_half_there(tmp_path: Path) -> None:
    """250 means on disk: after a stop at every step each acknowledged message can be read whole."""
    stopped_count = 0
    for step in range(STEP_LIMIT):
        directory = tmp_path / str(step)
        acknowledged = tmp_path / f"{step}.acknowledged"
        acknowledged.touch()
        small, large = new_message(), new_message()
        messages = [
            small,
            NewMessage(large.id, large.envelope, large.targets, b"", large.message_id, "large"),
            new_message(),
        ]
        was_stopped, _ = run_until_step(
            step,
            lambda disk, d=directory, m=messages, a=acknowledged: take_in(d, disk, m, a),  # type: ignore[misc]
        )
        with Queue(directory, Disk(is_syncing=False)) as queue:
            queue.sweep_bodies()
            found = {view.id: view for view in list_messages(queue)}
            for message_id in acknowledged.read_text().split():
                assert message_id in found
            for view in found.values():
                assert b"".join(queue.read_body(view.seq)) in {b"small", LARGE}
            named = {view.id for view in found.values() if view.size_bytes > INLINE_BODY_BYTES}
            assert {path.name for path in queue.bodies.directory.iterdir()} == named
        if not was_stopped:
            assert len(found) == 3
            break
        stopped_count += 1
    else:
        raise AssertionError("the program never came to its end")
    assert stopped_count > 10
