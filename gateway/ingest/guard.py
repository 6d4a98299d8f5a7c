"""Keeps those away who try one password after the other.

Contract: who has failed too often within a time is not listened to until that time is over, from whatever
connection. A right password in between changes nothing, else one user could guess those of others. IPv6
addresses of one /64 count as one client. Memory is bounded: the oldest are forgotten.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS_LIMIT_COUNT = 10_000
_NETWORK_BITS = 64


class Guard:
    """Counts failures by client.

    Args:
        limit_count: failures that are too many.
        seconds: how long a failure counts.
        clock: seconds that only go on.
    """

    def __init__(self, limit_count: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_count = limit_count
        self._seconds = seconds
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def is_barred(self, client: str) -> bool:
        """Whether a client has failed too often."""
        return len(self._recent(_key(client))) >= self._limit_count

    def failed(self, client: str) -> int:
        """Count a failure; returns how many there are."""
        key = _key(client)
        recent = self._recent(key)
        recent.append(self._clock())
        self._failures[key] = recent[-self._limit_count :]
        self._failures.move_to_end(key)
        while len(self._failures) > CLIENTS_LIMIT_COUNT:
            self._failures.popitem(last=False)
        return len(recent)

    def _recent(self, key: str) -> list[float]:
        oldest = self._clock() - self._seconds
        return [moment for moment in self._failures.get(key, ()) if moment > oldest]


def _key(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _NETWORK_BITS), strict=False))
