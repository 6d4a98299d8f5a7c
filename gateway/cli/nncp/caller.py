"""``nncp caller``: call neighbours when the configuration says so, for ever.

SIGTERM and SIGINT end running sessions in good order, and let the packet at hand be tossed; a second one
ends everything at once.
"""

import asyncio
import dataclasses
import threading
from collections.abc import Mapping, Sequence

from gateway.carry.online.autotoss import AutoTosser
from gateway.carry.online.caller import Caller, Surroundings, find_entries
from gateway.carry.online.discovery import Lookout
from gateway.carry.online.waiting import Waiting
from gateway.cli.nncp.autotoss import make_toss, with_flags
from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_OK
from gateway.cli.nncp.online_office import make_office
from gateway.cli.nncp.outbox import OutboxFlush
from gateway.cli.nncp.stoppable import run_stoppable
from gateway.cli.nncp.verbs import CALLER
from gateway.errors import UnknownNode
from gateway.nodes import Node
from gateway.schedule.call import Call
from gateway.schedule.plan import Entry


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(CALLER, arguments, environ, _call)


def _call(context: Context) -> int:
    context.book.private_keys()
    entries = _entries(context)
    stop = threading.Event()
    run_stoppable(_run(context, entries, stop), stop.set)
    return STATUS_OK


def _entries(context: Context) -> list[Entry]:
    """The calls of the neighbours on the command line, or of all; the flags count for each.

    Raises:
        UnknownNode: a neighbour is not known.
        ConfigError: one has no key for online sessions.
    """
    names = context.parsed.arguments
    try:
        only = [context.book.find(name) for name in names] if names else None
    except UnknownNode as error:
        raise UnknownNode(f"Invalid NODE specified: {error}") from error
    return [
        dataclasses.replace(entry, call=_with_autotoss(context, entry.call))
        for entry in find_entries(context.book, only)
    ]


def _with_autotoss(context: Context, call: Call) -> Call:
    return dataclasses.replace(call, autotoss=with_flags(call.autotoss, context.parsed))


async def _run(context: Context, entries: Sequence[Entry], stop: threading.Event) -> None:
    flush = OutboxFlush(context)
    waiting = Waiting(context.spool)
    tosser = AutoTosser(make_toss(context, stop), context.log)

    def has_mail(node: Node, nice: int) -> bool:
        flush.flush_node(node)
        return waiting.has_packet(node.id, nice)

    office = make_office(context, flush, tosser)
    lookout = Lookout(context.book, office.log, context.config.discovery.listen)
    listening = asyncio.create_task(lookout.run())
    try:
        async with office:
            await Caller(office, entries, Surroundings(lookout, tosser, has_mail)).run()
    finally:
        listening.cancel()
        await asyncio.to_thread(tosser.close)
