"""One session, driven: bytes between wire and engine, deadlines, the beginning and the end.

    wire ──received──→ session ──events──→ exchange (packets, disk) ──orders──→ session ──→ wire

    meeting ──Established──→ open ──stopped: what was received is committed and confirmed──→ ended
       └────────────────any fault, the peer, a deadline──────────────────────────────────────┘

Contract: everything here runs in the event loop and never waits for the disk. When the disk is behind,
nothing more is read from the neighbour, and its deadlines do not run. A fault of this program ends the
session and no other. At the end what was received is stored, and what is whole of it committed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial

from gateway.carry.online.ending import Ending, record_end, record_start
from gateway.carry.online.exchange import Exchange, Step, Terms
from gateway.carry.online.office import Office
from gateway.carry.online.wire import Wire
from gateway.errors import GatewayError
from gateway.link.events import Ended, EndReason, Established, Event, PeerKnown
from gateway.link.session import Session
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkStates

_LOG = logging.getLogger(__name__)

RESCAN_SECONDS = 10.0
"""Packets that the watch has missed are found after this."""
LINE_SECONDS = 1.0
"""How often a slow line is looked at: whether the peer still takes what was written."""
LINK_SECONDS = 5.0
"""How often the state of the link is told."""
LINGER_SECONDS = 2.0
"""What the neighbour still sends is waited for so long, so that our last words are not lost with it."""

Admit = Callable[[bytes], Awaitable[Terms]]
"""Finds the terms for the neighbour with a key, or raises GatewayError: it is not answered."""


class Conversation:
    """One session over one wire.

    Args:
        office: what sessions share.
        wire: the connection; the conversation closes it.
        session: the engine, fresh.
        role: who calls.
    """

    def __init__(self, office: Office, wire: Wire, session: Session, role: Role) -> None:
        self.wire = wire
        self.refusal: GatewayError | None = None
        """Why who called was not answered, if that was so."""
        self._office = office
        self._session = session
        self._role = role
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._admit: Admit | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._exchange: Exchange | None = None
        self._terms: Terms | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._ended: Ended | None = None
        self._is_stopping = False
        self._open_since: float | None = None
        self._is_proven = False
        self._line_timer: asyncio.TimerHandle | None = None
        self._taken_bytes = 0

    @property
    def is_established(self) -> bool:
        """Whether the neighbour has proved who it is."""
        return self._session.is_established

    @property
    def is_over(self) -> bool:
        """Whether nothing more is said; what came may still be on its way to disk, under the locks."""
        return self._over.is_set()

    @property
    def received_bytes(self) -> int:
        """From the wire so far."""
        return self._session.received_bytes

    @property
    def unproven_seconds(self) -> float:
        """For how long a neighbour has said nothing that is no recording of an earlier call."""
        if self._is_proven or self._open_since is None:
            return 0.0
        return self._loop.time() - self._open_since

    async def call(self, terms: Terms) -> Ending:
        """Begin the session; cancelled, it ends cleanly first."""
        self._agree(terms)
        self._turn(lambda now: self._session.begin(terms.offers, now))
        return await self._run()

    async def answer(self, admit: Admit) -> Ending:
        """Wait for a neighbour to begin; cancelled, it ends cleanly first."""
        self._admit = admit
        return await self._run()

    def drop(self, text: str) -> None:
        """End the session at once."""
        self._turn(lambda now: self._session.stop(EndReason.REFUSED, text, now))

    # Life

    async def _run(self) -> Ending:
        life = asyncio.ensure_future(self._live())
        try:
            return await asyncio.shield(life)
        except asyncio.CancelledError:
            await self._stop()
            await life
            raise

    async def _live(self) -> Ending:
        self.wire.start(self)
        self._turn(lambda _now: ())
        await self._over.wait()
        try:
            return await self._finish()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _stop(self) -> None:
        if self.is_established and self._exchange is not None:
            self._is_stopping = True
            self.wire.pause()
            await self._exchange.settle()
        self._turn(lambda now: self._session.stop(EndReason.STOPPED, "stopped", now))

    async def _finish(self) -> Ending:
        """Send our last words, store what came, and close."""
        for timer in (self._timer, self._line_timer):
            if timer is not None:
                timer.cancel()
        self.wire.write(self._session.data_to_send(self._loop.time()))
        closing = asyncio.ensure_future(self._close_wire())
        if self._exchange is not None:
            await self._exchange.close()
        is_sent = await closing
        ending = self._ending(is_sent=is_sent)
        if self._terms is not None and self.is_established:
            record_end(self._office.log, self._terms.node, self._role, self.wire.peer, ending)
        await asyncio.gather(*self._tasks)
        return ending

    async def _close_wire(self) -> bool:
        is_clean = self._ended is not None and self._ended.reason in _LAST_WORDS
        if is_clean and (self.wire.is_busy or self.wire.has_input or self.wire.unsent_bytes):
            seconds = LINGER_SECONDS
            if self._terms is not None and self.wire.is_busy:
                seconds = max(seconds, self._terms.settings.stall_seconds)
            return await self.wire.close(seconds)
        is_sent = not self.wire.is_busy
        self.wire.abort()
        return is_sent

    def _ending(self, *, is_sent: bool) -> Ending:
        if self._ended is None:
            raise AssertionError("internal error: the session goes on")
        session = self._session
        return Ending(
            ended=self._ended,
            is_established=session.is_established,
            is_complete=is_sent and (self._exchange is None or self._exchange.is_complete),
            seconds=self._loop.time() - self._started,
            received_bytes=session.received_bytes,
            sent_bytes=session.sent_bytes,
        )

    # The wire

    def received(self, data: memoryview) -> None:
        """Take what arrived."""
        self._turn(lambda now: self._session.receive_data(data, now))

    def writable(self) -> None:
        """Send more."""
        self._turn(self._moved)

    def ended(self, error: OSError | None) -> None:
        """Take note that nothing more will arrive."""
        if error is None:
            self._turn(self._session.receive_end)
        else:
            text = error.strerror or str(error)
            self._turn(lambda now: self._session.stop(EndReason.CUT, text, now))

    # Turns

    def _turn(self, step: Step) -> None:
        """Do a step, and what follows from it."""
        if self._over.is_set():
            return
        try:
            self._handle(step(self._loop.time()))
            self._go_on()
        except Exception as error:  # noqa: BLE001 - this session must end, and no other
            _LOG.exception("a session with %s: a fault of this program", self.wire.peer)
            ended = Ended(EndReason.CUT, f"a fault of this program: {error!r}")
            # The engine, if it is that which failed, is not asked any more.
            self._ended = self._ended or ended
            self._over.set()

    def _handle(self, events: Sequence[Event]) -> None:
        if events and self._open_since is not None:
            # The first message may be replayed by anybody, what follows it by nobody.
            self._is_proven = True
        for event in events:
            match event:
                case PeerKnown(static_key):
                    self._spawn(self._meet(static_key))
                case Established():
                    self._open()
                case Ended():
                    self._ended = event
        if self._exchange is not None:
            self._exchange.take(events)

    def _go_on(self) -> None:
        """Send what there is, read if there is room, and see to the next deadline."""
        if self._ended is not None:
            self._over.set()
            self.wire.pause()
            return
        now = self._loop.time()
        while not self.wire.is_busy:
            if self._exchange is not None:
                self._exchange.fill(now)
            pieces = self._session.data_to_send(now)
            if not pieces:
                break
            self.wire.write(pieces)
            self._set_line_timer()
        if self._may_read(now):
            self.wire.resume()
        else:
            self.wire.pause()
        self._set_timer()

    def _may_read(self, now: float) -> bool:
        is_full = self._exchange is not None and self._exchange.is_full
        return not (is_full or self._is_stopping) and self._session.may_receive(now)

    def _set_timer(self) -> None:
        # A timer that fires too early does no harm, and setting it costs more.
        deadline = self._session.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._turn(self._time_out)

    def _time_out(self, now: float) -> Sequence[Event]:
        if self._is_stopping or (self._exchange is not None and self._exchange.is_full):
            self._session.reading_held(now)
        self._moved(now)
        return self._session.handle_timeout(now)

    def _moved(self, now: float) -> Sequence[Event]:
        """Tell the engine when the peer takes what was written, however slowly."""
        unsent_bytes = self.wire.unsent_bytes
        taken_bytes = self.wire.written_bytes - unsent_bytes
        # Of what has all been taken nobody knows when; the engine knows when it was written.
        if unsent_bytes and taken_bytes > self._taken_bytes:
            self._session.transport_moved(now)
        self._taken_bytes = taken_bytes
        return ()

    def _watch_line(self) -> None:
        self._line_timer = None
        self._turn(self._moved)
        if self.wire.unsent_bytes:
            self._set_line_timer()

    def _set_line_timer(self) -> None:
        if self._line_timer is None and not self._over.is_set():
            self._line_timer = self._loop.call_later(LINE_SECONDS, self._watch_line)

    # Meeting

    async def _meet(self, static_key: bytes) -> None:
        """Answer who called, or not."""
        if self._admit is None:
            raise AssertionError("internal error: nobody waits for a caller")
        try:
            terms = await self._admit(static_key)
        except GatewayError as error:
            self.refusal, text = error, str(error)
            self._turn(lambda _now: self._session.refuse(text))
            return
        if not self._over.is_set():
            self._agree(terms)
            self._turn(lambda now: self._session.accept(terms.settings, terms.offers, now))

    def _agree(self, terms: Terms) -> None:
        self._terms = terms
        self.wire.limit(terms.settings.chunk_bytes)
        self._exchange = Exchange(self._office, terms, self._session, self._turn)

    def _open(self) -> None:
        if self._terms is None or self._exchange is None:
            raise AssertionError("internal error: a session without terms")
        node = self._terms.node
        self._open_since = self._loop.time()
        self._exchange.open()
        record_start(self._office.log, node, self._role, self.wire.peer)
        self._spawn(self._rescan(self._exchange))
        if self._office.links is not None:
            self._spawn(self._keep_link(self._office.links))

    async def _rescan(self, exchange: Exchange) -> None:
        while not await self._is_over_after(RESCAN_SECONDS):
            exchange.rescan()

    async def _keep_link(self, links: LinkStates) -> None:
        """Tell how the link is while the session runs."""
        if self._terms is None:
            raise AssertionError("internal error: a session without terms")
        session = self._session
        link = await self._office.in_thread(links.began, self._terms.node.id, self._role, self.wire.peer)
        while not await self._is_over_after(LINK_SECONDS):
            await self._office.in_thread(link.progress, session.received_bytes, session.sent_bytes)
        ended = self._ended
        fault = "" if ended is None or ended.is_clean else ended.text
        idle_seconds = 0.0 if ended is None else ended.idle_seconds
        end = partial(link.end, session.received_bytes, session.sent_bytes, fault)
        await self._office.in_thread(end, idle_seconds=idle_seconds)

    async def _is_over_after(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_LAST_WORDS = frozenset({EndReason.IDLE, EndReason.DEADLINE, EndReason.BUDGET, EndReason.STOPPED})
"""Ends of ours, after which the neighbour still listens."""
