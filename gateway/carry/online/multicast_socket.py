"""The UDP sockets of multicast discovery, and which interfaces there are to use them on.

Contract: with ``sockets`` the only module of the online carrier that touches the network. A refusal
of the system leaves as an ``OSError`` for ``discovery`` to handle: interfaces come and go, and that one
of them is gone is no fault.

Spec: NNCP 8 manual, MultiCast Discovery; RFC 3493; netdevice(7).
"""

import contextlib
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.link.announcement import ANNOUNCEMENT_BYTES, GROUP, GROUP_PORT

_ADDRESSES = Path("/proc/net/if_inet6")
_TENTATIVE = 0x40 | 0x08
"""Flags of an address that is being probed for a duplicate, or has one: it can't be used."""

_SIOCGIFFLAGS = 0x8913
_IFREQ = struct.Struct("16sH22x")
_UP, _LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that is up and can multicast.

    Args:
        name: such as ``eth0``.
        index: the kernel's number; another one when it went and came back.
        address: its link-local address, such as ``fe80::1``.
    """

    name: str
    index: int
    address: str


@dataclass(frozen=True, slots=True)
class Datagram:
    """What arrived.

    Args:
        payload: at most one byte more than an announcement has.
        address: ``[ADDRESS%INTERFACE]:PORT`` of the sender.
    """

    payload: bytes
    address: str


def find_interfaces() -> list[Interface]:
    """The interfaces that announcements can be sent and received on.

    Raises:
        OSError: the system does not tell.
    """
    found = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        for name, index, address in _link_local_addresses():
            flags = _flags(probe, name)
            if flags & _UP and flags & _MULTICAST and not flags & _LOOPBACK:
                found.append(Interface(name, index, address))
    return found


def open_receiver(interface: Interface) -> socket.socket:
    """Listen for announcements on one interface; other programs may do so as well.

    Raises:
        OSError: the system refuses.
    """
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        membership = socket.inet_pton(socket.AF_INET6, GROUP) + struct.pack("@I", interface.index)
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        # Bound to the group and the interface: nothing else reaches this socket.
        receiver.bind((GROUP, GROUP_PORT, 0, interface.index))
    except BaseException:
        receiver.close()
        raise
    return receiver


def receive(receiver: socket.socket, interface: Interface, limit_count: int) -> Iterator[Datagram]:
    """Take what has arrived, at most so many datagrams; those that were not sent from the link are left out.

    Raises:
        OSError: the interface is gone.
    """
    with contextlib.suppress(BlockingIOError):
        for _ in range(limit_count):
            payload, (host, port, *_) = receiver.recvfrom(ANNOUNCEMENT_BYTES + 1)
            address = ipaddress.IPv6Address(host.partition("%")[0])
            if address.is_link_local and port:
                yield Datagram(payload, f"[{address}%{interface.name}]:{port}")


def announce(interface: Interface, port: int, payload: bytes) -> None:
    """Send one datagram to all on the link, from the port that calls are taken at.

    Raises:
        OSError: the system refuses.
    """
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        # Several programs may announce themselves from one port, each with its own address to listen at.
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
        sender.bind((interface.address, port, 0, interface.index))
        sender.sendto(payload, (GROUP, GROUP_PORT, 0, interface.index))


def _link_local_addresses() -> Iterator[tuple[str, int, str]]:
    """Name and index of each interface with a link-local address that can be used, and the first such one."""
    known: set[str] = set()
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        for line in _ADDRESSES.read_text(encoding="ascii").splitlines():
            digits, index, _prefix, _scope, flags, name = line.split()
            address = ipaddress.IPv6Address(int(digits, 16))
            if address.is_link_local and not int(flags, 16) & _TENTATIVE and name not in known:
                known.add(name)
                yield name, int(index, 16), str(address)


def _flags(probe: socket.socket, name: str) -> int:
    try:
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, _IFREQ.pack(name.encode(), 0))
    except OSError:
        return 0
    flags: int = _IFREQ.unpack(answer)[1]
    return flags
