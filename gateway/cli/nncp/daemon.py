"""``nncp daemon``: take calls of neighbours.

SIGTERM and SIGINT end running sessions in good order; a second one ends everything at once. Under a UCSPI
server or inetd there is one session, with whoever is at the other end of the standard descriptors.
"""

import asyncio
import os
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress

from gateway.carry.online.autotoss import AutoTosser
from gateway.carry.online.discovery import Announcer
from gateway.carry.online.listener import Listener, ListenerSettings
from gateway.carry.online.sockets import (
    UCSPI_SERVER_FDS,
    parse_tcp_address,
    point_to_nothing,
    ucspi_peer,
    wire_of_descriptors,
)
from gateway.cli.nncp.autotoss import make_toss, read_autotoss
from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK, wrong_usage
from gateway.cli.nncp.online_office import make_office
from gateway.cli.nncp.outbox import OutboxFlush
from gateway.cli.nncp.stoppable import run_stoppable
from gateway.cli.nncp.verbs import DAEMON
from gateway.daemon.descriptor_limit import raise_descriptor_limit
from gateway.errors import ConfigError
from gateway.ids import parse_nice

_STDERR_FD = 2


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    _spare_connection()
    return run_verb(DAEMON, arguments, environ, _listen)


def _listen(context: Context) -> int:
    parsed = context.parsed
    if parsed.arguments:
        return wrong_usage(DAEMON)
    if parsed.text("yggdrasil"):
        raise ConfigError("Yggdrasil is not supported")
    context.book.private_keys()
    if parsed.switch("mcd-once"):
        return run_stoppable(_announce(context)) or STATUS_OK
    settings = ListenerSettings(
        nice=parse_nice(parsed.text("nice")),
        is_nock=parsed.switch("nock"),
        session_limit_count=parsed.number("maxconn"),
    )
    if settings.session_limit_count < 1:
        raise ConfigError("-maxconn: allowed: a whole number from 1")
    stop = threading.Event()
    status = run_stoppable(_run(context, settings, stop), stop.set)
    return STATUS_OK if status is None else status


async def _announce(context: Context) -> int:
    port = parse_tcp_address(context.parsed.text("bind")).port
    if not port.isdecimal():
        raise ConfigError("-mcd-once wants a number for the port of -bind")
    Announcer(context.book, context.log, context.config.discovery.send_seconds, [int(port)]).announce_once()
    return STATUS_OK


async def _run(context: Context, settings: ListenerSettings, stop: threading.Event) -> int:
    tosser = AutoTosser(make_toss(context, stop), context.log, read_autotoss(context.parsed))
    office = make_office(context, OutboxFlush(context), tosser)
    try:
        async with office:
            listener = Listener(office, settings)
            if context.parsed.switch("ucspi") or context.parsed.switch("inetd"):
                wire = wire_of_descriptors(UCSPI_SERVER_FDS, ucspi_peer(context.environ))
                ending = await listener.serve(wire)
                return STATUS_OK if ending.is_established else STATUS_FAILED
            await _take_calls(context, listener)
    finally:
        await asyncio.to_thread(tosser.close)
    return STATUS_OK


async def _take_calls(context: Context, listener: Listener) -> None:
    raise_descriptor_limit()
    places = await listener.open(context.parsed.text("bind"))
    ports = [port for _, port in places]
    announcer = Announcer(context.book, context.log, context.config.discovery.send_seconds, ports)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(announcer.run())
        tasks.create_task(listener.run())


def _spare_connection() -> None:
    """Under inetd standard error is the connection too: what is printed there would break it."""
    with suppress(OSError):
        stderr = os.fstat(_STDERR_FD)
        is_connection = any(os.path.samestat(os.fstat(fd), stderr) for fd in UCSPI_SERVER_FDS)
        if is_connection and stat.S_ISSOCK(stderr.st_mode):
            point_to_nothing([_STDERR_FD])
