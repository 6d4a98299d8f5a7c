"""Online sessions inside the test's own process: two nodes over a socket pair, or one and a scripted peer.

The sides are the real ones, disk and threads included; only TCP and the processes are missing.
"""

import asyncio
import contextlib
import dataclasses
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.carry.online.call import CallPlan, CallResult, call_over
from gateway.carry.online.ending import Ending
from gateway.carry.online.listener import Listener, ListenerSettings
from gateway.carry.online.office import Hooks, Office
from gateway.carry.online.sockets import wire_of
from gateway.carry.online.wire import Wire
from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.link.events import Ended, Event, Offer
from gateway.link.noise import NoisePair
from gateway.link.session import Session
from gateway.link.settings import LinkSettings, Padding
from gateway.nodes import Book, Node
from gateway.packet.mth import mth
from gateway.schedule.call import Limits, Online
from gateway.spool.layout import Box
from gateway.spool.log import Log
from gateway.spool.store import Spool
from tests.support.nodes import make_books
from tests.support.processes import slowness
from tests.support.spools import make_packet

SHORT = LinkSettings(padding=Padding.NONE, idle_seconds=1)
"""Ends soon after the last word."""
LASTING = LinkSettings(padding=Padding.NONE, idle_seconds=60)
LASTING_SECONDS = 60
"""A deadline for sites that are to last as well."""
WAIT_SECONDS = 60
POLL_SECONDS = 0.005
BOOKS = make_books("a", "b")


class Site:
    """One of the nodes a and b.

    Args:
        home: its directory.
        name: of the node.
        disk: what changes its files.
        deadline_seconds: after which it ends a session in which nothing moves.
    """

    def __init__(self, home: Path, name: str, disk: Disk | None = None, *, deadline_seconds: int = 1) -> None:
        self.name = name
        self.book = _with_deadline(BOOKS[name], deadline_seconds)
        self.peer = self.book.find("b" if name == "a" else "a")
        self.log_path = home / name / "log"
        self.spool = Spool(home / name / "spool", disk or Disk(is_syncing=False))
        self.spool.root.mkdir(parents=True, exist_ok=True)

    def office(self, **fields: Any) -> Office:
        """What its sessions share."""
        return Office(self.book, self.spool, Log(self.log_path, quiet=True), **fields)

    def box(self, box: Box) -> Path:
        """The directory of what came from, or waits for, the other node."""
        return self.spool.layout.box(self.peer.id, box)

    def queue(self, body: bytes, nice: int = 96) -> PacketId:
        """Let a packet wait for the other node."""
        content = make_packet(nice, body)
        packet = PacketId(mth(content))
        self.box(Box.TX).mkdir(parents=True, exist_ok=True)
        temporary = self.box(Box.TX) / f"new-{packet.text[:10]}"
        temporary.write_bytes(content)
        temporary.rename(self.box(Box.TX) / packet.text)
        return packet

    def names(self, box: Box) -> set[str]:
        """The files of a box, directories left out."""
        directory = self.box(box)
        return {path.name for path in directory.iterdir() if path.is_file()} if directory.exists() else set()

    def log_text(self) -> str:
        """Its whole log."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def events(self) -> list[str]:
        """The kinds of its records, in order."""
        lines = self.log_text().splitlines()
        return [line.removeprefix("Who: ") for line in lines if line.startswith("Who: ")]


def _with_deadline(book: Book, deadline_seconds: int = 1) -> Book:
    online = Online(limits=Limits(deadline_seconds=deadline_seconds))
    nodes = {name: dataclasses.replace(node, online=online) for name, node in book.nodes.items()}
    return Book(book.own, nodes)


def wire_pair() -> tuple[Wire, Wire]:
    """Two ends of one connection."""
    first, second = socket.socketpair()
    return wire_of(first, "first"), wire_of(second, "second")


async def meet(
    caller: Site,
    listener: Site,
    settings: LinkSettings = SHORT,
    listening: ListenerSettings | None = None,
    hooks: Hooks | None = None,
    **plan: Any,
) -> tuple[CallResult, Ending]:
    """Hold a session to its end."""
    async with caller.office(hooks=hooks) as calling, listener.office() as answering:
        return await meet_in(calling, answering, CallPlan(caller.peer, (), settings, **plan), listening)


async def meet_until(caller: Site, listener: Site, is_done: Callable[[], object]) -> None:
    """Hold a session until something is so, or it ends by itself.

    However slow the machine is: give both sites a deadline that is far away.
    """
    meeting = asyncio.ensure_future(meet(caller, listener, LASTING))
    await until(lambda: meeting.done() or is_done())
    meeting.cancel()
    await asyncio.gather(meeting, return_exceptions=True)


async def meet_in(
    calling: Office, answering: Office, plan: CallPlan, listening: ListenerSettings | None = None
) -> tuple[CallResult, Ending]:
    """Hold a session to its end, in offices that are entered."""
    ours, theirs = wire_pair()
    call = asyncio.create_task(call_over(calling, plan, ours))
    answer = asyncio.create_task(Listener(answering, listening or ListenerSettings()).serve(theirs))
    try:
        async with asyncio.timeout(WAIT_SECONDS * slowness()):
            result, ending = await asyncio.gather(call, answer)
    finally:
        # Whatever became of one side: an office may be left only when its sessions are over.
        for side in (call, answer):
            if not side.cancelling():
                side.cancel()
        await asyncio.wait((call, answer))
    return result, ending


class Peer:
    """The node a, as a test plays it: it says only what it is told to.

    Args:
        sock: its end of the connection.
        book: who it is.
        remote: whom it calls.
        settings: of its session.
    """

    def __init__(
        self, sock: socket.socket, book: Book, remote: Node, settings: LinkSettings | None = None
    ) -> None:
        self.events: list[Event] = []
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        sock.setblocking(False)
        own = book.private_keys()
        self.session = Session(
            is_initiator=True,
            keys=NoisePair(own.noiseprv, own.noisepub),
            remote_pub=remote.keys.noisepub,
            ephemeral_private=os.urandom(32),
            settings=settings or LinkSettings(padding=Padding.NONE, idle_seconds=60),
            now=self._loop.time(),
        )

    async def begin(self, offers: Sequence[Offer] = ()) -> None:
        """Say the first words, and wait for the answer."""
        self.session.begin(offers, self._loop.time())
        await self.flush()
        await self.until(lambda: self.session.is_established)

    async def flush(self) -> None:
        """Send what the session has to say."""
        while pieces := self.session.data_to_send(self._loop.time()):
            for piece in pieces:
                await self._loop.sock_sendall(self._socket, bytes(piece))

    async def until(self, is_true: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        """Read until something is so."""
        async with asyncio.timeout(seconds * slowness()):
            while not is_true():
                data = await self._loop.sock_recv(self._socket, 1 << 16)
                now = self._loop.time()
                self.events += self.session.receive_data(data, now) if data else self.session.receive_end(now)
                if not data:
                    assert is_true(), f"the connection ended: {self.events[-1:]}"
                    return

    async def until_closed(self) -> Ended:
        """Read until the other side closes; returns how the session takes that."""
        with contextlib.suppress(ConnectionError):
            await self.until(lambda: self.session.is_ended)
        return next(event for event in self.events if isinstance(event, Ended))

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def send_packet(self, content: bytes) -> None:
        """Send what was requested of the packet that is next."""
        while (chunk := self.session.wants_chunk(self._loop.time())) is not None:
            start = chunk.offset_bytes
            data = content[start : start + chunk.length_bytes]
            self.session.send_chunk(chunk, data, self._loop.time())
            await self.flush()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


async def until(is_true: Callable[[], object]) -> None:
    """Wait in the event loop until something is so."""
    async with asyncio.timeout(WAIT_SECONDS * slowness()):
        while not is_true():  # noqa: ASYNC110 - it is the disk that changes
            await asyncio.sleep(POLL_SECONDS)


@contextlib.asynccontextmanager
async def played(
    site: Site, listening: ListenerSettings | None = None, settings: LinkSettings | None = None, **office: Any
) -> AsyncIterator[tuple[Peer, "asyncio.Task[Ending]"]]:
    """A session of the node b with a peer that the test plays; the listener's side runs beside it."""
    ours, theirs = socket.socketpair()
    async with site.office(**office) as entered:
        listener = Listener(entered, listening or ListenerSettings())
        serving = asyncio.ensure_future(listener.serve(wire_of(ours, "peer")))
        peer = Peer(theirs, _with_deadline(BOOKS["a"]), BOOKS["a"].find("b"), settings)
        try:
            yield peer, serving
        finally:
            peer.close()
            async with asyncio.timeout(WAIT_SECONDS * slowness()):
                await asyncio.gather(serving, return_exceptions=True)
