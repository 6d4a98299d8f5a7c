"""One SMTP connection: bytes in, command lines out; answers in, bytes out; time limits.

A subclass of aiosmtpd's ``SMTP``. What is kept of it: the shape of the protocol (a coroutine
``_handle_client`` serves the client from ``connection_made`` on), session and envelope, and a
method ``smtp_VERB`` for each command. What is overridden, and why, stands in
docs/adr/0003-aiosmtpd-subclass.md; each such method has a test.

Contract: answers to pipelined commands go out together, before the connection waits for more
input. Input is read as fast as it is used: while INPUT_LIMIT_BYTES wait, nothing more is read. A
client that is gone does not stop what was begun: ``smtp_DATA`` ends by itself.
"""

import asyncio
import logging
import ssl
from abc import abstractmethod
from typing import AnyStr, ClassVar, cast

from aiosmtpd.smtp import SMTP

from gateway.errors import RemoteProtocolError
from gateway.ingest.dialogue import Dialogue
from gateway.ingest.reply import Reply
from gateway.ingest.settings import SmtpSettings

INPUT_LIMIT_BYTES = 128 << 10
LINE_LIMIT_BYTES = 2048
"""Longest command with its line end. A path has 256 octets (RFC 5321 section 4.5.3.1.3), mostly."""
REPLIES_PER_WRITE = 100
LINGER_SECONDS = 5.0
"""How long a closed connection may take to read its last answers."""
TLS_HANDSHAKE_SECONDS = 30.0
TLS_SHUTDOWN_SECONDS = LINGER_SECONDS

_LOG = logging.getLogger(__name__)


class HungUp(RemoteProtocolError):
    """The client is gone, or is being sent away."""

    status = "4.4.2"


GONE = (HungUp, ConnectionError, ssl.SSLError)
"""What is raised when the client is gone."""


class SmtpConnection(SMTP):
    """Serve one client; subclasses know the commands.

    Args:
        settings: of the endpoint.
        loop: the running event loop.
    """

    transport: asyncio.Transport | None = None
    SPOKEN: ClassVar[str] = "ESMTP"
    """The protocol, as the greeting names it."""

    def __init__(self, settings: SmtpSettings, loop: asyncio.AbstractEventLoop) -> None:
        # SMTP.__init__ is left out: it inspects every method of every connection for AUTH and for
        # hooks, which costs more than a whole small message does.
        self.loop = loop
        self.hostname = settings.hostname
        self.session = None
        self.envelope = None
        self._timeout_duration = settings.idle_seconds
        self._timeout_handle = None
        self._settings = settings
        self._dialogue = Dialogue(loop)
        self._replies: list[str] = []
        self._ahead = b""
        self._ahead_at = 0
        self._read_bytes = 0
        self._is_paused = False
        """Nothing is read, since enough has arrived."""
        self._drained: asyncio.Future[None] | None = None
        """Resolved when the client has read most of its answers; None: it has."""
        self._ended: asyncio.Future[None] | None = None
        """Resolved when the connection is closed and its dialogue has ended, if anybody waits for that."""
        self._deadline = 0.0
        self._errors_count = 0
        self._is_closing = False
        self._is_finished = False
        self._is_stopping = False
        self._is_taking = False
        """A message is being read or put in the queue: a stop waits for it."""
        self._is_committing = False
        """The client waits for us, so that its time does not run."""

    @property
    def client_ip(self) -> str:
        """Address of the client, "" if it has none."""
        peer = self.session.peer if self.session is not None else None
        return str(peer[0]) if peer else ""

    @abstractmethod
    async def _run(self, verb: bytes, arg: str) -> None:
        """Run one command.

        Args:
            verb: in upper case.
            arg: what follows it, without spaces around; bytes that are not UTF-8 are surrogates.
        """

    @abstractmethod
    def _met(self, transport: asyncio.Transport) -> None:
        """Take note of a client that has connected, before a word is said."""

    @abstractmethod
    def _greeting(self) -> Reply | None:
        """A reason to send the client away at once, or None."""

    @abstractmethod
    def _finished(self) -> None:
        """Give back what the dialogue held; it may be called again."""

    @abstractmethod
    def _gone(self) -> None:
        """Forget the connection: it is closed, and its dialogue has ended."""

    def shut_down(self) -> None:
        """Send the client away: at once, or after the message that is being taken in."""
        self._is_stopping = True
        if not self._is_taking and not self._is_closing:
            self._cut(STOPPING)

    async def wait_ended(self) -> None:
        """Wait until the dialogue has ended and the connection is closed."""
        if self.transport is not None or not self._is_finished:
            self._ended = self._ended or self.loop.create_future()
            await asyncio.wait([self._ended])

    def abort(self) -> None:
        """End at once; a message that is being committed is not acknowledged."""
        self._dialogue.cancel()
        if self.transport is not None:
            self.transport.abort()

    def reply(self, answer: Reply | str) -> None:
        """Queue an answer; it is sent before the connection waits for input, unless a last one was given.

        Args:
            answer: a reply, or lines without their last line end.
        """
        if not self._is_closing:
            self._replies.append(answer if isinstance(answer, str) else answer.line)

    async def push(self, status: AnyStr) -> None:
        """Queue an answer, for what aiosmtpd itself says."""
        answer: str | bytes = status
        self.reply(answer if isinstance(answer, str) else answer.decode("utf-8"))

    def fault(self, answer: Reply) -> None:
        """Answer a protocol error; a client that makes too many is sent away."""
        self.reply(answer)
        self.count_error()

    def count_error(self) -> None:
        """Count a protocol error that is answered elsewhere."""
        self._errors_count += 1
        if self._errors_count >= self._settings.max_errors:
            self.leave(Reply(421, "4.7.0", "too many errors, closing"))

    def leave(self, answer: Reply) -> None:
        """Queue a last answer and close once it is sent."""
        self.reply(answer)
        self._is_closing = True

    def is_input_waiting(self) -> bool:
        """Whether the client sent more than was used so far."""
        return self._ahead_at < len(self._ahead) or self._dialogue.waiting_bytes > 0

    def unread(self, rest: bytes) -> None:
        """Put back what was read too far."""
        self._ahead, self._ahead_at = rest, 0

    async def read_chunk(self) -> bytes:
        """Send what is to be said, then wait for the next bytes, however many.

        Raises:
            HungUp: there will be none.
        """
        if self._ahead_at < len(self._ahead):
            chunk = self._ahead[self._ahead_at :]
            self.unread(b"")
            return chunk
        await self._flush()
        if self._is_paused and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
        chunk = await self._dialogue.input()
        if not chunk:
            raise HungUp("the client closed the connection")
        self._read_bytes += len(chunk)
        return chunk

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Send what is to be said in clear, then go on in TLS.

        Raises:
            HungUp: the client spoke on in clear, or TLS could not be agreed on.
        """
        transport = self.transport
        if transport is None:
            raise HungUp("the connection is closed")
        # Nothing that was sent in clear may be taken for something said in TLS (RFC 3207 section 4.2).
        transport.pause_reading()
        await self._flush()
        if self.is_input_waiting():
            raise HungUp("data was sent in clear behind STARTTLS")
        try:
            secured = await self.loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        except OSError as error:
            raise HungUp(f"no TLS: {error}") from None
        if secured is None:
            raise HungUp("no TLS: the connection was closed")
        self.transport = secured

    @property
    def is_secured(self) -> bool:
        """Whether the connection is in TLS."""
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session."""
        self.transport = cast("asyncio.Transport", transport)
        self.session = self._create_session()
        self.session.peer = transport.get_extra_info("peername")
        self._met(self.transport)
        self._reset_timeout()
        self._dialogue.begin(self._handle_client())

    async def _handle_client(self) -> None:
        try:
            await self._serve()
        except GONE as error:
            _LOG.debug("%s: %s", self.client_ip, error)
        except Exception:  # noqa: BLE001 - a bug: the client keeps its message and tries again
            _LOG.exception("%s: internal error", self.client_ip)
            self.leave(Reply(421, "4.3.0", "internal error, closing"))
        finally:
            self._close()
            self._finish()

    async def _serve(self) -> None:
        refusal = self._greeting()
        if refusal is not None:
            self.leave(refusal)
        else:
            self.reply(f"220 {self.hostname} {self.SPOKEN} nncp-gateway")
        while not self._is_closing:
            await self._run_line(await self._read_line())
            if self._is_stopping:
                self.leave(STOPPING)
            if len(self._replies) >= REPLIES_PER_WRITE:
                await self._flush()
                await asyncio.sleep(0)
        await self._flush()

    async def _read_line(self) -> bytes:
        """The next line with its line end; one that is too long is read to its end and cut."""
        self._reset_timeout()
        cut = b""
        while True:
            end = self._ahead.find(b"\n", self._ahead_at) + 1
            if end > 0:
                line = self._ahead[self._ahead_at : end]
                self._ahead_at = end
                return cut or line
            waiting = b"" if cut else self._ahead[self._ahead_at :]
            if len(waiting) > LINE_LIMIT_BYTES:
                cut, waiting = waiting, b""
            self.unread(b"")
            self.unread(waiting + await self.read_chunk())

    async def _run_line(self, line: bytes) -> None:
        if len(line) > LINE_LIMIT_BYTES:
            self.fault(Reply(500, "5.5.2", f"command longer than {LINE_LIMIT_BYTES} bytes"))
        elif not line.endswith(b"\r\n") or line.find(b"\r") != len(line) - 2:
            self.fault(Reply(500, "5.5.2", "bare CR or bare LF: a command ends in CRLF"))
        else:
            verb, _, arg = line[:-2].partition(b" ")
            await self._run(verb.upper(), arg.strip(b" \t").decode("utf-8", "surrogateescape"))

    async def _flush(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            raise HungUp("the connection is closed")
        if self._replies:
            self._write_replies(transport)
            if self._drained is not None:
                await self._drained

    def _write_replies(self, transport: asyncio.Transport) -> None:
        self._replies.append("")
        data = "\r\n".join(self._replies).encode("ascii", "replace")
        self._replies.clear()
        transport.write(data)

    def _cut(self, answer: Reply) -> None:
        """Close from outside of the dialogue, which then finds the connection lost."""
        transport = self.transport
        if transport is None:
            return
        if self._is_closing or transport.get_write_buffer_size():
            # It does not even read the answers it has.
            self._is_closing = True
            transport.abort()
        else:
            self.leave(answer)
            self._close()

    def _close(self) -> None:
        self._is_closing = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._replies:
            self._write_replies(transport)
        transport.close()
        if transport.get_write_buffer_size():
            self.loop.call_later(LINGER_SECONDS, transport.abort)

    def _finish(self) -> None:
        self._is_finished = True
        self._finished()
        if self.transport is None:
            self._depart()

    def _depart(self) -> None:
        self._gone()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the transport."""
        self._dialogue.feed(data)
        if self._dialogue.waiting_bytes > INPUT_LIMIT_BYTES and self.transport is not None:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool | None:
        """Go on with what has arrived: a client may close its half and still wait for answers."""
        self._dialogue.end()
        return not self.is_secured

    def pause_writing(self) -> None:
        """Say no more: the client does not read it."""
        if self._drained is None:
            self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        """Go on."""
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """End the input; the dialogue goes on until it asks for more, a commit is not broken off."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
        self.transport = None
        self.resume_writing()
        if self._is_finished:
            self._depart()
        else:
            self._dialogue.end()

    def _reset_timeout(self, duration: float | None = None) -> None:
        # A new timer for each command would cost more than the command: one timer looks again
        # when it fires.
        self._deadline = self.loop.time() + (duration or self._timeout_duration)
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self._is_committing:
            self._reset_timeout()
        elif self.loop.time() < self._deadline:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        else:
            self._cut(TIMED_OUT)


STOPPING = Reply(421, "4.3.2", "shutting down, try again later")
TIMED_OUT = Reply(421, "4.4.2", "timeout, closing")
