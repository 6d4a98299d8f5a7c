"""What the daemon does for a program that hands mail in, done within this process."""

import asyncio
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from gateway.cli.commands import Invocation
from gateway.cli.nncp.standard_input import read_stdin
from gateway.cli.pipe_client import relay
from gateway.daemon.notify import send_wake
from gateway.daemon.parts import Parts
from gateway.daemon.pipe_endpoint import make_services
from gateway.daemon.stages import BATCH, DELIVER, NEWS
from gateway.errors import ConfigError, GatewayError
from gateway.handover.frames import AUTHOR_VARIABLE, LOOP_VARIABLE, NODE_VARIABLE
from gateway.ingest.handover import Handover
from gateway.ingest.local_smtp import LocalSmtpSession
from gateway.ingest.local_user import find_user
from gateway.ingest.pipe_answer import PipeAnswer, answer_done, answer_error, log_refused
from gateway.ingest.pipe_commands import PipeRequest, Wish
from gateway.ingest.services import Services


def run_pipe(invocation: Invocation, name: str, arguments: tuple[str, ...]) -> int:
    """Take in what a command brings on standard input.

    Args:
        invocation: names the configuration.
        name: of the command.
        arguments: behind it.

    Returns:
        The exit status.

    Raises:
        GatewayError: the configuration or the queue can't be used.
    """
    if LOOP_VARIABLE in invocation.environ:
        raise ConfigError(f"{name} hands mail to nncp-gateway, which has just called it to deliver")
    # Before the user changes: root becomes the owner of the queue.
    user = find_user(os.getuid())
    node, author = (invocation.environ.get(name, "") for name in (NODE_VARIABLE, AUTHOR_VARIABLE))
    request = PipeRequest(name, arguments, node, user, author)
    with invocation.open(is_pipe=not request.is_tossed) as parts:
        try:
            wanted = parts.pipe_commands().begin(request)
            if isinstance(wanted, Wish):
                return _speak_smtp(parts, request)
            answer = answer_done(request, _take(wanted))
        except GatewayError as error:
            log_refused(request, error)
            answer = answer_error(request, error)
    send_wake(parts.config.state_directory, BATCH, DELIVER, *NEWS)
    _print(answer)
    return answer.status


def _take(handover: Handover) -> str:
    try:
        for piece in read_stdin():
            handover.write(piece)
        handover.close().result()
    except BaseException:
        handover.discard()
        raise
    return handover.done()


def _print(answer: PipeAnswer) -> None:
    # The message is taken: that nobody reads this must not look as if it were not.
    try:
        sys.stdout.write(answer.out)
        sys.stdout.flush()
        sys.stderr.write(answer.err)
        sys.stderr.flush()
    except OSError:
        """Nobody reads it."""


def _speak_smtp(parts: Parts, request: PipeRequest) -> int:
    """Serve an SMTP session on standard input and output."""
    near, far = socket.socketpair()
    stdin = sys.stdin.fileno()
    ended: list[int] = []
    carrier = threading.Thread(target=lambda: ended.append(relay(near, stdin=stdin)), daemon=True)
    with near, ThreadPoolExecutor(1) as executor:
        carrier.start()
        asyncio.run(_serve(make_services(parts, executor), request.user.origin, far))
        carrier.join()
    send_wake(parts.config.state_directory, BATCH, DELIVER, *NEWS)
    return ended[0]


async def _serve(services: Services, origin: str, far: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    _, session = await loop.connect_accepted_socket(lambda: LocalSmtpSession(services, loop, origin), far)
    await session.wait_ended()
