"""How a listener is closed so that no client is left waiting for ever."""

import asyncio

ACCEPT_STEPS_COUNT = 5
"""An accepted connection reaches its session within this many rounds of the event loop."""


async def stop_listening(listeners: list[asyncio.Server]) -> None:
    """Accept no more, hand on what was accepted, then close the listeners; the list is empty afterwards.

    A connection that asyncio has accepted, but not yet handed on, is lost without being closed when its
    listener closes first.
    """
    loop = asyncio.get_running_loop()
    for listener in listeners:
        for listening in listener.sockets:
            loop.remove_reader(listening.fileno())
    for _ in range(ACCEPT_STEPS_COUNT):
        await asyncio.sleep(0)
    for listener in listeners:
        listener.close()
    listeners.clear()
