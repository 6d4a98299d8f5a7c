"""Multicast discovery: telling the links that we are here, and hearing who else is.

An ``Announcer`` sends our id from the interfaces that ``mcd-send`` names, each at its interval. A
``Lookout`` listens on those that ``mcd-listen`` names and knows for two minutes where a neighbour
was heard. Interfaces are looked for again all the time, since they come and go.

Contract: an announcement proves nothing; it only adds an address to try first. Whatever arrives,
memory and log are bounded. What is not an announcement of a neighbour is passed over.

Spec: NNCP 8 manual, MultiCast Discovery.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Mapping, Sequence

from gateway.carry.online.multicast_socket import Interface, announce, find_interfaces, open_receiver, receive
from gateway.errors import ConfigError, PacketError
from gateway.ids import NodeId
from gateway.link.announcement import GROUP_PORT, decode_announcement, encode_announcement
from gateway.link.posix_pattern import compile_posix
from gateway.link.sightings import Sightings
from gateway.nodes import Book
from gateway.spool.log import Log

SCAN_SECONDS = 5.0
"""An interface that comes up is used at the latest after so long."""

BURST_LIMIT_COUNT = 64
"""Datagrams taken at once, so that a flood leaves time for sessions."""

TOLD_LIMIT_COUNT = 100
"""New addresses that are logged within two minutes; a flood of forged ones must not fill the disk."""

TOLD_SECONDS = 120.0


class Announcer:
    """Tells the links that we take calls.

    Args:
        book: who we are.
        log: told of interfaces that refuse, once each.
        send_seconds: by pattern of interfaces, how often; 0 or less: once, when one comes up.
        ports: that we listen on for calls.

    Raises:
        ConfigError: a pattern is none.
    """

    def __init__(self, book: Book, log: Log, send_seconds: Mapping[str, int], ports: Sequence[int]) -> None:
        self._payload = encode_announcement(book.self_node.id)
        self._log = log
        self._seconds = [(_compile("mcd-send", text), seconds) for text, seconds in send_seconds.items()]
        self._ports = tuple(dict.fromkeys(ports))
        self._due: dict[Interface, float] = {}
        self._refused: set[Interface] = set()

    async def run(self) -> None:
        """Announce us until cancelled; returns at once if nothing is to be announced."""
        while self._seconds:
            wait_seconds = self.announce_due(asyncio.get_running_loop().time())
            await asyncio.sleep(wait_seconds)

    def announce_once(self) -> None:
        """Announce us a single time, on every interface that a pattern names."""
        self._due.clear()
        self.announce_due(0.0)

    def announce_due(self, now: float) -> float:
        """Announce us where it is time.

        Args:
            now: seconds of a monotonic clock.

        Returns:
            Seconds until this should be called again.
        """
        present = {
            interface: seconds
            for interface in _interfaces()
            if (seconds := self._interval_seconds(interface.name)) is not None
        }
        self._due = {interface: due for interface, due in self._due.items() if interface in present}
        self._refused &= present.keys()
        for interface, seconds in present.items():
            if self._due.get(interface, now) <= now:
                self._announce(interface)
                self._due[interface] = now + seconds if seconds > 0 else float("inf")
        return min([SCAN_SECONDS, *(due - now for due in self._due.values())])

    def _interval_seconds(self, name: str) -> int | None:
        """The shortest that a pattern gives an interface, or None: none names it."""
        return min((seconds for pattern, seconds in self._seconds if pattern.search(name)), default=None)

    def _announce(self, interface: Interface) -> None:
        fields = [("If", interface.name)]
        for port in self._ports:
            try:
                announce(interface, port, self._payload)
            except OSError as error:
                if interface not in self._refused:
                    self._refused.add(interface)
                    self._log.error("mcd", fields, error, f"MCD Tx {interface.name}/{GROUP_PORT}/{port}")
            else:
                self._log.debug("mcd", fields, f"MCD Tx {interface.name}/{GROUP_PORT}/{port}")


class Lookout:
    """Knows where neighbours were heard of late.

    Args:
        book: whose announcements count.
        log: told of each new address.
        listen: patterns of interfaces.

    Raises:
        ConfigError: a pattern is none.
    """

    def __init__(self, book: Book, log: Log, listen: Sequence[str]) -> None:
        self._book = book
        self._log = log
        self._patterns = [_compile("mcd-listen", text) for text in listen]
        self._receivers: dict[Interface, socket.socket] = {}
        self._refused: set[Interface] = set()
        self._sightings = Sightings()
        self._heard = asyncio.Event()
        self._told_count = 0
        self._told_since = float("-inf")

    async def run(self) -> None:
        """Listen until cancelled; returns at once if there is nothing to listen on."""
        try:
            while self._patterns:
                self._scan()
                await asyncio.sleep(SCAN_SECONDS)
        finally:
            for interface in list(self._receivers):
                self._close(interface)

    def addresses(self, node: NodeId) -> tuple[str, ...]:
        """Where a neighbour was heard, the newest first."""
        return self._sightings.addresses(node, asyncio.get_running_loop().time())

    async def wait_for(self, node: NodeId, seconds: float) -> tuple[str, ...]:
        """Wait until a neighbour is heard; returns where, or nothing after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.addresses(node):
                    self._heard.clear()
                    await self._heard.wait()
        return self.addresses(node)

    def hear(self, payload: bytes, address: str, interface_name: str) -> None:
        """Take one datagram."""
        now = asyncio.get_running_loop().time()
        try:
            node = self._book.find_id(decode_announcement(payload))
        except PacketError:
            return
        if node is None or node is self._book.self_node:
            return
        if self._sightings.see(node.id, address, now) and self._may_tell(now):
            fields = [("If", interface_name), ("Node", node.id.text)]
            self._log.info("mcd-add", fields, f"MCD discovered {node.name}'s address: {address}")
        self._heard.set()

    def _may_tell(self, now: float) -> bool:
        if now - self._told_since >= TOLD_SECONDS:
            self._told_since, self._told_count = now, 0
        self._told_count += 1
        return self._told_count <= TOLD_LIMIT_COUNT

    def _scan(self) -> None:
        """Open what has come, close what is gone."""
        wanted = {
            interface
            for interface in _interfaces()
            if any(pattern.search(interface.name) for pattern in self._patterns)
        }
        for interface in self._receivers.keys() - wanted:
            self._close(interface)
        self._refused &= wanted
        for interface in wanted - self._receivers.keys():
            try:
                self._open(interface)
            except OSError as error:
                if interface not in self._refused:
                    self._refused.add(interface)
                    fields = [("If", interface.name)]
                    self._log.error("mcd", fields, error, f"MCD Rx {interface.name}/{GROUP_PORT}")

    def _open(self, interface: Interface) -> None:
        receiver = self._receivers[interface] = open_receiver(interface)
        asyncio.get_running_loop().add_reader(receiver, self._read, interface)
        self._log.debug("mcd", [("If", interface.name)], f"MCD Rx {interface.name}/{GROUP_PORT}")

    def _close(self, interface: Interface) -> None:
        receiver = self._receivers.pop(interface)
        asyncio.get_running_loop().remove_reader(receiver)
        receiver.close()

    def _read(self, interface: Interface) -> None:
        try:
            for datagram in receive(self._receivers[interface], interface, BURST_LIMIT_COUNT):
                self.hear(datagram.payload, datagram.address, interface.name)
        except OSError:
            self._close(interface)


async def listen_for(
    node: NodeId, seconds: float, book: Book, log: Log, listen: Sequence[str]
) -> tuple[str, ...]:
    """Listen until a neighbour is heard, as ``call -mcd-wait`` does.

    Args:
        node: the neighbour.
        seconds: how long to wait.
        book: whose announcements count.
        log: told of each new address.
        listen: patterns of interfaces.

    Returns:
        Where it was heard, or nothing.

    Raises:
        ConfigError: a pattern is none.
    """
    lookout = Lookout(book, log, listen)
    listening = asyncio.create_task(lookout.run())
    try:
        return await lookout.wait_for(node, seconds)
    finally:
        listening.cancel()
        await asyncio.wait([listening])


def _interfaces() -> list[Interface]:
    try:
        return find_interfaces()
    except OSError:
        return []


def _compile(key: str, text: str) -> re.Pattern[str]:
    try:
        return compile_posix(text)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None
