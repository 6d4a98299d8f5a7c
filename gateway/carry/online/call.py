"""One call: a neighbour's addresses one after the other, until a session comes about with one of them.

    locks taken ──→ lanes flushed, tx/ listed ──→ address 1: connect, handshake ──fails──→ address 2 ...
                                                     └──Established──→ session to its end

Contract: no address is tried while another process talks with the neighbour. What was connected and does
not answer is given up after the deadline of the handshake. A cancelled call ends its session cleanly.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from gateway.carry.online.conversation import Conversation
from gateway.carry.online.descriptors import COMMAND_PREFIX, Command
from gateway.carry.online.ending import Ending, record_failure
from gateway.carry.online.exchange import Terms
from gateway.carry.online.office import Office
from gateway.carry.online.parts import Wants
from gateway.carry.online.preparation import find_offers, hold_locks
from gateway.carry.online.sockets import connect_tcp, parse_tcp_address, reason_of
from gateway.carry.online.wire import Wire
from gateway.errors import ConfigError, GatewayError
from gateway.ids import NICE_MAX, PacketId
from gateway.link.events import EndReason
from gateway.link.noise import NoisePair
from gateway.link.session import Session
from gateway.link.settings import LinkSettings
from gateway.nodes import Node
from gateway.packet.keys import KEY_BYTES
from gateway.spool.link_record import Role


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
        is_refused: at some address somebody closed without an answer: the neighbour may be busy with us.
    """

    is_connected: bool
    is_complete: bool
    address: str
    sent_bytes: int
    received_bytes: int
    text: str
    is_refused: bool = False


async def call(office: Office, plan: CallPlan) -> CallResult:
    """Call a neighbour; cancelled, it ends the session cleanly before it returns.

    Expected faults (nobody answers, the neighbour is locked) are told by the result and the log.
    """
    return await _call(office, plan, None)


async def call_over(office: Office, plan: CallPlan, wire: Wire) -> CallResult:
    """Call a neighbour over a connection that is there already, which is closed; see ``call``."""
    return await _call(office, plan, wire)


async def _call(office: Office, plan: CallPlan, wire: Wire | None) -> CallResult:
    node, links = plan.node, office.links
    try:
        if node.keys.noisepub is None:
            raise ConfigError(f"{node.name} can't be called: its entry has no noisepub")
        settings = plan.settings
        if plan.is_listing:
            settings = replace(settings, is_sending=False, is_receiving=True, nice=NICE_MAX)
        is_receiving = settings.is_receiving and not plan.is_listing
        async with hold_locks(office, node, is_receiving=is_receiving, is_sending=settings.is_sending):
            offers = await find_offers(office, node, settings)
            wants = Wants(plan.only, is_listing=plan.is_listing, is_nock=plan.is_nock)
            terms = Terms(node, settings, offers, wants)
            result = await _try_addresses(office, terms, plan.addresses, wire)
    except GatewayError as error:
        if wire is not None:
            wire.abort()
        result = _failure("", str(error))
        record_failure(office.log, node, "", result.text)
    if links is not None and not result.is_connected:
        await office.in_thread(links.failed, node.id, Role.CALLER, result.address, result.text)
    return result


async def _try_addresses(
    office: Office, terms: Terms, addresses: tuple[str, ...], wire: Wire | None
) -> CallResult:
    if wire is not None:
        return _result_of(wire.peer, await _converse(office, terms, wire))
    is_refused = False
    result = _failure("", f"no address of {terms.node.name} is known")
    for address in addresses:
        try:
            async with _connected(address, terms.settings.handshake_seconds) as connected:
                result = _result_of(address, await _converse(office, terms, connected))
        except (GatewayError, OSError) as error:
            result = _failure(address, reason_of(error))
        if result.is_connected:
            return result
        is_refused = is_refused or result.is_refused
        record_failure(office.log, terms.node, address, result.text)
    return replace(result, is_refused=is_refused)


@contextlib.asynccontextmanager
async def _connected(address: str, seconds: float) -> AsyncIterator[Wire]:
    """Connect to an address.

    Raises:
        ConfigError: it is no address.
        OSError: nobody answers there.
    """
    if address.startswith(COMMAND_PREFIX):
        command = Command(address.removeprefix(COMMAND_PREFIX))
        try:
            yield command.wire
        finally:
            await command.end()
        return
    place = parse_tcp_address(address)
    try:
        async with asyncio.timeout(seconds):
            wire = await connect_tcp(place)
    except TimeoutError:
        raise TimeoutError(f"no connection within {seconds:g} seconds") from None
    try:
        yield wire
    finally:
        wire.abort()


async def _converse(office: Office, terms: Terms, wire: Wire) -> Ending:
    own = office.book.private_keys()
    session = Session(
        is_initiator=True,
        keys=NoisePair(own.noiseprv, own.noisepub),
        remote_pub=terms.node.keys.noisepub,
        ephemeral_private=os.urandom(KEY_BYTES),
        settings=terms.settings,
        now=asyncio.get_running_loop().time(),
    )
    return await Conversation(office, wire, session, Role.CALLER).call(terms)


def _result_of(address: str, ending: Ending) -> CallResult:
    return CallResult(
        is_connected=ending.is_established,
        is_complete=ending.is_established and ending.is_complete,
        address=address,
        sent_bytes=ending.sent_bytes,
        received_bytes=ending.received_bytes,
        text=ending.ended.text,
        is_refused=ending.ended.reason is EndReason.REFUSED,
    )


def _failure(address: str, text: str) -> CallResult:
    return CallResult(
        is_connected=False, is_complete=False, address=address, sent_bytes=0, received_bytes=0, text=text
    )
