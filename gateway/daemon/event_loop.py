"""The event loop of what takes mail and news in: uvloop's where it is installed, else asyncio's.

Contract: what runs in it works in both; docs/adr/0012-uvloop.md says where they differ.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    import uvloop
except ImportError:
    # Where there is no wheel of it, it needs a compiler.
    new_event_loop = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop


def run_in_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end in a new loop, as ``asyncio.run`` does; in any thread."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(work)
