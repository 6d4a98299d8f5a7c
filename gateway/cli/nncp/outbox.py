"""Before a carrier of the NNCP verbs leaves: what waits in the outbox becomes packets.

The verbs know the NNCP configuration alone. If the ``gateway.toml`` that counts (``-c FILE`` before
``nncp``, the environment, the default) is for the same node, ``nncp-gateway flush --carrier`` runs as a
process of its own, which works as the owner of the queue, whoever runs the verb.

Contract: whatever comes of it, the carrier leaves; a failure is told unless the verb is quiet.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from gateway.cli.nncp.context import Context
from gateway.config.gateway_place import find_gateway
from gateway.config.own_program import own_command
from gateway.nodes import Node

FLUSH_LIMIT_SECONDS = 300.0
"""After this the flush is stopped, which loses nothing, and the carrier leaves without the rest."""

PAUSE_SECONDS = 30.0
"""A verb that lives long, such as a daemon, starts no process for one neighbour more often."""


class OutboxFlush:
    """Flushes the outbox of the node that a verb runs for.

    Args:
        context: of the verb; with ``-spool`` nothing is flushed, since packets would go elsewhere.
        monotonic: a clock in seconds.
    """

    def __init__(self, context: Context, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._command = context.verb.command
        self._is_quiet = context.parsed.switch("quiet")
        self._environ = context.environ
        is_elsewhere = bool(context.parsed.text("spool"))
        self._path = None if is_elsewhere else find_gateway(context.config.path, context.environ)
        self._monotonic = monotonic
        self._flushed: dict[str, float] = {}

    def flush(self, nodes: Iterable[Node] | None) -> None:
        """Make packets of what leaves through these neighbours.

        Args:
            nodes: the neighbours; None: all.
        """
        if self._path is None:
            return
        if nodes is None:
            self._run([])
            return
        names = [node.id.text for node in nodes]
        now = self._monotonic()
        names = [name for name in names if now - self._flushed.get(name, -PAUSE_SECONDS) >= PAUSE_SECONDS]
        self._flushed.update(dict.fromkeys(names, now))
        if names:
            self._run(names)

    def flush_node(self, node: Node) -> None:
        """Make packets of what leaves through a neighbour."""
        self.flush([node])

    def _run(self, names: Sequence[str]) -> None:
        argv = [*own_command(), "-c", str(self._path), "flush", "--carrier", *names]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                # A bundle goes to standard output.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if self._is_quiet else None,
                env={**self._environ, "PYTHONSAFEPATH": "1"},
                timeout=FLUSH_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self._warn(f"the outbox was not flushed within {FLUSH_LIMIT_SECONDS:g} seconds")
        except OSError as error:
            self._warn(f"the outbox is not flushed: {argv[0]}: {error.strerror}")
        else:
            if done.returncode != 0:
                self._warn(f"the outbox is not flushed, or not all of it: status {done.returncode}")

    def _warn(self, text: str) -> None:
        if not self._is_quiet:
            print(f"{self._command}: warning: {text}", file=sys.stderr)
