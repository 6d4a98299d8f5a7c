"""Routes: the most exact rule wins in any order of the rules; without a rule nothing is relayed."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.access import AccessList
from gateway.routing.table import Refusal, Route, Rule, Table, ToNode

LABELS = st.sampled_from(["a", "b", "X"])
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ANY_DOMAIN = st.just("*") | DOMAINS | DOMAINS.map(".{}".format)
LOCALS = st.text("abX", min_size=1, max_size=3)
STARRED = st.tuples(st.text("abX", max_size=2), st.text("abX", max_size=2)).filter(any).map("*".join)
PATTERNS = ANY_DOMAIN | st.builds("{}@{}".format, LOCALS | STARRED, ANY_DOMAIN)

NO = (-1, -1, -1)


def rank(pattern: str, local: str, domain: str) -> tuple[int, int, int]:
    """How exactly a pattern says an address, NO if not at all; written another way than the table."""
    mine, _, place = pattern.lower().rpartition("@")
    local, domain = local.lower(), domain.lower()
    if place == "*":
        nearness = 0
    elif place.startswith("."):
        nearness = len(place) if domain.endswith(place) else -1
    else:
        nearness = 1_000 if place == domain else -1
    head, star, tail = mine.partition("*")
    if not mine:
        who = (0, 0)
    elif not star:
        who = (2, 0) if mine == local else NO[:2]
    else:
        is_fit = local.startswith(head) and local.endswith(tail) and len(local) >= len(head + tail)
        who = (1, len(head + tail)) if is_fit else NO[:2]
    return NO if nearness < 0 or who[0] < 0 else (who[0], nearness, who[1])


@given(st.lists(PATTERNS, max_size=12, unique_by=str.lower), LOCALS, DOMAINS)
def test_most_exact_rule_wins_in_any_order(patterns: list[str], local: str, domain: str) -> None:
    rules = [Rule(pattern, ToNode(pattern)) for pattern in patterns]
    target = Table.from_rules(rules).route(f"{local}@{domain}")
    assert target == Table.from_rules(rules[::-1]).route(f"{local}@{domain}")
    ranks = {pattern: rank(pattern, local, domain) for pattern in patterns}
    best = {pattern for pattern in patterns if ranks[pattern] == max(ranks.values()) != NO}
    if not best:
        assert isinstance(target, Refusal)
    else:
        # Two with a star may say as much: then one of them wins, whatever their order.
        assert isinstance(target, Route)
        assert target.node in best


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_default_access_is_loopback_alone(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    assert AccessList().permits(ip) == (mapped or ip).is_loopback
    assert AccessList().permits(str(ip)) == AccessList().permits(ip)
