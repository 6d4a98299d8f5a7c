"""Routes: the most exact rule wins in any order of the rules; without a rule nothing is relayed."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.access import AccessList
from gateway.routing.table import Refusal, Route, Rule, Table, ToNode

LABELS = st.sampled_from(["a", "b", "X"])
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.just("*") | DOMAINS | DOMAINS.map(".{}".format) | st.builds("{}@{}".format, LABELS, DOMAINS)


def rank(pattern: str, local: str, domain: str) -> int:
    """How exactly a pattern says an address, -1 if not at all; written another way than the table."""
    pattern, local, domain = pattern.lower(), local.lower(), domain.lower()
    if pattern == "*":
        return 0
    if pattern.startswith("."):
        return len(pattern) if domain.endswith(pattern) else -1
    if "@" in pattern:
        return 10_000 if pattern == f"{local}@{domain}" else -1
    return 1_000 if pattern == domain else -1


@given(st.lists(PATTERNS, max_size=12, unique_by=str.lower), LABELS, DOMAINS)
def test_most_exact_rule_wins_in_any_order(patterns: list[str], local: str, domain: str) -> None:
    rules = [Rule(pattern, ToNode(pattern)) for pattern in patterns]
    target = Table.from_rules(rules).route(f"{local}@{domain}")
    assert target == Table.from_rules(rules[::-1]).route(f"{local}@{domain}")
    best = max(patterns, key=lambda pattern: rank(pattern, local, domain), default="")
    if not best or rank(best, local, domain) < 0:
        assert isinstance(target, Refusal)
    else:
        assert target == Route(best)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_default_access_is_loopback_alone(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    assert AccessList().permits(ip) == (mapped or ip).is_loopback
    assert AccessList().permits(str(ip)) == AccessList().permits(ip)
