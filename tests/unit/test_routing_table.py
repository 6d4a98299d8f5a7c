import pytest

from gateway.errors import ConfigError
from gateway.routing.table import Local, LocalRoute, Refusal, Refuse, Route, Rule, Table, Target, ToNode

TABLE = Table.from_rules(
    [
        Rule("*", ToNode("hub")),
        Rule(".example.org", ToNode("sub")),
        Rule("example.org", ToNode("exact")),
        Rule(".deep.example.org", ToNode("deep")),
        Rule("Boss@Example.org", Refuse("5.1.1", "the boss has left")),
        Rule("here.test", Local()),
        Rule("[127.0.0.1]", Local()),
        Rule("bücher.example", ToNode("books")),
        Rule('"two words"@here.test', ToNode("words")),
    ]
)


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("a@example.org", Route("exact")),
        ("a@EXAMPLE.Org", Route("exact")),
        ("a@x.example.org", Route("sub")),
        ("a@y.x.example.org", Route("sub")),
        ("a@deep.example.org", Route("sub")),
        ("a@x.deep.example.org", Route("deep")),
        ("a@notexample.org", Route("hub")),
        ("a@org", Route("hub")),
        ("a@here.test", LocalRoute()),
        ("a@x.here.test", Route("hub")),
        ("a@[127.0.0.1]", LocalRoute()),
        ("a@[127.0.0.2]", Route("hub")),
        ("a@Bücher.example", Route("books")),
        ("boss@example.org", Refusal("5.1.1", "the boss has left")),
        ("BOSS@example.org", Refusal("5.1.1", "the boss has left")),
        ('"bo\\ss"@example.org', Refusal("5.1.1", "the boss has left")),
        ("boss@x.example.org", Route("sub")),
        ("boss+x@example.org", Route("exact")),
        ('"boss@example.org"@here.test', LocalRoute()),
        ('"two\\ words"@here.test', Route("words")),
    ],
)
def test_most_exact_rule_wins(address: str, target: Target) -> None:
    assert TABLE.route(address) == target


STARS = Table.from_rules(
    [
        Rule("*", ToNode("hub")),
        Rule("*.example.org", ToNode("sub")),
        Rule("*@example.org", ToNode("exact")),
        Rule("abuse@*", Local()),
        Rule("abuse@example.net", ToNode("net")),
        Rule("abuse@.example.net", ToNode("below")),
        Rule("list-*@example.org", ToNode("lists")),
        Rule("list-*-request@example.org", ToNode("robots")),
        Rule("*+spam@*", Refuse("5.7.1", "no")),
        Rule('"a*b"@example.org', ToNode("quoted")),
    ]
)


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("a@x.example.org", Route("sub")),
        ("a@example.org", Route("exact")),
        ("abuse@example.org", LocalRoute()),
        ("Abuse@x.example.org", LocalRoute()),
        ("abuse@example.net", Route("net")),
        ("abuse@x.y.example.net", Route("below")),
        ("list-a@example.org", Route("lists")),
        ("LIST-@example.org", Route("lists")),
        ('"list-a b"@example.org', Route("lists")),
        ("list@example.org", Route("exact")),
        ("list-a@x.example.org", Route("sub")),
        ("list-a-request@example.org", Route("robots")),
        ("list-request@example.org", Route("lists")),
        ("list-+spam@example.org", Route("lists")),
        ("bob+spam@example.org", Refusal("5.7.1", "no")),
        ("+spam@nowhere.test", Refusal("5.7.1", "no")),
        ("a*b@example.org", Route("quoted")),
        ("axb@example.org", Route("exact")),
    ],
)
def test_a_star_stands_for_a_part_of_a_local_part(address: str, target: Target) -> None:
    assert STARS.route(address) == target


def test_a_route_to_several_nodes_keeps_their_order_and_its_niceness() -> None:
    table = Table.from_rules([Rule("*", ToNode("sat", ("stick", "radio"), 160))])
    assert table.route("a@b.test") == Route("sat", ("stick", "radio"), 160)
    assert table.explain("a@b.test") == "a@b.test: to node sat, else stick, else radio (rule *)"


def test_empty_table_refuses_everything() -> None:
    target = Table.from_rules([]).route("a@b.test")
    assert isinstance(target, Refusal)
    assert target.status == "5.7.1"
    assert "relay not permitted" in target.text


def test_address_without_domain_is_refused() -> None:
    for address in ("postmaster", ""):
        target = TABLE.route(address)
        assert isinstance(target, Refusal)
        assert target.status == "5.1.3"


def test_explanation_names_rule_and_target() -> None:
    assert TABLE.explain("a@x.example.org") == "a@x.example.org: to node sub (rule .example.org)"
    assert TABLE.explain("a@here.test") == "a@here.test: delivered here (rule here.test)"
    refused = "boss@example.org: refused: 5.1.1 the boss has left (rule Boss@Example.org)"
    assert TABLE.explain("boss@example.org") == refused
    assert "(no rule)" in Table.from_rules([]).explain("a@b")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "@example.org",
        ".",
        "..org",
        "a b",
        "*.",
        "user@",
        "example.org.",
        "-x",
        "a@b@c",
        "x\n",
        "user@**",
        "a*b*@example.org",
        "*@",
        "x.*.example.org",
    ],
)
def test_bad_pattern_is_named(pattern: str) -> None:
    with pytest.raises(ConfigError, match="not a pattern; allowed: an address, a domain"):
        Table.from_rules([Rule(pattern, Local())])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("example.org", "EXAMPLE.org"),
        (".example.org", ".Example.ORG"),
        ("*", "*"),
        ("bob@example.org", '"BOB"@example.org'),
        ("*.example.org", ".example.org"),
        ("example.org", "*@Example.org"),
        ("li*st@example.org", "LI*ST@example.org"),
        ("*@*", "*"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(first: str, second: str) -> None:
    with pytest.raises(ConfigError, match="another one for"):
        Table.from_rules([Rule(first, ToNode("a")), Rule(second, ToNode("b"))])
    table = Table.from_rules([Rule(first, ToNode("a")), Rule(second, ToNode("a"))])
    assert table.route("bob@x.example.org") in {Route("a"), Table.from_rules([]).route("x@y")}


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (ToNode(""), "name of the node is empty"),
        (ToNode("a", ("",)), "name of the node is empty"),
        (ToNode("a", ("b", "a")), "a node is named twice"),
        (Refuse("2.0.0", "fine"), "allowed: 4.x.y or 5.x.y"),
        (Refuse("5.1", "short"), "allowed: 4.x.y or 5.x.y"),
        (Refuse("5.1.1", ""), "1 to 200 printable ASCII characters"),
        (Refuse("5.1.1", "two\r\nlines"), "1 to 200 printable ASCII characters"),
    ],
)
def test_bad_action_is_named(action: ToNode | Refuse, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        Table.from_rules([Rule("example.org", action)])
    assert "route 'example.org'" in str(caught.value)
