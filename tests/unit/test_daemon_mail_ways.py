"""Where received mail goes, and whose senders are told of it."""

import pytest

from gateway.batch.choices import Choices, make_find_choices
from gateway.batch.policy import BatchSettings
from gateway.daemon.mail_ways import make_find_way, make_why_foreign
from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.msgqueue.reports import Told
from gateway.receive.admission import FindWay
from gateway.receive.receiver import ReceiveSettings
from gateway.routing.rights import Addresses, Rights
from gateway.routing.table import Local, Refusal, Refuse, Rule, Table, ToNode
from tests.support.messages import NODE_A, NODE_B, NODE_C

NODES = {"a": NODE_A, "c": NODE_C}
AREA = NodeId(b"\xee" * 32)
STRANGER = NodeId(b"\xdd" * 32)
TABLE = Table.from_rules(
    [
        Rule("here.test", Local()),
        Rule("a.test", ToNode("a")),
        Rule("both.test", ToNode("c", ("a",))),
        Rule("gone.test", ToNode("gone")),
        Rule("no.test", Refuse("5.1.1", "nobody")),
    ]
)


def find_node(name: str) -> NodeId:
    if name not in NODES:
        raise UnknownNode(f"unknown node {name}")
    return NODES[name]


@pytest.fixture
def find_way() -> FindWay:
    return make_find_way(TABLE, make_find_choices(find_node, BatchSettings()))


def test_a_way_is_what_the_routes_say(find_way: FindWay) -> None:
    assert find_way("x@here.test") is None
    assert find_way("x@no.test") == Refusal("5.1.1", "nobody")
    found = find_way("x@both.test")
    assert isinstance(found, Choices)
    assert [choice.node for choice in found.ordered] == [NODE_C, NODE_A]


def test_a_route_to_a_node_that_is_gone_leads_nowhere(find_way: FindWay) -> None:
    found = find_way("x@gone.test")
    assert isinstance(found, Refusal)
    assert found.status == "5.4.4"


@pytest.mark.parametrize(
    ("origin", "sender", "told"),
    [
        (NODE_A, "x@a.test", None),
        (NODE_A, "x@both.test", None),
        (NODE_A, "x@here.test", Told.NOT_ITS_SENDER),
        (NODE_A, "x@no.test", Told.NOT_ITS_SENDER),
        (NODE_C, "x@a.test", Told.NOT_ITS_SENDER),
        (NODE_C, "x@named.test", None),
        (STRANGER, "x@a.test", Told.NOT_ITS_SENDER),
        (AREA, "x@a.test", Told.AREA),
        (NODE_B, "x@here.test", None),
    ],
)
def test_senders_are_told_of_what_a_neighbour_brought_if_they_are_its_own(
    find_way: FindWay, origin: NodeId, sender: str, told: Told | None
) -> None:
    settings = ReceiveSettings(
        "mx.b.test",
        ("here.test",),
        own_id=NODE_B,
        rights={NODE_C: Rights(senders=Addresses(("named.test",)))},
        areas=frozenset({AREA}),
    )
    assert make_why_foreign(settings, find_way)(origin.text, sender) is told
