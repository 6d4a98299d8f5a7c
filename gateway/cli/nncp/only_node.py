"""The ``-node`` flag: one neighbour, or all."""

from gateway.cli.nncp.context import Context
from gateway.errors import UnknownNode
from gateway.ids import NodeId


def only_node(context: Context) -> frozenset[NodeId] | None:
    """The node that ``-node`` names; None: all.

    Raises:
        UnknownNode: it names none.
    """
    name = context.parsed.text("node")
    if not name:
        return None
    try:
        return frozenset({context.book.find(name).id})
    except UnknownNode as error:
        raise UnknownNode(f"Invalid -node specified: {error}") from error
