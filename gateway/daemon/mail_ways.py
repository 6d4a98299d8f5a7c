"""Where received mail goes, and who is told of it: routes and rights of neighbours, brought together."""

from gateway.batch.choices import Choices, FindChoices
from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.msgqueue.reports import Told
from gateway.nodes import Node
from gateway.receive.admission import BACK_STATUS, NOT_HERE, Admission, Arrival, FindWay, House
from gateway.receive.receiver import ReceiveSettings
from gateway.report.reporter import WhyForeign
from gateway.report.rules import SENDER_STATUSES
from gateway.routing.rights import Rights
from gateway.routing.table import LocalRoute, Refusal, Table


def make_find_way(table: Table, find_choices: FindChoices) -> FindWay:
    """Make what says where mail for an address goes.

    Args:
        table: routes.
        find_choices: the neighbours of a route.
    """

    def find_way(address: str) -> Choices | Refusal | None:
        match table.route(address):
            case LocalRoute():
                return None
            case Refusal() as refusal:
                return refusal
            case route:
                try:
                    return find_choices(route)
                except UnknownNode as error:
                    return Refusal(BACK_STATUS, f"its route leads nowhere: {error}")

    return find_way


def explain_arrival(
    settings: ReceiveSettings, find_way: FindWay, node: Node, arrival: Arrival, recipient: str
) -> str:
    """Say in one line what becomes of a message from a neighbour.

    Args:
        settings: what neighbours may send.
        find_way: where mail for an address goes.
        node: the neighbour.
        arrival: the message.
        recipient: whom it is for.
    """
    house = House(settings.local_domains, settings.max_hops, settings.max_own_hops, find_way)
    rights = settings.rights.get(node.id, Rights())
    (target,) = Admission(house, node.id, rights).targets(arrival, (recipient,))
    if target.refusal is not None:
        what = f"refused: {target.refusal.status} {target.refusal.text}"
        if target.refusal.text == NOT_HERE.text and not isinstance(find_way(recipient), Refusal):
            what += f" (relay_to of neighbour.{node.name} does not name it)"
    else:
        what = "taken: delivered here" if target.node is None else "taken: goes on as above"
    status = "" if target.refusal is None else target.refusal.status
    untold = Told.SENDER_REFUSED if status in SENDER_STATUSES else None
    if untold is None:
        untold = make_why_foreign(settings, find_way)(node.id.text, arrival.sender)
    told = "its sender is told of failures" if untold is None else f"its sender is not told: {untold}"
    return f"from {node.name} as <{arrival.sender}>: {what}; {told}"


def make_why_foreign(settings: ReceiveSettings, find_way: FindWay) -> WhyForeign:
    """Make what says which senders are not told what became of their mail, since it may not be theirs.

    Args:
        settings: what neighbours may send.
        find_way: where mail for an address goes.
    """

    def why_foreign(origin: str, sender: str) -> Told | None:
        node = NodeId.parse(origin)
        if not sender:
            return Told.NULL_SENDER
        if node in settings.areas:
            return Told.AREA
        if node == settings.own_id:
            return None
        way = find_way(sender)
        is_way_back = isinstance(way, Choices) and any(choice.node == node for choice in way.ordered)
        is_told = settings.rights.get(node, Rights()).is_told_as(sender, is_way_back=is_way_back)
        return None if is_told else Told.NOT_ITS_SENDER

    return why_foreign
