"""The whole online carrier of a daemon: taking calls, making them, announcing and hearing by multicast.

Contract: it ends when it is cancelled, once sessions are ended cleanly; or by a fault, which ends all of
it, so that whoever runs it can start it again as a whole.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.carry.online.caller import Caller, Surroundings, find_entries
from gateway.carry.online.discovery import Announcer, Lookout
from gateway.carry.online.listener import Listener, ListenerSettings
from gateway.carry.online.office import Office
from gateway.carry.online.service_settings import OnlineSettings

Addresses = Sequence[tuple[str, int]]


async def serve_online(
    settings: OnlineSettings,
    office: Office,
    around: Surroundings,
    on_listening: Callable[[Addresses], object] = lambda _addresses: None,
) -> None:
    """Run the online carrier until cancelled.

    Args:
        settings: what it does.
        office: what sessions share; not yet entered.
        around: what the caller works with; hearing neighbours is seen to here.
        on_listening: told the addresses and ports in fact, before the first call is taken or made.

    Raises:
        ConfigError: an address cannot be used, a pattern is none, or we have no private keys.
        GatewayError: something else went wrong for all of it.
    """
    office.book.private_keys()
    lookout = Lookout(office.book, office.log, settings.heard_on)
    entries = find_entries(office.book) if settings.is_calling else []
    async with office:
        listener = Listener(office, ListenerSettings(session_limit_count=settings.session_limit_count))
        try:
            bound = [address for text in settings.listen for address in await listener.open(text)]
            ports = [port for _, port in bound]
            announcer = Announcer(office.book, office.log, settings.announce_seconds, ports)
            on_listening(bound)
            async with asyncio.TaskGroup() as tasks:
                if bound:
                    tasks.create_task(listener.run())
                    tasks.create_task(announcer.run())
                if entries:
                    tasks.create_task(lookout.run())
                    tasks.create_task(Caller(office, entries, replace(around, lookout=lookout)).run())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            listener.close()
