import ipaddress

import pytest

from gateway.errors import ConfigError
from gateway.routing.access import AccessList


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_permitted_by_default(ip: str) -> None:
    assert AccessList().permits(ip)
    assert AccessList().permits(ipaddress.ip_address(ip))


@pytest.mark.parametrize(
    "ip", ["10.0.0.1", "::", "::2", "::ffff:10.0.0.1", "2001:db8::1", "", "localhost", "127.1"]
)
def test_nobody_else_is_permitted_by_default(ip: str) -> None:
    assert not AccessList().permits(ip)


def test_networks_are_read_as_written() -> None:
    access = AccessList.parse(["192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "fe80::/10"])
    for ip in ("192.0.2.255", "198.51.100.7", "2001:db8:1::2", "fe80::1%eth0", "::ffff:192.0.2.1"):
        assert access.permits(ip)
    for ip in ("192.0.3.0", "198.51.100.8", "2001:db9::1", "127.0.0.1", "::1"):
        assert not access.permits(ip)


def test_mapped_network_means_its_ipv4_network() -> None:
    access = AccessList.parse(["::ffff:10.0.0.0/104"])
    assert access.permits("10.1.2.3")
    assert access.permits("::ffff:10.1.2.3")
    assert not access.permits("11.0.0.1")


def test_empty_list_permits_nobody() -> None:
    assert not AccessList.parse([]).permits("127.0.0.1")


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "", "10.0.0.0-10.0.0.9"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: an address or a network such as"):
        AccessList.parse(["127.0.0.0/8", text])
