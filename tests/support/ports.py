"""Free TCP ports on the loopback address.

The kernel chooses the port, and a socket stays bound to it, without listening, until the test run
ends: so neither a second caller nor an outgoing connection gets it. A server that sets
``SO_REUSEADDR``, as all the peers and asyncio do, can listen on it all the same, as often as it is
restarted; as long as nobody listens, a connection is refused.
"""

import atexit
import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that nobody else gets while this process lives."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Bound first: with the option set already, the kernel might give one port to two such sockets.
    holder.bind(("127.0.0.1", 0))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.append(holder)
    port: int = holder.getsockname()[1]
    return port


@atexit.register
def _release() -> None:
    while _held:
        _held.pop().close()
