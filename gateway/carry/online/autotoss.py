"""Autotoss: what arrives is tossed while the session goes on.

A neighbour's state, and what moves it on::

    idle ──woken──→ running ──done──→ idle
                     │    ↑
                   woken  done
                     ↓    │
                    again ┘

Contract: whatever was in rx when a neighbour was woken is tossed once by a run that begins after it; a
hundred wakes during a run are one more run. No two runs of a neighbour overlap. ``close`` returns when
all that was woken is done, so a last wake after the end of a session leaves nothing behind. Nothing here
holds up a session. How packets are tossed is the caller's business.

Spec: NNCP 8 manual, nncp-call (-autotoss).
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.ids import NodeId
from gateway.nodes import Node
from gateway.schedule.call import AutoToss
from gateway.spool.log import Log

_LOG = logging.getLogger(__name__)

THREAD_COUNT = 4
"""Neighbours whose packets are tossed at a time; a handler may take an hour."""

Toss = Callable[[Node, AutoToss], bool]
"""Tosses what a neighbour sent; returns whether all of it was good."""


@dataclass(slots=True)
class _Running:
    """A neighbour that is not idle; ``again`` is what its next run is to be like, if there is one."""

    again: AutoToss | None = None


class AutoTosser:
    """Tosses the packets of neighbours, beside their sessions.

    Args:
        toss: called in a thread, for one neighbour only once at a time.
        log: told when it fails.
        default: how to toss for neighbours that nothing else is said of; None: not at all.
    """

    def __init__(self, toss: Toss, log: Log, default: AutoToss | None = None) -> None:
        self._toss = toss
        self._log = log
        self._default = default
        self._wanted: dict[NodeId, AutoToss | None] = {}
        self._lock = threading.Lock()
        self._running: dict[NodeId, _Running] = {}
        self._pool = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="autotoss")
        self._is_failed = False

    @property
    def is_failed(self) -> bool:
        """Whether a packet was bad so far, or a run came to nothing."""
        return self._is_failed

    def choose(self, node: Node, settings: AutoToss | None) -> None:
        """Say how the packets of a neighbour are tossed from now on; None: not at all."""
        with self._lock:
            self._wanted[node.id] = settings

    def wake(self, node: Node) -> None:
        """Toss what a neighbour has sent, soon, if that is wanted; callable from any thread."""
        with self._lock:
            settings = self._wanted.get(node.id, self._default)
            running = self._running.get(node.id)
            if running is not None:
                running.again = settings or running.again
            elif settings is not None:
                self._running[node.id] = _Running()
                self._pool.submit(self._run, node, settings)

    def close(self) -> None:
        """Wait until everything that was woken is done; nothing may be woken any more."""
        self._pool.shutdown()

    def _run(self, node: Node, settings: AutoToss | None) -> None:
        while settings is not None:
            try:
                self._is_failed |= not self._toss(node, settings)
            except GatewayError as error:
                self._is_failed = True
                self._log.error("autotoss", [("Node", node.id.text)], error, f"Tossing {node.name}")
            except Exception:  # noqa: BLE001 - a bug must not leave the neighbour running for ever
                self._is_failed = True
                _LOG.exception("autotoss of %s: a fault of this program", node.name)
            settings = self._next(node)

    def _next(self, node: Node) -> AutoToss | None:
        """What the next run is to be like; None: the neighbour is idle."""
        with self._lock:
            running = self._running[node.id]
            settings, running.again = running.again, None
            if settings is None:
                del self._running[node.id]
            return settings
