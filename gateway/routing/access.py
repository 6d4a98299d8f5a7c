"""Who may hand mail in: networks, by the address of the client.

Contract: what is not listed is not permitted. A client that reaches an IPv6 socket over IPv4
(``::ffff:192.0.2.1``) is judged by its IPv4 address.
"""

import ipaddress
from collections.abc import Sequence

from gateway.errors import ConfigError
from gateway.message.address import shown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK: tuple[Network, ...] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)
_IPV4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_ALLOWED = "an address or a network such as 192.0.2.0/24 or 2001:db8::/32"


class AccessList:
    """Networks whose hosts are permitted.

    Args:
        networks: in any order; this machine alone if not given.
    """

    __slots__ = ("_networks",)

    def __init__(self, networks: Sequence[Network] = LOOPBACK) -> None:
        self._networks = tuple(_unmapped(network) for network in networks)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "AccessList":
        """Read networks as they stand in a configuration.

        Raises:
            ConfigError: a text is not a network, or has bits set behind its prefix.
        """
        networks: list[Network] = []
        for text in texts:
            try:
                networks.append(ipaddress.ip_network(text))
            except ValueError as error:
                raise ConfigError(f"network {shown(text)}: {error}; allowed: {_ALLOWED}") from None
        return cls(networks)

    def permits(self, ip: str | Ip) -> bool:
        """Whether a client may hand mail in.

        Args:
            ip: its address; a text that is none is not permitted.
        """
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def _unmapped(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_IPV4_MAPPED):
        address = network.network_address.ipv4_mapped
        if address is not None:
            return ipaddress.IPv4Network((address, network.prefixlen - 96))
    return network
