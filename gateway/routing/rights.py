"""What a neighbour may send here: as whom, to whom, how large and how much. Pure.

Contract: what no pattern names is not allowed to be relayed, so nobody reaches others through us unless the
configuration says so.
"""

from dataclasses import dataclass, field

from gateway.ids import NodeId
from gateway.routing.table import ANY, Local, LocalRoute, Rule, Table

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses that something is allowed for.

    Args:
        patterns: as those of routes: an address, a domain, ``.domain`` or ``*``.

    Raises:
        ConfigError: one is no pattern.
    """

    patterns: tuple[str, ...] = ()
    _table: Table = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = [Rule(pattern, Local()) for pattern in self.patterns]
        object.__setattr__(self, "_table", Table.from_rules(rules))

    def __contains__(self, address: str) -> bool:
        return isinstance(self._table.route(address), LocalRoute)


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a neighbour may send, of which an hour's worth may come at once.

    Args:
        messages_per_hour: None: any number.
        bytes_per_hour: of messages, None: any number.
    """

    messages_per_hour: int | None = None
    bytes_per_hour: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.messages_per_hour is not None or self.bytes_per_hour is not None

    def costs_seconds(self, size_bytes: int) -> tuple[float, float]:
        """How much time a message takes of those that the numbers and the bytes of an hour are given by.

        Args:
            size_bytes: of the message.
        """
        return (
            0.0 if self.messages_per_hour is None else HOUR_SECONDS / self.messages_per_hour,
            0.0 if self.bytes_per_hour is None else HOUR_SECONDS * size_bytes / self.bytes_per_hour,
        )


@dataclass(frozen=True, slots=True)
class Rights:
    """What a neighbour may send.

    Args:
        senders: envelope senders it may use; None: any. The null sender is open to all.
        recipients: who of the addresses delivered here it may write to; None: everybody. The postmaster
            is open to all.
        relay_to: whom it may reach through us.
        reports_to: nodes that it may send mail with the null sender to, whatever ``relay_to`` says: those
            that may write to it through us.
        is_sent_back: whether mail that the routes lead back to it is sent there.
        max_message_bytes: larger messages are refused; None: only what is refused of everybody.
        rate: how much of it comes in.
    """

    senders: Addresses | None = None
    recipients: Addresses | None = None
    relay_to: Addresses = field(default_factory=Addresses)
    reports_to: frozenset[NodeId] = frozenset()
    is_sent_back: bool = False
    max_message_bytes: int | None = None
    rate: Rate = field(default_factory=Rate)

    @property
    def is_smart_host(self) -> bool:
        """Whether we are its way to everybody."""
        return sample_of(ANY) in self.relay_to

    def may_send_as(self, sender: str) -> bool:
        """Whether it may use an envelope sender; "" is the null sender."""
        return not sender or self.senders is None or sender in self.senders

    def is_told_as(self, sender: str, *, is_way_back: bool) -> bool:
        """Whether a sender is told what becomes of mail that this neighbour brought.

        A neighbour that may send as anybody could have strangers told of mail they never wrote. So then
        only those are told whose mail goes to that neighbour.

        Args:
            sender: of the envelope.
            is_way_back: whether the routes lead from here to this neighbour for that address.
        """
        return is_way_back if self.senders is None else sender in self.senders


def sample_of(pattern: str) -> str:
    """An address of those that a pattern stands for; allowed wherever most of them are.

    Args:
        pattern: of a route.
    """
    local, at, domain = pattern.rpartition("@")
    if domain == ANY:
        domain = "anywhere.invalid"
    elif domain.startswith((".", f"{ANY}.")):
        domain = f"any{domain.removeprefix(ANY)}"
    return f"{local.replace(ANY, 'x') if at else 'anybody'}@{domain}"
