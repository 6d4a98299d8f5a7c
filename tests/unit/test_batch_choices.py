"""Which of several neighbours gets a message."""

import pytest

from gateway.batch.choices import make_find_choices
from gateway.batch.policy import BatchSettings, LanePolicy, Niceness
from gateway.errors import UnknownNode
from gateway.ids import NodeId
from gateway.msgqueue.entry import Lane
from gateway.msgqueue.insertion import SizeLimits
from gateway.routing.table import Route
from gateway.routing.urgency import Urgency
from tests.support.messages import NODE_A, NODE_B, NODE_C

NODES = {"sat": NODE_A, "stick": NODE_B, "radio": NODE_C}
ALL = Route("sat", ("stick", "radio"))
LIMITS = SizeLimits(outgoing={NODE_A.text: 1000, NODE_C.text: 500})


def find_node(name: str) -> NodeId:
    """The nodes of the tests."""
    if name not in NODES:
        raise UnknownNode(name)
    return NODES[name]


def settings(*out_of_service: NodeId, **policies: LanePolicy) -> BatchSettings:
    """Policies of nodes, by name."""
    by_node = {node: LanePolicy(is_in_service=False) for node in out_of_service}
    return BatchSettings(by_node={**by_node, **{NODES[name]: policy for name, policy in policies.items()}})


@pytest.mark.parametrize(
    ("size", "out_of_service", "name"),
    [
        (1000, (), "sat"),
        (1001, (), "stick"),
        (10, (NODE_A,), "stick"),
        (1001, (NODE_B,), "sat"),
        (500, (NODE_A, NODE_B), "radio"),
        (501, (NODE_A, NODE_B), "sat"),
        (10, (NODE_A, NODE_B, NODE_C), "sat"),
    ],
)
def test_the_first_that_can_take_it_gets_it_and_else_the_first(
    size: int, out_of_service: tuple[NodeId, ...], name: str
) -> None:
    choices = make_find_choices(find_node, settings(*out_of_service), LIMITS)(ALL)
    assert choices.of(size).name == name
    assert choices.lane(Urgency.NORMAL, size) == Lane(NODES[name], 96)


def test_niceness_is_that_of_the_node_chosen_unless_the_route_says_another() -> None:
    own = settings(stick=LanePolicy(niceness=Niceness(40, urgent=20)))
    find = make_find_choices(find_node, own, LIMITS)
    assert find(ALL).lane(Urgency.NORMAL, 5000) == Lane(NODE_B, 40)
    assert find(ALL).lane(Urgency.URGENT, 5000) == Lane(NODE_B, 20)
    with_own = Route("stick", (), 170)
    assert find(with_own).of().lane == Lane(NODE_B, 170)
    assert find(with_own).lane(Urgency.BULK, 10) == Lane(NODE_B, 170)
    assert find(with_own).lane(Urgency.URGENT, 10) == Lane(NODE_B, 20)


def test_a_node_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(UnknownNode):
        make_find_choices(find_node, settings())(Route("sat", ("nobody",)))
