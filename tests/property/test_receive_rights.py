"""Whatever a neighbour sends, it reaches nobody but those its rights name, and never itself."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.batch.choices import Choice, Choices
from gateway.message.address import local_part_of
from gateway.receive.admission import Admission, Arrival, House
from gateway.routing.rights import Addresses, Rights
from gateway.routing.table import Local, LocalRoute, Refusal, Refuse, Rule, Table, ToNode
from tests.support.messages import NODE_A, NODE_B, NODE_C

NODES = {"a": NODE_A, "b": NODE_B, "c": NODE_C}
DOMAINS = (
    "a.test",
    "b.test",
    "sub.b.test",
    "c.test",
    "here.test",
    "x.here.test",
    "[192.0.2.1]",
    "world.test",
)
LOCALS = ("bob", "BOB", "postmaster", '"b b"', "bob%c.test", "c.test!bob", '"bob@c.test"', "-oQ", "bob+x")

domains = st.sampled_from(DOMAINS)
addresses = st.builds("{}@{}".format, st.sampled_from(LOCALS), domains) | st.just("postmaster")
patterns = (
    domains
    | domains.map(".{}".format).filter(lambda text: "[" not in text)
    | st.just("*")
    | addresses.filter(lambda text: "@" in text)
)
some = st.lists(patterns, max_size=3).map(lambda found: Addresses(tuple(found)))
actions = st.one_of(
    st.sampled_from([ToNode("a"), ToNode("b"), ToNode("c"), ToNode("a", ("c",)), ToNode("c", ("a",))]),
    st.just(Local()),
    st.just(Refuse("5.7.1", "no")),
)
tables = st.dictionaries(patterns.map(str.lower), actions, max_size=6)
rights_of = st.builds(
    Rights,
    senders=st.none() | some,
    recipients=st.none() | some,
    relay_to=some,
    reports_to=st.frozensets(st.sampled_from([NODE_A, NODE_B, NODE_C])),
    is_sent_back=st.booleans(),
    max_message_bytes=st.none() | st.integers(50, 150),
)


@given(
    rules=tables,
    rights=rights_of,
    sender=st.just("") | addresses.filter(lambda text: "@" in text),
    recipients=st.lists(addresses, min_size=1, max_size=4).map(tuple),
    size_bytes=st.integers(0, 200),
    is_relayed=st.booleans(),
)
def test_nobody_is_reached_but_by_right(
    rules: dict[str, ToNode | Local | Refuse],
    rights: Rights,
    sender: str,
    recipients: tuple[str, ...],
    size_bytes: int,
    *,
    is_relayed: bool,
) -> None:
    rules = {
        pattern: rule for pattern, rule in rules.items() if not pattern.startswith('"') or "@" in pattern
    }
    table = Table.from_rules([Rule(pattern, rule) for pattern, rule in rules.items()])
    local = tuple(pattern for pattern, rule in rules.items() if rule == Local() and pattern != "*")

    def find_way(address: str) -> Choices | Refusal | None:
        match table.route(address):
            case LocalRoute():
                return None
            case Refusal() as refusal:
                return refusal
            case route:
                return Choices(tuple(Choice(NODES[name], name) for name in route.nodes))

    admission = Admission(House(local, find_way=find_way), NODE_A, rights, is_relayed)
    found = admission.targets(Arrival(sender, size_bytes), recipients)
    assert len(found) == len(recipients)
    for recipient, target in zip(recipients, found, strict=True):
        if target.refusal is not None:
            assert target.refusal.status.startswith("5.")
            continue
        assert not sender or rights.senders is None or sender in rights.senders
        assert rights.max_message_bytes is None or size_bytes <= rights.max_message_bytes
        if recipient == "postmaster":
            assert target.node is None
            continue
        assert target.recipient == recipient
        way = find_way(recipient)
        if target.node is None:
            assert way is None
            assert recipient in Addresses(local) or (is_relayed and recipient in rights.relay_to)
            assert rights.is_smart_host or not set("%!@") & set(local_part_of(recipient))
        else:
            assert isinstance(way, Choices)
            assert target.node in {choice.node for choice in way.ordered}
            assert is_relayed
            assert rights.is_sent_back or target.node != NODE_A
            is_report = not sender and any(choice.node in rights.reports_to for choice in way.ordered)
            assert is_report or recipient in rights.relay_to
