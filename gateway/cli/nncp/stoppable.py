"""Runs the work of a verb in an event loop until it is done or a signal stops it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gateway.daemon.hard_stop import end_at_once

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")


def run_stoppable(work: Coroutine[Any, Any, T], on_stop: Callable[[], object] = lambda: None) -> T | None:
    """Run until the end.

    The first SIGTERM or SIGINT cancels the work, which may take its time to end well; a second one ends the
    process at once.

    Args:
        work: what to run.
        on_stop: called with the first signal, before the work is cancelled.

    Returns:
        What the work returned, or None: it was stopped.
    """
    return asyncio.run(_run(work, on_stop))


async def _run(work: Coroutine[Any, Any, T], on_stop: Callable[[], object]) -> T | None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    is_stopping = False

    def stop() -> None:
        nonlocal is_stopping
        if is_stopping:
            end_at_once()
        is_stopping = True
        on_stop()
        task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not is_stopping:
            raise
        return None
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
