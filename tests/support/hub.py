"""A receiver of a node that passes mail on: b.test is delivered there, node c is the way to c.test."""

from dataclasses import replace
from typing import Any

from gateway.batch.choices import make_find_choices
from gateway.batch.policy import BatchSettings
from gateway.daemon.mail_ways import make_find_way
from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.msgqueue.store import Queue
from gateway.receive.quarantine import Source
from gateway.receive.receiver import RSMTP, Receipt, Receiver, ReceiveSettings
from gateway.routing.rights import Addresses, Rights
from gateway.routing.table import Local, Rule, Table, ToNode
from tests.support.messages import NODE_A, NODE_B, NODE_C
from tests.support.received import PACKET

ROUTES = Table.from_rules(
    [Rule("b.test", Local()), Rule("c.test", ToNode("c")), Rule("a.test", ToNode("a")), Rule("*", Local())]
)
LANES = {"a": NODE_A, "c": NODE_C}
OPEN = Rights(relay_to=Addresses(("c.test",)))


def hub(
    queue: Queue,
    of_a: Rights = OPEN,
    *,
    rights: dict[NodeId, Rights] | None = None,
    disk: Disk | None = None,
    **settings: Any,
) -> Receiver:
    """A receiver of a node that has routes, and of whom node a may send so much."""
    find_choices = make_find_choices(LANES.__getitem__, BatchSettings())
    values: dict[str, Any] = {"own_id": NODE_B, "rights": rights or {NODE_A: of_a}, **settings}
    return Receiver(
        queue,
        disk or Disk(is_syncing=False),
        ReceiveSettings("mx.b.test", ("b.test",), **values),
        find_way=make_find_way(ROUTES, find_choices),
        name_of={NODE_A: "a", NODE_C: "c"}.__getitem__,
    )


def through(receiver: Receiver, payload: bytes, **fields: Any) -> Receipt:
    """Receive a batch from node a, or from elsewhere."""
    source = replace(Source(NODE_A, "a", PACKET, RSMTP), **fields)
    with receiver.begin(source) as reception:
        return reception.take_all([payload])
