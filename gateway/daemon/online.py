"""The online carrier as a stage of the daemon: one long run, in an event loop of its own.

Contract: ``run`` lasts until ``ask_end``; a fault ends it, and the supervisor starts it again. What
arrives wakes the toss, and mail that waits for a neighbour becomes packets when a session with it begins.
"""

from collections.abc import Callable

from gateway.carry.online.caller import Surroundings
from gateway.carry.online.office import Hooks, Office
from gateway.carry.online.service import Addresses, serve_online
from gateway.daemon.own_loop import OwnLoop
from gateway.daemon.parts import Parts
from gateway.nodes import Node
from gateway.spool.link_state import LinkStates


class OnlinePart:
    """Runs the online carrier of a configured node.

    Args:
        parts: what it works with.
        wake_toss: called when packets have arrived, from any thread.
    """

    def __init__(self, parts: Parts, wake_toss: Callable[[], None]) -> None:
        self._parts = parts
        self._wake_toss = wake_toss
        self._flusher = parts.flusher()
        self._loop: OwnLoop[Addresses] = OwnLoop(self._serve, ())

    def run(self) -> None:
        """Run until told to end.

        Raises:
            ConfigError: an address cannot be used, a pattern of multicast is none, or there are no keys.
            GatewayError: something else went wrong for all of it.
        """
        self._loop.run()

    def wait_listening(self) -> Addresses:
        """Wait until calls are taken, or will not be; returns where they are.

        Raises:
            GatewayError: the first try failed.
        """
        return self._loop.wait_begun()

    def ask_end(self) -> None:
        """End the run that is under way, and any later one at once; callable from any thread."""
        self._loop.ask_end()

    async def _serve(self, tell_listening: Callable[[Addresses], None]) -> None:
        around = Surroundings(has_mail=self._has_mail)
        await serve_online(self._parts.config.online, self._office(), around, tell_listening)

    def _office(self) -> Office:
        parts = self._parts
        return Office(
            parts.book,
            parts.spool,
            parts.nncp_log(),
            links=LinkStates(parts.spool.layout, parts.disk),
            hooks=Hooks(on_start=self._flush, on_received=lambda _node: self._wake_toss()),
            reserve_bytes=parts.config.reserve_bytes,
        )

    def _flush(self, node: Node) -> None:
        self._flusher.flush(node.id)

    def _has_mail(self, node: Node, nice: int) -> bool:
        return self._flusher.has_open_lane(node.id, nice)
