"""The endpoint for local programs: a unix socket in the state directory.

Whoever may open the socket may hand mail in; the kernel says who that is. What a neighbour sent is taken
from root and from our own user alone, since the program says which neighbour.

Contract: a program is told the status 0 only when its message is on disk. After ``stop`` nobody is
served and no message is half in the queue. Memory is bounded for each connection; a body goes to
disk as it comes. Runs in one event loop, all methods are called there.

Spec: docs/reference/pipe.md.
"""

import asyncio
import contextlib
import functools
import logging
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.errors import GatewayError, RemoteProtocolError, UsageFault
from gateway.exits import TRY_LATER
from gateway.handover import frames
from gateway.ingest.handover import Handover
from gateway.ingest.listening import stop_listening
from gateway.ingest.local_smtp import LocalSmtpSession
from gateway.ingest.local_user import find_user
from gateway.ingest.pipe_answer import PipeAnswer, answer_done, answer_error, log_refused
from gateway.ingest.pipe_commands import PipeCommands, PipeRequest, Wish
from gateway.ingest.services import Services
from gateway.ingest.settings import SmtpSettings

BACKLOG_COUNT = 1024
GATHER_BYTES = 256 << 10
"""Of a body, before it is passed on: each time costs a change of threads. As much again may wait in front."""
REQUEST_SECONDS = 30.0
_CREDENTIALS = struct.Struct("3i")

_LOG = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PipeParts:
    """What the endpoint works with.

    Args:
        commands: what is done with a body.
        services: of the SMTP sessions that are spoken through a pipe; its settings are the limits here too.
    """

    commands: PipeCommands
    services: Services

    @property
    def limits(self) -> SmtpSettings:
        """Connections, times and sizes; where it listens means nothing here."""
        return self.services.settings


class PipeServer:
    """The endpoint.

    Args:
        parts: what it works with.
        listening: the socket, bound; closed by ``stop``.
        executor: for what waits for the disk; shut down by ``stop``.
    """

    def __init__(self, parts: PipeParts, listening: socket.socket, executor: ThreadPoolExecutor) -> None:
        self._parts = parts
        self._listening = listening
        self._executor = executor
        self._listeners: list[asyncio.Server] = []
        self._conversations: dict[asyncio.Task[None], _Conversation] = {}
        self._is_stopping = False

    @property
    def connections_count(self) -> int:
        """Programs that are served now."""
        return len(self._conversations)

    async def start(self) -> None:
        """Listen."""
        options: dict[str, Any] = {"backlog": BACKLOG_COUNT, "limit": GATHER_BYTES}
        if sys.version_info >= (3, 13):
            # It would look for the socket by the short name that it was bound by, which means nothing now.
            options["cleanup_socket"] = False
        listener = await asyncio.start_unix_server(self._converse, sock=self._listening, **options)
        self._listeners.append(listener)

    async def stop(self) -> None:
        """Take no more, let bodies that are being taken in finish, end the rest. Idempotent."""
        self._is_stopping = True
        self._parts.services.is_stopping = True
        await stop_listening(self._listeners)
        self._listening.close()
        for task, conversation in self._conversations.items():
            if not conversation.is_taking:
                task.cancel()
        for session in list(self._parts.services.sessions):
            session.shut_down()
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=self._parts.limits.stop_seconds)
            for session in list(self._parts.services.sessions):
                session.abort()
            for task in self._conversations:
                task.cancel()
        if self._conversations:
            await asyncio.wait(list(self._conversations))
        await asyncio.to_thread(self._executor.shutdown)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("internal error: a conversation outside of a task")
        conversation = _Conversation(self._parts, self._executor, reader, writer)
        is_crowded = len(self._conversations) >= self._parts.limits.max_connections
        self._conversations[task] = conversation
        try:
            if is_crowded:
                await conversation.answer(_CROWDED)
            elif not self._is_stopping:
                await conversation.run()
        except (EOFError, OSError, RemoteProtocolError, TimeoutError, asyncio.CancelledError) as error:
            _LOG.debug("pipe: %s: %s", type(error).__name__, error)
        except Exception:  # noqa: BLE001 - a bug of one conversation must not end the others
            _LOG.exception("pipe: internal error")
        finally:
            del self._conversations[task]
            writer.close()


_CROWDED = PipeAnswer(TRY_LATER, err="4.3.2 too many programs hand mail in, try again later\n")
_LATE = PipeAnswer(TRY_LATER, err="4.4.2 the message took too long\n")


class _Conversation:
    """One program that is served."""

    def __init__(
        self,
        parts: PipeParts,
        executor: ThreadPoolExecutor,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.is_taking = False
        """A body is on its way in: a stop waits for it."""
        self._parts = parts
        self._executor = executor
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        """Serve it.

        Raises:
            EOFError: it is gone; nothing of it is kept.
            OSError: the same.
            TimeoutError: it took too long.
            RemoteProtocolError: it does not speak our language.
        """
        async with asyncio.timeout(min(REQUEST_SECONDS, self._parts.limits.idle_seconds)):
            request = await self._read_request()
        try:
            wanted = self._parts.commands.begin(request)
        except Exception as error:  # noqa: BLE001 - a bug must not become a status that bounces mail
            await self._answer_error(request, error)
            return
        if isinstance(wanted, Wish):
            await self._speak_smtp(request)
        else:
            await self._take(request, wanted)

    async def answer(self, answer: PipeAnswer) -> None:
        """Tell it how to end."""
        for kind, text in ((frames.OUT, answer.out), (frames.ERR, answer.err)):
            if text:
                data = text.encode("utf-8", "replace")[: frames.ANSWER_LIMIT_BYTES]
                self._say(kind, data)
        self._say(frames.EXIT, bytes([answer.status]))
        await self._writer.drain()

    def _say(self, kind: bytes, data: bytes = b"") -> None:
        if self._writer.is_closing():
            # Which not every event loop would tell.
            raise ConnectionResetError("the program is gone")
        self._writer.write(frames.encode_answer(kind, data))

    async def _read_request(self) -> PipeRequest:
        magic = await self._reader.readexactly(len(frames.MAGIC))
        size_bytes = int.from_bytes(await self._reader.readexactly(frames.LENGTH_BYTES), "big")
        if magic != frames.MAGIC or size_bytes > frames.REQUEST_LIMIT_BYTES:
            raise RemoteProtocolError("not a request, or a program of another version")
        try:
            name, node, arguments, _ = frames.decode_request(await self._reader.readexactly(size_bytes))
        except ValueError as error:
            raise RemoteProtocolError(str(error)) from None
        uid = self._uid()
        users = self._parts.services.users
        user = users.get(uid)
        if user is None:
            user = users[uid] = await self._in_thread(functools.partial(find_user, uid))
        words = tuple(map(os.fsdecode, arguments))
        sender, _, author = os.fsdecode(node).partition(os.fsdecode(frames.AUTHOR_MARK))
        request = PipeRequest(name.decode("utf-8", "replace"), words, sender, user, author)
        if request.is_tossed and uid not in {0, os.geteuid()}:
            raise RemoteProtocolError(f"{request.user.origin} may not say what a neighbour sent")
        return request

    def _uid(self) -> int:
        """The user at the other end, as the kernel knows it."""
        link: socket.socket | None = self._writer.get_extra_info("socket")
        if link is None:
            raise ConnectionResetError("the program is gone")
        raw = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        return int(uid)

    async def _take(self, request: PipeRequest, handover: Handover) -> None:
        self.is_taking = True
        try:
            said = await self._take_body(handover)
        except TimeoutError:
            await self._in_thread(handover.discard)
            await self.answer(_LATE)
        except (EOFError, OSError, asyncio.CancelledError):
            await self._in_thread(handover.discard)
            raise
        except Exception as error:  # noqa: BLE001 - as above
            await self._in_thread(handover.discard)
            await self._answer_error(request, error)
        else:
            await self.answer(answer_done(request, said))

    async def _take_body(self, handover: Handover) -> str:
        self._say(frames.GO)
        async with asyncio.timeout(self._parts.limits.data_seconds):
            gathered: list[bytes] = []
            gathered_bytes = 0
            async for piece in self._pieces():
                gathered.append(piece)
                gathered_bytes += len(piece)
                if gathered_bytes >= GATHER_BYTES:
                    await self._write(handover, gathered)
                    gathered_bytes = 0
            await self._write(handover, gathered)
        committed = await self._call(handover, 0, handover.close)
        # From here on the message is taken in, whatever becomes of the program.
        await asyncio.shield(asyncio.wrap_future(committed))
        return handover.done()

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, to its end."""
        while size_bytes := int.from_bytes(await self._read(frames.LENGTH_BYTES), "big"):
            if size_bytes > frames.PIECE_LIMIT_BYTES:
                raise UsageFault("a piece of the body is too large")
            while size_bytes:
                piece = await self._read(min(size_bytes, GATHER_BYTES))
                size_bytes -= len(piece)
                yield piece

    async def _write(self, handover: Handover, gathered: list[bytes]) -> None:
        data = b"".join(gathered)
        gathered.clear()
        if data:
            await self._call(handover, len(data), functools.partial(handover.write, data))

    async def _read(self, size_bytes: int) -> bytes:
        async with asyncio.timeout(self._parts.limits.idle_seconds):
            return await self._reader.readexactly(size_bytes)

    async def _call(self, handover: Handover, size_bytes: int, work: Callable[[], Result]) -> Result:
        return await self._in_thread(work) if handover.may_block(size_bytes) else work()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        """Wait for something that waits for the disk; who is told to stop waits for it first."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def _answer_error(self, request: PipeRequest, error: Exception) -> None:
        if not isinstance(error, GatewayError):
            _LOG.error("%s by %s: internal error", request.name, request.user.origin, exc_info=error)
        log_refused(request, error)
        await self.answer(answer_error(request, error))

    async def _speak_smtp(self, request: PipeRequest) -> None:
        self.is_taking = True
        loop = asyncio.get_running_loop()
        self._say(frames.SMTP)
        await self._writer.drain()
        session = LocalSmtpSession(self._parts.services, loop, request.user.origin)
        self._writer.transport.set_protocol(session)
        session.connection_made(self._writer.transport)
        with contextlib.suppress(asyncio.CancelledError):
            await session.wait_ended()
