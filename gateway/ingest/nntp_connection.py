"""One connection of the news endpoint: bytes in and out, time limits, TLS; what is asked goes to the session.

Contract: the client is read from only while there is room for what it sends: in the window of unanswered
commands, in memory, and in what it has not read yet of our answers. Answers that become known together go
out in one write. A client that is gone does not stop what was begun: an article that came whole is taken.

``asyncio.Protocol`` and not streams: no task is woken for what arrives, so hundreds of articles in one read
are judged in one go.
"""

import asyncio
import logging
import socket
import ssl
from typing import cast

from gateway.ingest.connection import LINGER_SECONDS, TLS_HANDSHAKE_SECONDS, TLS_SHUTDOWN_SECONDS
from gateway.ingest.local_user import find_user, peer_uid
from gateway.ingest.nntp_access import Visitor
from gateway.ingest.nntp_services import NntpServices
from gateway.ingest.nntp_session import GUESSED, NntpSession
from gateway.nntp.events import DialogueLimits
from gateway.nntp.server import ServerDialogue, ServerSettings

STRANGER_SECONDS = 60.0
"""How long somebody may be silent who has not said who they are."""
WINDOW_BYTES = 16 << 20
"""Articles of one connection that may wait for the disk."""
WINDOW_COUNT = 2000
"""Commands of one connection that may wait: the slower a sync, the more share it."""
STOPPING = "400 shutting down, try again later"
_NO_ROOM = "400 no room in memory, try again later"

_LOG = logging.getLogger(__name__)


class NntpConnection(asyncio.Protocol):
    """Serves one client.

    Args:
        services: of the endpoint.
        is_tls: it begins with TLS.
    """

    def __init__(self, services: NntpServices, *, is_tls: bool = False) -> None:
        self._services = services
        self._is_tls = is_tls
        self._loop = asyncio.get_running_loop()
        self._share = services.inflight.reservation()
        self._ended = self._loop.create_future()
        self._drained = asyncio.Event()
        self._drained.set()
        self._transport: asyncio.Transport | None = None
        self._dialogue: ServerDialogue | None = None
        self._session: NntpSession | None = None
        self._local: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._early: bytes | None = None
        """What came in TLS before its handshake was told to be done; None: no handshake is under way."""
        self._is_reading = True
        self._is_eof = False
        self._is_woken = False
        self._has_room = True
        self._heard_at = self._progress_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who it is, and greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._services.connections.add(self)
        link = transport.get_extra_info("socket")
        if link is not None and link.family == socket.AF_UNIX:
            self._pause()
            self._local = self._loop.create_task(self._begin_local(peer_uid(link)))
        else:
            peer = transport.get_extra_info("peername")
            self._begin(self._services.admittance.by_address(str(peer[0]) if peer else ""))

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self._heard_at = self._loop.time()
        if self._early is None:
            self._advance(data)
        else:
            self._early += data

    def eof_received(self) -> bool:
        """Go on with what has arrived: a client may close its half and still wait for answers."""
        self._is_eof = True
        self._advance()
        return not self._is_tls

    def pause_writing(self) -> None:
        """Say no more: the client does not read it."""
        self._drained.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._drained.set()
        self.wake()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the client; what came whole is taken all the same."""
        services, session = self._services, self._session
        if self._transport is None:
            return
        self._transport = None
        self._share.release()
        services.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._local is not None:
            self._local.cancel()
        if session is not None:
            session.gone()
            if session.visitor.peer is not None:
                services.peers[session.visitor.peer.origin.name] -= 1
        self._drained.set()
        self._ended.set_result(None)

    def wake(self) -> None:
        """Go on, in the next round of the loop: what becomes known together leaves together."""
        if not self._is_woken and self._transport is not None:
            self._is_woken = True
            self._loop.call_soon(self._woken)

    async def drain(self) -> None:
        """Send what can be sent, and wait until the client has read most of it."""
        self._send()
        await self._drained.wait()

    async def start_tls(self) -> None:
        """Send what is said in clear, then go on in TLS."""
        transport, certificates = self._transport, self._services.door.certificates
        if transport is None or self._dialogue is None or certificates is None:
            return
        certificates.refresh()
        self._send()
        self._pause()
        self._early = b""
        try:
            secured = await self._loop.start_tls(
                transport,
                self,
                certificates.context,
                server_side=True,
                ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        except (OSError, ssl.SSLError) as error:
            _LOG.debug("no TLS: %s", error)
            transport.abort()
            # asyncio tells nobody of a connection that is lost within the handshake.
            self.connection_lost(error)
            return
        if secured is None or self._transport is None:
            transport.abort()
            return
        self._transport = secured
        self._is_tls = self._is_reading = True
        early, self._early = self._early, None
        self._dialogue.tls_started()
        self._advance(early)

    def hang_up(self, line: str) -> None:
        """Say a last line, and close."""
        if self._dialogue is not None:
            self._dialogue.close(line)
            self._advance()

    def shut_down(self) -> None:
        """Send the client away, once what it brought has been taken."""
        if self._dialogue is None:
            self.abort()
        else:
            self.hang_up(STOPPING)

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_ended(self) -> None:
        """Wait until the connection is closed."""
        await asyncio.shield(self._ended)

    async def _begin_local(self, uid: int) -> None:
        user = await self._loop.run_in_executor(self._services.executor, find_user, uid)
        self._begin(self._services.admittance.local(user.origin))
        self._update_reading()

    def _begin(self, visitor: Visitor) -> None:
        services, settings = self._services, self._services.settings
        is_clear_allowed = services.admittance.may_log_in_clear(visitor.host)
        has_certificate = services.door.certificates is not None
        limits = DialogueLimits(
            article_bytes=settings.max_article_bytes,
            unanswered_count=WINDOW_COUNT,
            unanswered_bytes=min(WINDOW_BYTES, settings.max_inflight_bytes),
        )
        self._dialogue = ServerDialogue(
            ServerSettings(
                settings.hostname,
                limits,
                is_tls_offered=has_certificate,
                is_auth_offered=has_certificate or is_clear_allowed,
                is_clear_auth_allowed=is_clear_allowed,
                is_newnews_on=settings.is_newnews_on,
            ),
            visitor.access,
            is_tls=self._is_tls,
        )
        self._session = NntpSession(services, self._dialogue, visitor, self)
        if visitor.peer is not None:
            services.peers[visitor.peer.origin.name] += 1
        refusal = self._refusal(visitor, can_log_in=has_certificate or is_clear_allowed)
        if refusal is None:
            self._dialogue.greet()
        else:
            self._dialogue.close(refusal)
        self._send()
        self._set_timer()

    def _refusal(self, visitor: Visitor, *, can_log_in: bool) -> str | None:
        """Why a client is sent away at once, or None."""
        services, peer = self._services, visitor.peer
        if services.is_stopping:
            return STOPPING
        if len(services.connections) > services.settings.max_connections:
            return "400 too many connections, try again later"
        if peer is not None and services.peers[peer.origin.name] > peer.max_connections:
            return f"400 too many connections of {peer.origin.name}, try again later"
        if visitor.is_stranger and not can_log_in:
            return f"502 {visitor.name} is not known here"
        if visitor.is_stranger and services.door.guard.is_barred(visitor.name):
            return GUESSED
        return None

    def _woken(self) -> None:
        self._is_woken = False
        self._advance()

    def _advance(self, data: bytes = b"") -> None:
        """Take what came, and go on with it as long as there is something to do and the client reads."""
        dialogue, session = self._dialogue, self._session
        if dialogue is None or session is None or self._transport is None:
            return
        events = dialogue.receive_data(data)
        while True:
            if events:
                self._progress_at = self._loop.time()
                session.take(events)
            is_moving = self._send() or bool(events)
            if not is_moving or not self._drained.is_set() or self._transport is None:
                break
            events = dialogue.receive_data(b"")
        self._look_at_room(dialogue)
        if self._is_eof and dialogue.unanswered_count == 0 and self._drained.is_set():
            dialogue.close(None)
            self._send()
        self._update_reading()

    def _send(self) -> bool:
        """Send what may be sent; returns whether there was something."""
        transport, dialogue = self._transport, self._dialogue
        if transport is None or dialogue is None:
            return False
        data = dialogue.data_to_send()
        if data and not transport.is_closing():
            transport.write(data)
        if dialogue.is_closing and not transport.is_closing():
            transport.close()
            self._loop.call_later(LINGER_SECONDS, transport.abort)
        return bool(data)

    def _look_at_room(self, dialogue: ServerDialogue) -> None:
        """Account for what is held; without room wait for the disk, or, with nothing under way, give up."""
        before_bytes = self._share.held_bytes
        self._share.release()
        self._has_room = self._share.hold(dialogue.held_bytes)
        if self._has_room:
            return
        self._share.hold(before_bytes)
        if dialogue.unanswered_count == 0:
            # What all hold are halves of articles: none of them would ever give its room to another.
            dialogue.close(_NO_ROOM)
            self._send()

    def _update_reading(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._dialogue is None:
            return
        is_wanted = (
            self._dialogue.wants_data and self._has_room and self._drained.is_set() and not self._is_eof
        )
        if is_wanted and not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()
        elif not is_wanted:
            self._pause()

    def _pause(self) -> None:
        if self._is_reading and self._transport is not None:
            self._is_reading = False
            self._transport.pause_reading()

    def _set_timer(self) -> None:
        delay_seconds = min(self._idle_seconds, self._services.settings.data_seconds)
        self._timer = self._loop.call_later(delay_seconds / 2, self._look_at_time)

    @property
    def _idle_seconds(self) -> float:
        seconds = self._services.settings.idle_seconds
        is_stranger = self._session is None or self._session.visitor.is_stranger
        return min(seconds, STRANGER_SECONDS) if is_stranger else seconds

    def _look_at_time(self) -> None:
        dialogue, now = self._dialogue, self._loop.time()
        if dialogue is None or self._transport is None:
            return
        if dialogue.unanswered_count and self._drained.is_set():
            # The client waits for us.
            self._heard_at = self._progress_at = now
        elif now - self._heard_at >= self._idle_seconds:
            self._give_up("400 silent for too long")
        elif dialogue.is_midway and now - self._progress_at >= self._services.settings.data_seconds:
            self._give_up("400 one article takes too long")
        elif not dialogue.is_midway:
            self._progress_at = now
        self._set_timer()

    def _give_up(self, line: str) -> None:
        if self._drained.is_set():
            self.hang_up(line)
        else:
            self.abort()
