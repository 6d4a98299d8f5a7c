"""Mail is taken for our own addresses, and for others only where the neighbour's rights say so."""

import pytest

from gateway.batch.choices import Choice, Choices
from gateway.ids import NodeId
from gateway.msgqueue.entry import Target, Verdict
from gateway.receive.admission import Admission, Arrival, House, is_postmaster
from gateway.routing.rights import Addresses, Rights
from gateway.routing.table import Local as ToHere
from gateway.routing.table import LocalRoute, Refusal, Rule, Table, ToNode
from gateway.routing.table import Refuse as ToNobody
from tests.support.messages import NODE_A, NODE_B, NODE_C

LOCAL = ("b.test", ".c.test", "[192.0.2.1]", "only@d.test")
NODES = {"a": NODE_A, "b": NODE_B, "c": NODE_C}
TABLE = Table.from_rules(
    [
        *(Rule(pattern, ToHere()) for pattern in LOCAL),
        Rule("carol@b.test", ToNode("c")),
        Rule("nobody@b.test", ToNobody("5.1.1", "no such user")),
        Rule("later@b.test", ToNobody("4.2.1", "not today")),
        Rule("a.test", ToNode("a")),
        Rule("far.test", ToNode("c")),
        Rule("both.test", ToNode("a", ("c",))),
        Rule("*", ToHere()),
    ]
)
ALICE = Arrival("alice@a.test", size_bytes=100)
REPORT = Arrival("", size_bytes=100)


def find_way(recipient: str) -> Choices | Refusal | None:
    match TABLE.route(recipient):
        case LocalRoute():
            return None
        case Refusal() as refusal:
            return refusal
        case route:
            return Choices(tuple(Choice(NODES[name], name) for name in route.nodes))


def target(
    recipient: str, rights: Rights | None = None, arrival: Arrival = ALICE, *, is_relayed: bool = True
) -> Target:
    house = House(LOCAL, find_way=find_way)
    admission = Admission(house, NODE_A, rights or Rights(), is_relayed)
    (found,) = admission.targets(arrival, (recipient,))
    return found


def status(found: Target) -> str:
    """Of a refusal, or "": it is taken."""
    if found.refusal is None:
        return ""
    assert found.refusal.verdict is Verdict.REFUSED
    return found.refusal.status


def reach(*patterns: str, is_sent_back: bool = False) -> Rights:
    return Rights(relay_to=Addresses(patterns), is_sent_back=is_sent_back)


@pytest.mark.parametrize("is_routed", [False, True])
@pytest.mark.parametrize(
    "recipient",
    ["bob@b.test", "BOB@B.TEST", "x@deep.c.test", "x@a.b.c.test", "x@[192.0.2.1]", "only@d.test"],
)
def test_our_own_addresses_are_delivered_here(recipient: str, *, is_routed: bool) -> None:
    house = House(LOCAL, find_way=find_way if is_routed else None)
    assert Admission(house).targets(ALICE, (recipient,)) == (Target(recipient),)


@pytest.mark.parametrize(
    "recipient",
    [
        "bob@a.test",
        "bob@c.test",
        "bob@xc.test",
        "bob@b.test.evil",
        "bob@sub.b.test",
        "bob%a.test@d.test",
        "bob@far.test",
        "carol@b.test",
        "other@d.test",
        "bob",
    ],
)
def test_nobody_else_is_reached_unless_the_rights_say_so(recipient: str) -> None:
    assert status(target(recipient)) in {"5.7.1", "5.1.3"}
    (without_table,) = Admission(House(("b.test",))).targets(ALICE, (recipient,))
    assert recipient == "carol@b.test" or status(without_table) == "5.7.1"


@pytest.mark.parametrize("recipient", ["bob@far.test", "carol@b.test"])
def test_a_neighbour_reaches_others_where_its_rights_and_the_routes_say_so(recipient: str) -> None:
    assert target(recipient, reach("far.test", "carol@b.test")) == Target(recipient, NODE_C, 96)


def test_what_the_table_delivers_here_for_the_rest_of_the_world_is_a_relay_too() -> None:
    assert status(target("x@world.test")) == "5.7.1"
    assert target("x@world.test", reach("*")) == Target("x@world.test")


@pytest.mark.parametrize(
    ("recipient", "expected"), [("nobody@b.test", "5.1.1"), ("later@b.test", "5.2.1"), ("x@y", "5.7.1")]
)
def test_what_the_routes_refuse_is_refused_for_good(recipient: str, expected: str) -> None:
    assert status(target(recipient)) == expected


def test_mail_does_not_go_back_where_it_came_from_unless_told_so() -> None:
    assert status(target("x@a.test", reach("*"))) == "5.4.4"
    assert target("x@a.test", reach("*", is_sent_back=True)).node == NODE_A


def test_of_several_neighbours_the_first_that_did_not_bring_it_gets_it() -> None:
    assert target("x@both.test", reach("*")).node == NODE_C
    assert target("x@both.test", reach("*", is_sent_back=True)).node == NODE_A


def test_an_area_brings_mail_for_here_alone() -> None:
    assert status(target("x@far.test", reach("*"), is_relayed=False)) == "5.7.1"
    assert status(target("x@world.test", reach("*"), is_relayed=False)) == "5.7.1"
    assert target("bob@b.test", reach("*"), is_relayed=False) == Target("bob@b.test")


def test_a_report_goes_back_to_who_may_write_here_and_nothing_else_does() -> None:
    rights = Rights(reports_to=frozenset({NODE_C}))
    assert target("x@far.test", rights, REPORT).node == NODE_C
    assert status(target("x@far.test", rights)) == "5.7.1"
    assert status(target("x@world.test", rights, REPORT)) == "5.7.1"


@pytest.mark.parametrize(
    "recipient",
    [
        "eve%far.test@b.test",
        "far.test!eve@b.test",
        '"eve@far.test"@b.test',
        r'"eve\@far.test"@b.test',
        "%@b.test",
    ],
)
def test_an_address_within_an_address_is_no_way_round_the_rules(recipient: str) -> None:
    assert status(target(recipient)) == "5.7.1"
    assert status(target(recipient, reach("far.test", "b.test"))) == "5.7.1"
    assert target(recipient, reach("*")).refusal is None


def test_a_neighbour_may_be_kept_to_some_of_our_addresses() -> None:
    rights = Rights(recipients=Addresses(("lists@b.test",)))
    assert target("lists@b.test", rights).refusal is None
    assert status(target("bob@b.test", rights)) == "5.7.1"


@pytest.mark.parametrize(
    ("recipient", "reached"),
    [
        ("Postmaster", "postmaster@b.test"),
        ("postmaster@b.test", "postmaster@b.test"),
        ("PostMaster@sub.c.test", "PostMaster@sub.c.test"),
    ],
)
def test_the_postmaster_of_here_is_open_to_all(recipient: str, reached: str) -> None:
    assert target(recipient, Rights(recipients=Addresses())) == Target(reached)
    assert is_postmaster("POSTMASTER")


def test_without_a_domain_of_our_own_there_is_no_postmaster() -> None:
    (found,) = Admission(House(())).targets(ALICE, ("postmaster",))
    assert status(found) == "5.7.1"


def test_the_first_address_says_whose_postmaster_it_is_where_no_domain_does() -> None:
    (found,) = Admission(House(("only@d.test",))).targets(ALICE, ("postmaster",))
    assert found == Target("postmaster@d.test")


@pytest.mark.parametrize(
    ("sender", "is_taken"),
    [
        ("alice@a.test", True),
        ("x@sub.a.test", False),
        ("bob@b.test", False),
        ("", True),
        ("ALICE@A.TEST", True),
    ],
)
def test_a_sender_that_is_not_the_neighbours_is_refused(sender: str, is_taken: bool) -> None:  # noqa: FBT001 - a parameter
    found = target("bob@b.test", Rights(senders=Addresses(("a.test",))), Arrival(sender))
    assert status(found) == ("" if is_taken else "5.1.8")


def test_what_is_too_large_of_this_neighbour_is_refused() -> None:
    rights = Rights(max_message_bytes=100)
    assert target("bob@b.test", rights).refusal is None
    assert status(target("bob@b.test", rights, Arrival("alice@a.test", 101))) == "5.3.4"


@pytest.mark.parametrize(
    ("hop_count", "own_hop_count", "is_loop"), [(0, 0, False), (3, 2, False), (4, 0, True), (3, 3, True)]
)
def test_a_message_may_not_go_in_circles(hop_count: int, own_hop_count: int, is_loop: bool) -> None:  # noqa: FBT001 - a parameter
    house = House(LOCAL, max_hops=3, max_own_hops=2)
    arrival = Arrival("alice@a.test", 100, hop_count, own_hop_count)
    (found,) = Admission(house).targets(arrival, ("bob@b.test",))
    assert status(found) == ("5.4.6" if is_loop else "")


def test_every_recipient_of_a_message_that_is_refused_as_a_whole_is() -> None:
    rights = Rights(senders=Addresses())
    admission = Admission(House(LOCAL, find_way=find_way), NODE_A, rights)
    found = admission.targets(ALICE, ("bob@b.test", "x@far.test", "postmaster"))
    assert [(each.recipient, status(each)) for each in found] == [
        ("bob@b.test", "5.1.8"),
        ("x@far.test", "5.1.8"),
        ("postmaster", "5.1.8"),
    ]


def test_nodes_are_told_apart_by_their_ids() -> None:
    other = Admission(House(LOCAL, find_way=find_way), NodeId(b"\x01" * 32), reach("*"))
    (found,) = other.targets(ALICE, ("x@a.test",))
    assert found.node == NODE_A
