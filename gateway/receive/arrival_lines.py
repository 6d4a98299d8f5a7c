"""The lines of the mail log about what came from a neighbour."""

from collections.abc import Callable
from functools import partial

from gateway.ids import BatchId, NodeId
from gateway.maillog import log_mail
from gateway.msgqueue.entry import NewMessage, Received
from gateway.msgqueue.insertion import WAITING_STATUS, WAITING_TEXT
from gateway.receive.quarantine import Source


class ArrivalLines:
    """Writes the lines about one payload.

    Args:
        source: where it came from.
        batch: its id, if it is a batch of ours.
        name_of: the name of a node.
    """

    def __init__(self, source: Source, batch: BatchId | None, name_of: Callable[[NodeId], str]) -> None:
        self._name_of = name_of
        self._write = partial(
            log_mail,
            node=source.sender_name,
            author=None if source.author is None else name_of(source.author),
            batch=None if batch is None else batch.text,
            packet=None if source.packet is None else source.packet.text,
        )

    def message(self, message: NewMessage) -> int:
        """Write what became of each recipient; returns how many of them are dead."""
        write = partial(
            self._write, id=message.id, message_id=message.message_id, from_=message.envelope.sender
        )
        dead_count = 0
        for target in message.targets:
            if target.refusal is not None:
                dead_count += 1
                write("dead", to=target.recipient, status=target.refusal.status, text=target.refusal.text)
            elif target.node is not None:
                write("relayed", to=target.recipient, next=self._name_of(target.node))
            else:
                write("unpacked", to=target.recipient)
        return dead_count

    def duplicate(self, received: Received) -> None:
        """Write that the batch had come before."""
        self._write("duplicate", first_packet=received.first_packet or None)

    def slowed(self, received: Received) -> None:
        """Write that messages wait because their neighbour sends more than it may, if any do."""
        if received.late_count:
            self._write(
                "slowed",
                messages=received.late_count,
                seconds=round(received.longest_wait_seconds),
                status=WAITING_STATUS,
                text=WAITING_TEXT,
            )
