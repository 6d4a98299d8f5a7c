"""The endpoint for local programs, put together."""

from concurrent.futures import ThreadPoolExecutor

from gateway.daemon.notify import open_pipe_socket
from gateway.daemon.parts import Parts
from gateway.ingest.inflight import InFlight
from gateway.ingest.intake import Intake
from gateway.ingest.pipe_server import PipeParts, PipeServer
from gateway.ingest.services import Services

THREADS_COUNT = 8
"""For what waits for the disk: large bodies, batches, what neighbours sent."""


def make_pipe_server(parts: Parts) -> PipeServer:
    """The endpoint on the socket of the state directory, not started yet.

    Raises:
        StoreError: the state directory refuses.
    """
    executor = ThreadPoolExecutor(THREADS_COUNT, thread_name_prefix="pipe")
    listening = open_pipe_socket(parts.config.state_directory, parts.disk)
    return PipeServer(PipeParts(parts.pipe_commands(), make_services(parts, executor)), listening, executor)


def make_services(parts: Parts, executor: ThreadPoolExecutor) -> Services:
    """What SMTP sessions of local programs share.

    Args:
        parts: of the node.
        executor: for what waits for the disk.
    """
    limits = parts.config.pipe
    return Services(
        settings=limits,
        queue=parts.queue,
        table=parts.config.table,
        find_choices=parts.find_choices,
        permits=_everybody,
        inflight=InFlight(limits.max_inflight_bytes),
        intake=Intake(parts.queue, limits.hostname, limits.max_hops, executor),
    )


def _everybody(_client: str) -> bool:
    """Whoever may open the socket may hand mail in."""
    return True
