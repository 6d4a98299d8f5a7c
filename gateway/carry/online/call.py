"""One call: a neighbour's addresses one after the other, until a session comes about with one of them."""

from dataclasses import dataclass, field

from gateway.carry.online.office import Office
from gateway.ids import PacketId
from gateway.link.settings import LinkSettings
from gateway.nodes import Node


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Whom to call, and what for.

    Args:
        node: the neighbour.
        addresses: tried in this order: ``HOST:PORT``, ``[IPv6%ZONE]:PORT`` or ``|COMMAND``.
        settings: of the session; which directions it has is said there.
        only: receive these packets alone; None: all.
        is_nock: received packets are not verified here; they stay ``.nock``.
        is_listing: only tell what the neighbour has for us.
    """

    node: Node
    addresses: tuple[str, ...]
    settings: LinkSettings = field(default_factory=LinkSettings)
    only: frozenset[PacketId] | None = None
    is_nock: bool = False
    is_listing: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call.

    Args:
        is_connected: the handshake was completed with some address.
        is_complete: all that either side requested went through to its end.
        address: the one the session was with, or the last that was tried.
        sent_bytes: on the wire.
        received_bytes: on the wire.
        text: how it ended, for a person.
    """

    is_connected: bool
    is_complete: bool
    address: str
    sent_bytes: int
    received_bytes: int
    text: str


async def call(office: Office, plan: CallPlan) -> CallResult:
    """Call a neighbour; cancelled, it ends the session cleanly before it returns.

    Expected faults (nobody answers, the neighbour is locked) are told by the result and the log.
    """
    raise NotImplementedError
