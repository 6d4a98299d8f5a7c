"""The listening side: takes connections, learns who calls, and runs a session with each neighbour.

    stranger ──tells a neighbour's key, its locks are free, a session may begin──→ neighbour ──→ gone
       └──not known, busy, silent for too long, or pushed out by another stranger──────────────┘

Contract: strangers have their own limits, in number and time, so that a thousand of them keep no neighbour
out: when there are too many, one that has sent nothing is dropped, the oldest first. What they do fills
neither memory nor log. Only a neighbour counts as a session.
"""

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.carry.online.conversation import Conversation
from gateway.carry.online.ending import Ending
from gateway.carry.online.exchange import Terms
from gateway.carry.online.link_settings import link_settings
from gateway.carry.online.office import Office
from gateway.carry.online.parts import Wants
from gateway.carry.online.preparation import find_offers, hold_locks
from gateway.carry.online.sockets import Door, listen_tcp, parse_tcp_address
from gateway.carry.online.strangers import StrangerLog, choose_victim
from gateway.carry.online.wire import Wire
from gateway.errors import StoreBusy, UnknownNode
from gateway.ids import NICE_MAX, NodeId, encode_base32
from gateway.link.events import EndReason
from gateway.link.noise import NoisePair
from gateway.link.session import Session
from gateway.link.settings import LinkSettings
from gateway.nodes import Node
from gateway.packet.keys import KEY_BYTES
from gateway.spool.link_record import Role

_LOG = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
"""What waits for a caller is made into packets before it is answered; but it may not wait long itself."""


UNPROVEN_SECONDS = 2.0
"""Who replays a neighbour's call could hold its locks: after this another caller with its key takes over."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """What a listener takes.

    Args:
        nice: packets above it are neither announced nor taken.
        is_nock: received packets are not verified here; they stay ``.nock``.
        session_limit_count: sessions at once; who calls beyond that waits.
        stranger_limit_count: connections at once that have not yet told who they are.
    """

    nice: int = NICE_MAX
    is_nock: bool = False
    session_limit_count: int = 128
    stranger_limit_count: int = 512


@dataclass(frozen=True, slots=True)
class _Guest:
    """A connection that is taken care of.

    Args:
        conversation: with it.
        stack: what is given back at its end, such as locks.
        over: set after that.
    """

    conversation: Conversation
    stack: AsyncExitStack
    over: asyncio.Event


class Listener:
    """Runs sessions with those who call.

    Args:
        office: what sessions share; it must have been entered.
        settings: what to take.
    """

    def __init__(self, office: Office, settings: ListenerSettings) -> None:
        self._office = office
        self._settings = settings
        self._doors: list[Door] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers: dict[Conversation, None] = {}
        self._guests: dict[NodeId, _Guest] = {}
        self.session_count = 0
        """Neighbours that are being served."""
        self._stranger_log = StrangerLog(office.log)
        links = [node.online.link.handshake_seconds for node in office.book]
        self.patience = LinkSettings(handshake_seconds=max(links))
        """For those not known yet: the most patient of all links counts."""

    @property
    def stranger_count(self) -> int:
        """Connections that have not told who they are."""
        return len(self._strangers)

    async def open(self, bind: str) -> list[tuple[str, int]]:
        """Start listening, without taking connections yet; may be called for several addresses.

        Args:
            bind: ``HOST:PORT``, ``[IPv6]:PORT`` or ``:PORT``; ``[::]:PORT`` means IPv4 too, as in Go.

        Returns:
            The addresses and ports in fact.

        Raises:
            ConfigError: the address cannot be used.
        """
        door = Door(listen_tcp(parse_tcp_address(bind)), self._take)
        self._doors.append(door)
        return door.places

    async def run(self) -> None:
        """Take connections until cancelled; then sessions are ended cleanly, and sockets closed."""
        self._look_at_doors()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._stranger_log.close()

    def close(self) -> None:
        """Take no connections any more; a session that runs goes on."""
        while self._doors:
            self._doors.pop().close()

    async def serve(self, wire: Wire) -> Ending:
        """Run one session with whoever is at the other end of a connection; cancelled, it ends cleanly."""
        return await self._hold(self._begin(wire))

    def _take(self, wire: Wire) -> None:
        while len(self._strangers) >= self._settings.stranger_limit_count:
            victim = choose_victim(self._strangers)
            del self._strangers[victim]
            victim.drop("too many connections that do not tell who they are")
        task = asyncio.ensure_future(self._serve(self._begin(wire)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step closes nothing.
        task.add_done_callback(lambda _: wire.abort())

    def _begin(self, wire: Wire) -> Conversation:
        own = self._office.book.private_keys()
        session = Session(
            is_initiator=False,
            keys=NoisePair(own.noiseprv, own.noisepub),
            remote_pub=None,
            ephemeral_private=os.urandom(KEY_BYTES),
            settings=self.patience,
            now=asyncio.get_running_loop().time(),
        )
        conversation = Conversation(self._office, wire, session, Role.LISTENER)
        self._strangers[conversation] = None
        return conversation

    async def _serve(self, conversation: Conversation) -> None:
        try:
            await self._hold(conversation)
        except Exception:  # noqa: BLE001 - one connection's fault
            _LOG.exception("a session with %s: a fault of this program", conversation.wire.peer)
            conversation.wire.abort()

    async def _hold(self, conversation: Conversation) -> Ending:
        over = asyncio.Event()
        try:
            async with AsyncExitStack() as stack:
                guest = _Guest(conversation, stack, over)
                ending = await conversation.answer(lambda key: self._admit(guest, key))
        finally:
            self._strangers.pop(conversation, None)
            over.set()
        if not ending.is_established and ending.ended.reason is not EndReason.STOPPED:
            wire = conversation.wire
            self._stranger_log.tell(wire.peer, ending, conversation.refusal, has_left=wire.has_ended)
        return ending

    async def _admit(self, guest: "_Guest", static_key: bytes) -> Terms:
        """Agree on terms with who has a key.

        Raises:
            UnknownNode: nobody we know.
            StoreBusy: another session with it runs, or there are too many sessions.
            StoreError: the disk refused.
        """
        office = self._office
        node = office.find_noisepub(static_key)
        if node is None:
            raise UnknownNode(f"unknown peer: {encode_base32(static_key)}")
        if self.session_count >= self._settings.session_limit_count:
            raise StoreBusy(f"{node.name}: {self.session_count} sessions run already")
        await self._make_way(node)
        self._strangers.pop(guest.conversation, None)
        self._count(1)
        guest.stack.callback(self._count, -1)
        online = node.online
        settings = link_settings(online.link, online.limits, nice=self._settings.nice)
        await guest.stack.enter_async_context(hold_locks(office, node, is_receiving=True, is_sending=True))
        self._guests[node.id] = guest
        guest.stack.callback(self._guests.pop, node.id)
        offers = await find_offers(office, node, settings, PATIENCE_SECONDS)
        return Terms(node, settings, offers, Wants(is_nock=self._settings.is_nock))

    async def _make_way(self, node: Node) -> None:
        """End an earlier session with a neighbour that may be a recording of a call.

        One that has hung up and calls again is not sent away because its last packets are still on their
        way to our disk: it waits for that, no longer than its own patience.
        """
        rival = self._guests.get(node.id)
        if rival is None:
            return
        if rival.conversation.unproven_seconds > UNPROVEN_SECONDS:
            rival.conversation.drop("it has proved nothing, and another caller has the same key")
        if rival.conversation.is_over:
            await rival.over.wait()

    def _count(self, change: int) -> None:
        self.session_count += change
        self._look_at_doors()

    def _look_at_doors(self) -> None:
        """Who calls while there are enough sessions waits outside."""
        for door in self._doors:
            if self.session_count < self._settings.session_limit_count:
                door.open()
            else:
                door.shut()
