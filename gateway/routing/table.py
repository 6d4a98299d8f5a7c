"""Where mail for an address goes: to a node, to this machine's own mail system, or nowhere.

A table is made once from rules and asked for every recipient. The most exact rule wins, whatever
the order they stand in::

    bob@example.org     one address
    list-*@example.org  the addresses of a domain whose local parts fit; one star, anywhere
    example.org         one domain, without its sub-domains
    .example.org        all sub-domains of a domain, without itself; a longer one wins over a shorter
    *                   everything else

A pattern with a local part may have any kind of domain behind it: ``bob@.example.org``, ``abuse@*``. It
wins over all without one, one without a star over those with one; then the domain decides, in the order
above. ``*.example.org`` is another way to write ``.example.org``, ``*@example.org`` to write ``example.org``.

Contract: what no rule names is refused, so an empty table relays nothing. Case makes no difference,
in local parts either: a rule that refuses ``spam@`` must not let ``SPAM@`` or ``"spam"@`` pass.
A domain in Unicode and its ``xn--`` form are two domains: name both where both are used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.errors import BadAddress, ConfigError
from gateway.message.address import check_mailbox, domain_of, local_part_of, shown

ANY = "*"
STAR = "*"
NOT_PERMITTED_STATUS = "5.7.1"
NO_DOMAIN_STATUS = "5.1.3"

_STATUS = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}")
_TEXT = re.compile(r"[ -~]{1,200}")
_PATTERNS_ALLOWED = (
    "an address, a domain, .domain for its sub-domains, or *; one star may stand for a part of a local part"
)


@dataclass(frozen=True, slots=True)
class ToNode:
    """Mail goes to a neighbour.

    Args:
        node: its name in the NNCP configuration.
        others: those that get it instead, in this order, if the ones before can't.
        nice: niceness of most of this mail, or None: as the neighbour's.
    """

    node: str
    others: tuple[str, ...] = ()
    nice: int | None = None


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
        pattern: whom it is for.
        action: what to do with mail for it.
    """

    pattern: str
    action: ToNode | Local | Refuse


@dataclass(frozen=True, slots=True)
class Route:
    """To a neighbour; see ``ToNode``."""

    node: str
    others: tuple[str, ...] = ()
    nice: int | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """All that may get it, the first choice first."""
        return (self.node, *self.others)


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


class _Key(NamedTuple):
    """What a pattern is for.

    Args:
        domain: ``domain``, ``.domain`` or ``*``.
        local: before the at sign, without quotes, in lower case; None: any.
        star_at: where in ``local`` the star stood, or None: nowhere.
    """

    domain: str
    local: str | None = None
    star_at: int | None = None

    def fits(self, local: str) -> bool:
        """Whether a local part is meant by one with a star."""
        fixed = self.local or ""
        head, tail = fixed[: self.star_at], fixed[self.star_at :]
        return len(local) >= len(fixed) and local.startswith(head) and local.endswith(tail)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A rule that was checked."""

    pattern: str
    target: Target


class Table:
    """All rules. Make one with ``from_rules``."""

    __slots__ = ("_by_address", "_by_domain", "_by_star")

    def __init__(self, entries: Mapping[_Key, _Entry]) -> None:
        self._by_domain: dict[str, _Entry] = {}
        self._by_address: dict[tuple[str, str], _Entry] = {}
        self._by_star: dict[str, list[tuple[_Key, _Entry]]] = {}
        # Of two with a star that both fit, the one that says more wins: the longer one.
        for key, entry in sorted(entries.items(), key=lambda item: (-len(item[0].local or ""), str(item[0]))):
            if key.local is None:
                self._by_domain[key.domain] = entry
            elif key.star_at is None:
                self._by_address[key.domain, key.local] = entry
            else:
                self._by_star.setdefault(key.domain, []).append((key, entry))

    @classmethod
    def from_rules(cls, rules: Sequence[Rule]) -> "Table":
        """Check the rules and make a table of them.

        Raises:
            ConfigError: a pattern or action is not valid, or two rules for one pattern disagree.
        """
        entries: dict[_Key, _Entry] = {}
        for rule in rules:
            entry = _Entry(rule.pattern, _target_of(rule))
            first = entries.setdefault(_key_of(rule.pattern), entry)
            if first.target != entry.target:
                text = f"route {shown(rule.pattern)}: another one for {shown(first.pattern)} says otherwise"
                raise ConfigError(f"{text}; allowed: one for each pattern, none for domains of [deliver]")
        return cls(entries)

    def route(self, address: str) -> Target:
        """Say where mail for an address goes.

        Args:
            address: as ``gateway.message.address`` accepted it, without angle brackets. A bare
                ``postmaster`` has to be given a domain first.
        """
        found = self._find(address)
        if found is not None:
            return found.target
        return _NOT_PERMITTED if "@" in address else _NO_DOMAIN

    def names(self, address: str) -> bool:
        """Whether there is a rule for an address."""
        return self._find(address) is not None

    def explain(self, address: str) -> str:
        """Say in one line where mail for an address goes and which rule says so."""
        found = self._find(address)
        rule = "no rule" if found is None else f"rule {found.pattern}"
        match self.route(address):
            case Route() as route:
                what = f"to node {', else '.join(route.nodes)}"
            case LocalRoute():
                what = "delivered here"
            case Refusal(status, text):
                what = f"refused: {status} {text}"
        return f"{address}: {what} ({rule})"

    def _find(self, address: str) -> _Entry | None:
        if "@" not in address:
            return None
        domains = tuple(domains_for(domain_of(address)))
        found = self._find_local(local_part_of(address).lower(), domains)
        if found is None:
            found = next((self._by_domain[domain] for domain in domains if domain in self._by_domain), None)
        return found

    def _find_local(self, local: str, domains: Sequence[str]) -> _Entry | None:
        if self._by_address:
            for domain in domains:
                found = self._by_address.get((domain, local))
                if found is not None:
                    return found
        starred = (pair for domain in domains for pair in self._by_star.get(domain, ()))
        return next((entry for key, entry in starred if key.fits(local)), None)


def domains_for(domain: str) -> Iterator[str]:
    """What may name a domain, the most exact first: itself, ``.domain`` for each above it, and the star."""
    yield domain
    if not domain.startswith("["):
        dot = domain.find(".")
        while dot >= 0:
            yield domain[dot:]
            dot = domain.find(".", dot + 1)
    yield ANY


def _key_of(pattern: str) -> _Key:
    local, at, domain = pattern.rpartition("@")
    if domain.startswith(STAR + "."):
        domain = domain.removeprefix(STAR)
    try:
        if domain != ANY:
            check_mailbox(f"x@{domain.removeprefix('.')}", is_utf8_allowed=True)
        if not at or local == STAR:
            return _Key(domain.lower())
        check_mailbox(f"{local}@x", is_utf8_allowed=True)
    except BadAddress:
        raise _not_a_pattern(pattern) from None
    name = local_part_of(f"{local}@x").lower()
    if STAR not in local or local.startswith('"'):
        return _Key(domain.lower(), name)
    if name.count(STAR) > 1:
        raise _not_a_pattern(pattern)
    return _Key(domain.lower(), name.replace(STAR, ""), name.index(STAR))


def _not_a_pattern(pattern: str) -> ConfigError:
    return ConfigError(f"route {shown(pattern)}: not a pattern; allowed: {_PATTERNS_ALLOWED}")


def _target_of(rule: Rule) -> Target:
    match rule.action:
        case ToNode(node, others, nice):
            names = (node, *others)
            if not all(names):
                raise ConfigError(f"route {shown(rule.pattern)}: the name of the node is empty")
            if len(set(names)) < len(names):
                raise ConfigError(f"route {shown(rule.pattern)}: a node is named twice; allowed: each once")
            return Route(node, others, nice)
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
