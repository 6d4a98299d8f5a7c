"""What of received mail is taken, and where it goes. Pure.

A neighbour reaches the addresses that are delivered here, and others only where its rights say so; then the
mail goes on by the table of routes. What is not taken becomes a dead letter with its reason.

Statuses tell what went wrong, and so who is told (``docs/reference/reports.md``): 5.1.8 blames the sender's
address, so nobody is told; 5.7.1, 5.4.4, 5.3.4 and those of routes are told to the sender.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.batch.choices import Choices
from gateway.ids import NodeId
from gateway.message.address import POSTMASTER, local_part_of
from gateway.msgqueue.entry import Outcome, Target, Verdict
from gateway.routing.rights import Addresses, Rights
from gateway.routing.table import Refusal
from gateway.routing.urgency import Urgency

NOT_HERE_STATUS = "5.7.1"
SENDER_STATUS = "5.1.8"
"""RFC 3463: bad sender's system address. None of the statuses says "not yours"; this one causes no bounce."""
BACK_STATUS = "5.4.4"
"""RFC 3463: unable to route."""
TOO_LARGE_STATUS = "5.3.4"
LOOP_STATUS = "5.4.6"
PERMANENT = "5"
ROUTING = frozenset("%!@")
"""In a local part: mail servers, Postfix as it comes among them, send ``eve%far.test@here.test`` on to
far.test for whoever they trust, and they trust us."""
NOT_HERE = Refusal(NOT_HERE_STATUS, "mail for this domain is not delivered here")

FindWay = Callable[[str], Choices | Refusal | None]
"""By the routes: to one of some nodes, nowhere, or (None) delivered here."""


@dataclass(frozen=True, slots=True)
class House:
    """What holds for everybody's mail.

    Args:
        local: what is delivered here, ``*`` aside: domains, ``.domain`` for those below, addresses. Mail
            for a bare ``postmaster`` goes to the first.
        max_hops: Received fields a message may have when it comes.
        max_own_hops: those among them that this very node wrote when it got the message from a neighbour.
        find_way: where mail goes; None: there is no table, what is local is delivered and the rest refused.
    """

    local: tuple[str, ...]
    max_hops: int = 50
    max_own_hops: int = 3
    find_way: FindWay | None = None
    _local: Addresses = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_local", Addresses(self.local))

    def is_local(self, recipient: str) -> bool:
        """Whether an address is delivered here as a matter of course."""
        return recipient in self._local

    def way(self, recipient: str) -> Choices | Refusal | None:
        """Where mail for a valid address goes."""
        if self.find_way is not None:
            return self.find_way(recipient)
        return None if self.is_local(recipient) else NOT_HERE


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came.

    Args:
        sender: of the envelope; "" is the null sender.
        size_bytes: as it came.
        hop_count: its Received fields.
        own_hop_count: those of them that this node wrote when it got the message from a neighbour.
        urgency: as its sender says.
    """

    sender: str
    size_bytes: int = 0
    hop_count: int = 0
    own_hop_count: int = 0
    urgency: Urgency = Urgency.NORMAL


@dataclass(frozen=True, slots=True)
class Admission:
    """What is taken of one neighbour.

    Args:
        house: what holds for everybody.
        origin: the node the mail came from; None: not one that mail could be sent back to.
        rights: what whoever is answerable for the mail may send.
        is_relayed: whether anything may go on to others at all.
    """

    house: House
    origin: NodeId | None = None
    rights: Rights = field(default_factory=Rights)
    is_relayed: bool = True

    def targets(self, arrival: Arrival, recipients: tuple[str, ...]) -> tuple[Target, ...]:
        """Where a message goes: for each recipient here, to a node, or nowhere.

        Args:
            arrival: what it is.
            recipients: each a mailbox, or a bare ``postmaster``.
        """
        refusal = self._why_refused(arrival)
        if refusal is not None:
            return tuple(Target(recipient, refusal=refusal) for recipient in recipients)
        return tuple(self._target(arrival, recipient) for recipient in recipients)

    def _why_refused(self, arrival: Arrival) -> Outcome | None:
        """Why a whole message is not taken, or None."""
        house, limit_bytes = self.house, self.rights.max_message_bytes
        if arrival.hop_count > house.max_hops:
            text = f"the message has {arrival.hop_count} Received fields, {house.max_hops} are allowed"
            return _outcome(LOOP_STATUS, f"{text}: it goes in circles")
        if arrival.own_hop_count > house.max_own_hops:
            text = f"the message was here {arrival.own_hop_count} times, {house.max_own_hops} are allowed"
            return _outcome(LOOP_STATUS, f"{text}: it goes in circles")
        if not self.rights.may_send_as(arrival.sender):
            return _outcome(SENDER_STATUS, "the node it came from may not send as this sender")
        if limit_bytes is not None and arrival.size_bytes > limit_bytes:
            text = f"the message has {arrival.size_bytes} bytes"
            return _outcome(TOO_LARGE_STATUS, f"{text}, {limit_bytes} are taken from the node it came from")
        return None

    def _target(self, arrival: Arrival, recipient: str) -> Target:
        local = self.house.local
        if is_postmaster(recipient) and local:
            return Target(f"{POSTMASTER}@{local[0].rpartition('@')[2].lstrip('.')}")
        way = self.house.way(recipient)
        if isinstance(way, Refusal):
            return _refused(recipient, PERMANENT + way.status[1:], way.text)
        if way is None:
            return self._delivered(recipient)
        return self._relayed(arrival, recipient, way)

    def _delivered(self, recipient: str) -> Target:
        rights = self.rights
        if not ROUTING.isdisjoint(local_part_of(recipient)) and not rights.is_smart_host:
            return _refused(recipient, NOT_HERE_STATUS, "an address within an address is not passed on")
        if self.house.is_local(recipient):
            is_open = rights.recipients is None or recipient in rights.recipients
            if is_open or local_part_of(recipient).lower() == POSTMASTER:
                return Target(recipient)
            return _refused(recipient, NOT_HERE_STATUS, "the node it came from may not write to this address")
        if self.is_relayed and recipient in rights.relay_to:
            return Target(recipient)
        return _refused(recipient, NOT_HERE.status, NOT_HERE.text)

    def _relayed(self, arrival: Arrival, recipient: str, choices: Choices) -> Target:
        rights = self.rights
        nodes = {choice.node for choice in choices.ordered}
        is_report = not arrival.sender and not nodes.isdisjoint(rights.reports_to)
        if not self.is_relayed or not (is_report or recipient in rights.relay_to):
            return _refused(recipient, NOT_HERE.status, NOT_HERE.text)
        if not rights.is_sent_back:
            onward = tuple(choice for choice in choices.ordered if choice.node != self.origin)
            if not onward:
                text = "the route for it leads back to the node it came from"
                return _refused(recipient, BACK_STATUS, text)
            choices = Choices(onward)
        lane = choices.lane(arrival.urgency, arrival.size_bytes)
        return Target(recipient, lane.node, lane.nice)


def is_postmaster(recipient: str) -> bool:
    """Whether an address is the bare ``postmaster`` that every host must know (RFC 5321 section 4.5.1)."""
    return recipient.lower() == POSTMASTER


def _refused(recipient: str, status: str, text: str) -> Target:
    return Target(recipient, refusal=_outcome(status, text))


def _outcome(status: str, text: str) -> Outcome:
    return Outcome(Verdict.REFUSED, status, text)
