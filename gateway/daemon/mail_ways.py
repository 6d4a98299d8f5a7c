"""Where received mail goes, and who is told of it: routes and rights of neighbours, brought together."""

from gateway.batch.choices import Choices, FindChoices
from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.msgqueue.reports import Told
from gateway.receive.admission import BACK_STATUS, FindWay
from gateway.receive.receiver import ReceiveSettings
from gateway.report.reporter import WhyForeign
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


def make_why_foreign(settings: ReceiveSettings, find_way: FindWay) -> WhyForeign:
    """Make what says which senders are not told what became of their mail, since it may not be theirs.

    Args:
        settings: what neighbours may send.
        find_way: where mail for an address goes.
    """

    def why_foreign(origin: str, sender: str) -> Told | None:
        node = NodeId.parse(origin)
        if node in settings.areas:
            return Told.AREA
        if node == settings.own_id:
            return None
        way = find_way(sender)
        is_way_back = isinstance(way, Choices) and any(choice.node == node for choice in way.ordered)
        is_told = settings.rights.get(node, Rights()).is_told_as(sender, is_way_back=is_way_back)
        return None if is_told else Told.NOT_ITS_SENDER

    return why_foreign
