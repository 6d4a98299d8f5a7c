"""``nncp call``: exchange packets with one neighbour online.

SIGTERM and SIGINT end the session in good order: what was received is kept, what is whole of it confirmed.
A second one ends everything at once.
"""

import asyncio
import dataclasses
import threading
from collections.abc import Mapping

from gateway.carry.online.autotoss import AutoTosser
from gateway.carry.online.call import CallPlan, CallResult, call, call_over
from gateway.carry.online.discovery import listen_for
from gateway.carry.online.link_settings import link_settings
from gateway.carry.online.office import Office
from gateway.carry.online.sockets import UCSPI_CLIENT_FDS, ucspi_peer, wire_of_descriptors
from gateway.cli.nncp.autotoss import make_toss, read_autotoss
from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK, wrong_usage
from gateway.cli.nncp.online_office import make_office
from gateway.cli.nncp.outbox import OutboxFlush
from gateway.cli.nncp.stoppable import run_stoppable
from gateway.cli.nncp.verbs import CALL
from gateway.errors import BadIdentifier, ConfigError, UnknownNode
from gateway.ids import PacketId, parse_nice
from gateway.nodes import Node
from gateway.schedule.call import Limits


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(CALL, arguments, environ, _call)


def _call(context: Context) -> int:
    if len(context.parsed.arguments) not in {1, 2}:
        return wrong_usage(CALL)
    context.book.private_keys()
    plan = _plan(context)
    stop = threading.Event()
    status = run_stoppable(_run(context, plan, stop), stop.set)
    return STATUS_FAILED if status is None else status


async def _run(context: Context, plan: CallPlan, stop: threading.Event) -> int:
    plan = await _with_announced(context, plan)
    tosser = AutoTosser(make_toss(context, stop), context.log, read_autotoss(context.parsed))
    office = make_office(context, OutboxFlush(context), tosser)
    try:
        async with office:
            result = await _converse(context, office, plan)
    finally:
        tosser.wake(plan.node)
        await asyncio.to_thread(tosser.close)
    is_good = result.is_connected and result.is_complete and not tosser.is_failed
    return STATUS_OK if is_good else STATUS_FAILED


async def _converse(context: Context, office: Office, plan: CallPlan) -> CallResult:
    if not context.parsed.switch("ucspi"):
        return await call(office, plan)
    wire = wire_of_descriptors(UCSPI_CLIENT_FDS, ucspi_peer(context.environ))
    return await call_over(office, plan, wire)


def _plan(context: Context) -> CallPlan:
    """Read the command line.

    Raises:
        GatewayError: it names what is not known, or contradicts itself.
    """
    parsed = context.parsed
    is_rx, is_tx = parsed.switch("rx"), parsed.switch("tx")
    if is_rx and is_tx:
        raise ConfigError("-rx and -tx can not be set simultaneously")
    node, addresses = _find(context)
    own = node.online.limits
    limits = Limits(
        rx_per_second_count=max(0, parsed.number("rxrate")),
        tx_per_second_count=max(0, parsed.number("txrate")),
        deadline_seconds=parsed.number("onlinedeadline") or own.deadline_seconds,
        longest_seconds=parsed.number("maxonlinetime") or own.longest_seconds,
    )
    xx = "rx" if is_rx else "tx" if is_tx else None
    return CallPlan(
        node,
        addresses,
        link_settings(node.online.link, limits, nice=parse_nice(parsed.text("nice")), xx=xx),
        only=_read_packets(parsed.text("pkts")),
        is_nock=parsed.switch("nock"),
        is_listing=parsed.switch("list"),
    )


def _find(context: Context) -> tuple[Node, tuple[str, ...]]:
    """The neighbour, and where it is to be called.

    Raises:
        UnknownNode: it is not known.
        ConfigError: it can't be called, or has no such address.
    """
    name, _, alias = context.parsed.arguments[0].partition(":")
    try:
        node = context.book.find(name)
    except UnknownNode as error:
        raise UnknownNode(f"Invalid NODE specified: {error}") from error
    if node.keys.noisepub is None:
        raise ConfigError(f"Node {node.name} does not have online communication capability: no noisepub")
    known = node.online.addresses
    if len(context.parsed.arguments) > 1:
        return node, (context.parsed.arguments[1],)
    if alias:
        if alias not in known:
            raise ConfigError(f"Unknown ADDR alias specified: {alias}, known: {', '.join(known) or 'none'}")
        return node, (known[alias],)
    is_elsewhere = context.parsed.switch("ucspi") or context.parsed.number("mcd-wait")
    if not (known or is_elsewhere):
        raise ConfigError(f"Node {node.name} has no addrs, and no address is given")
    return node, tuple(known.values())


async def _with_announced(context: Context, plan: CallPlan) -> CallPlan:
    """Wait for the neighbour's announcement, if that is wanted: it tells where to call.

    Raises:
        ConfigError: it did not come, or a pattern of mcd-listen is none.
    """
    seconds = context.parsed.number("mcd-wait")
    if not seconds:
        return plan
    listen = context.config.discovery.listen
    addresses = await listen_for(plan.node.id, seconds, context.book, context.log, listen)
    if not addresses:
        raise ConfigError(f"{plan.node.name} was not heard by multicast within {seconds} seconds")
    return dataclasses.replace(plan, addresses=addresses)


def _read_packets(text: str) -> frozenset[PacketId] | None:
    """Which packets alone to receive; None: all.

    Raises:
        BadIdentifier: one is no packet's name.
    """
    if not text:
        return None
    try:
        return frozenset(PacketId.parse(name) for name in text.split(","))
    except BadIdentifier as error:
        raise BadIdentifier(f"Invalid packet specified in -pkts: {error}") from error
