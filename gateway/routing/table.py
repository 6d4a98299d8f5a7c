"""Where mail for an address goes: to a node, to this machine's own mail system, or nowhere.

A table is made once from rules and asked for every recipient. The most exact rule wins, whatever
the order they stand in::

    bob@example.org     one address
    example.org         one domain, without its sub-domains
    .example.org        all sub-domains of a domain, without itself; a longer one wins over a shorter
    *                   everything else

Contract: what no rule names is refused, so an empty table relays nothing. Case makes no difference,
in local parts either: a rule that refuses ``spam@`` must not let ``SPAM@`` or ``"spam"@`` pass.
A domain in Unicode and its ``xn--`` form are two domains: name both where both are used.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.errors import BadAddress, ConfigError
from gateway.message.address import check_mailbox, domain_of, local_part_of, shown

ANY = "*"
NOT_PERMITTED_STATUS = "5.7.1"
NO_DOMAIN_STATUS = "5.1.3"

_STATUS = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}")
_TEXT = re.compile(r"[ -~]{1,200}")
_PATTERNS_ALLOWED = "an address, a domain, .domain for its sub-domains, or *"


@dataclass(frozen=True, slots=True)
class ToNode:
    """Mail goes to a neighbour.

    Args:
        node: its name in the NNCP configuration.
    """

    node: str


@dataclass(frozen=True, slots=True)
class Local:
    """Mail is delivered here."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Mail is not taken.

    Args:
        status: RFC 3463 status; one that begins with 4 asks to try again later.
        text: for the sender, 1 to 200 printable ASCII characters.
    """

    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Args:
        pattern: an address, ``domain``, ``.domain`` or ``*``.
        action: what to do with mail for it.
    """

    pattern: str
    action: ToNode | Local | Refuse


@dataclass(frozen=True, slots=True)
class Route:
    """To a neighbour."""

    node: str


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """To this machine's own mail system."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not taken: the status and text for the answer."""

    status: str
    text: str


Target = Route | LocalRoute | Refusal

_NOT_PERMITTED = Refusal(NOT_PERMITTED_STATUS, "relay not permitted: no route for this recipient")
_NO_DOMAIN = Refusal(NO_DOMAIN_STATUS, "the recipient has no domain")


class Table:
    """All rules. Make one with ``from_rules``."""

    __slots__ = ("_patterns", "_targets")

    def __init__(self, targets: dict[str, Target], patterns: dict[str, str]) -> None:
        self._targets = targets
        self._patterns = patterns

    @classmethod
    def from_rules(cls, rules: Sequence[Rule]) -> "Table":
        """Check the rules and make a table of them.

        Raises:
            ConfigError: a pattern or action is not valid, or two rules for one pattern disagree.
        """
        targets: dict[str, Target] = {}
        patterns: dict[str, str] = {}
        for rule in rules:
            key, target = _key_of(rule.pattern), _target_of(rule)
            if targets.setdefault(key, target) != target:
                first = patterns[key]
                text = f"route {shown(rule.pattern)}: an earlier rule for {shown(first)} says otherwise"
                raise ConfigError(f"{text}; one rule for each pattern is allowed")
            patterns.setdefault(key, rule.pattern)
        return cls(targets, patterns)

    def route(self, address: str) -> Target:
        """Say where mail for an address goes.

        Args:
            address: as ``gateway.message.address`` accepted it, without angle brackets. A bare
                ``postmaster`` has to be given a domain first.
        """
        found = self._find(address)
        if found is not None:
            return self._targets[found]
        return _NOT_PERMITTED if "@" in address else _NO_DOMAIN

    def explain(self, address: str) -> str:
        """Say in one line where mail for an address goes and which rule says so."""
        found = self._find(address)
        rule = "no rule" if found is None else f"rule {self._patterns[found]}"
        match self.route(address):
            case Route(node):
                what = f"to node {node}"
            case LocalRoute():
                what = "delivered here"
            case Refusal(status, text):
                what = f"refused: {status} {text}"
        return f"{address}: {what} ({rule})"

    def _find(self, address: str) -> str | None:
        if "@" not in address:
            return None
        return next((key for key in _keys_for(address) if key in self._targets), None)


def _keys_for(address: str) -> Iterator[str]:
    domain = domain_of(address)
    yield f"{local_part_of(address).lower()}@{domain}"
    yield domain
    if not domain.startswith("["):
        dot = domain.find(".")
        while dot >= 0:
            yield domain[dot:]
            dot = domain.find(".", dot + 1)
    yield ANY


def _key_of(pattern: str) -> str:
    if pattern == ANY:
        return ANY
    prefix = "" if "@" in pattern else "x@"
    try:
        check_mailbox(prefix + pattern.removeprefix(".") if prefix else pattern, is_utf8_allowed=True)
    except BadAddress:
        raise ConfigError(f"route {shown(pattern)}: not a pattern; allowed: {_PATTERNS_ALLOWED}") from None
    if prefix:
        return pattern.lower()
    return f"{local_part_of(pattern).lower()}@{domain_of(pattern)}"


def _target_of(rule: Rule) -> Target:
    match rule.action:
        case ToNode(node):
            if not node:
                raise ConfigError(f"route {shown(rule.pattern)}: the name of the node is empty")
            return Route(node)
        case Local():
            return LocalRoute()
        case Refuse(status, text):
            if not _STATUS.fullmatch(status):
                allowed = "4.x.y or 5.x.y (RFC 3463)"
                raise ConfigError(f"route {shown(rule.pattern)}: status {shown(status)}; allowed: {allowed}")
            if not _TEXT.fullmatch(text):
                allowed = "1 to 200 printable ASCII characters"
                raise ConfigError(f"route {shown(rule.pattern)}: text {shown(text)}; allowed: {allowed}")
            return Refusal(status, text)
