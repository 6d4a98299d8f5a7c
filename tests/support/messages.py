"""Messages for tests."""

from typing import Any

from gateway.ids import NodeId
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import NewMessage, Target
from gateway.msgqueue.store import Queue

NODE_A = NodeId(b"\xaa" * 32)
NODE_B = NodeId(b"\xbb" * 32)
NODE_C = NodeId(b"\xcc" * 32)


def new_message(
    *,
    sender: str = "alice@a.test",
    recipients: tuple[str, ...] = ("bob@b.test",),
    body: Any = b"Subject: test\r\n\r\nhello\r\n",
    node: NodeId | None = NODE_B,
    nice: int = 96,
    targets: tuple[Target, ...] | None = None,
    id: str | None = None,  # noqa: A002 - the field's name
) -> NewMessage:
    """A message that is complete but for what the test cares about."""
    if targets is None:
        targets = tuple(Target(recipient, node, nice) for recipient in recipients)
    return NewMessage(
        id=id or Queue.new_id(),
        envelope=Envelope(sender, tuple(target.recipient for target in targets)),
        targets=targets,
        body=body,
        message_id="<test@a.test>",
        origin="127.0.0.1",
    )
