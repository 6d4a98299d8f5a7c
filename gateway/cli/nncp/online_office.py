"""What the sessions of one command share: the outbox is emptied for a neighbour as soon as it is there."""

from gateway.carry.online.autotoss import AutoTosser
from gateway.carry.online.office import Hooks, Office
from gateway.cli.nncp.context import Context
from gateway.cli.nncp.outbox import OutboxFlush
from gateway.nodes import Node
from gateway.spool.link_state import LinkStates


def make_office(context: Context, flush: OutboxFlush, tosser: AutoTosser) -> Office:
    """The office of a command.

    Args:
        context: of the command.
        flush: makes packets of what waits for a neighbour when its session starts.
        tosser: is woken when a session starts, and when packets have come.
    """

    def on_start(node: Node) -> None:
        flush.flush_node(node)
        tosser.wake(node)

    return Office(
        context.book,
        context.spool,
        context.log,
        links=LinkStates(context.spool.layout, context.disk),
        hooks=Hooks(on_start=on_start, on_received=tosser.wake),
        progress=context.progress,
    )
