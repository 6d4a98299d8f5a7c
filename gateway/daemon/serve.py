"""The daemon: endpoints in an event loop, the other stages in supervised threads beside it.

Start: the state directory is locked, files and permissions are looked at, the endpoint listens, the
stages start (each first finishes what a crash left), readiness is told. Stop (SIGTERM, SIGINT):
the endpoint takes no more and ends its sessions, every stage finishes the run that is under way,
the queue is closed. A second signal ends the process at once; what is on disk allows that.

Contract: one daemon for one state directory.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Collection, Iterator, Mapping

from gateway.config.gateway_toml import GatewayConfig
from gateway.daemon import stages
from gateway.daemon.allocator import keep_freed_memory
from gateway.daemon.check_endpoints import check_lmtp, check_nntp, check_submission
from gateway.daemon.descriptor_limit import raise_descriptor_limit
from gateway.daemon.event_loop import run_in_loop
from gateway.daemon.hard_stop import end_at_once
from gateway.daemon.mail_endpoints import MailEndpoints
from gateway.daemon.news_endpoint import NewsEndpoint
from gateway.daemon.notify import notify_systemd, open_wake_socket, read_wakes
from gateway.daemon.online import OnlinePart
from gateway.daemon.parts import Parts
from gateway.daemon.pipe_endpoint import make_pipe_server
from gateway.daemon.supervisor import Stage, Supervisor
from gateway.errors import ConfigError, StoreBusy
from gateway.ingest.pipe_server import PipeServer
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import Queue
from gateway.status.check import check_node

_LOG = logging.getLogger(__name__)

LOCK_NAME = "serve"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(config: GatewayConfig, environ: Mapping[str, str], only: Collection[str]) -> None:
    """Run the daemon until it is told to stop.

    Args:
        config: both configuration files.
        environ: NOTIFY_SOCKET and NNCPNOSYNC count.
        only: names of the stages to run; empty: all.

    Raises:
        ConfigError: files or permissions do not allow it, or an address can't be listened on.
        StoreBusy: a daemon runs on this state directory already.
        StoreError: the queue can't be opened.
    """
    config.nncp.apply_umask()
    for warning in config.nncp.warnings:
        _LOG.warning("%s", warning)
    _refuse_faults(config)
    raise_descriptor_limit()
    keep_freed_memory()
    with Parts(config, environ) as parts, _only_one(parts):
        run_in_loop(_Daemon(parts, environ, only).run())
    _LOG.info("stopped")


class _Daemon:
    """One run of the daemon, within its event loop."""

    def __init__(self, parts: Parts, environ: Mapping[str, str], only: Collection[str]) -> None:
        self._parts = parts
        self._environ = environ
        self._only = frozenset(only) or frozenset(stages.NAMES)
        if not parts.config.online.is_wanted:
            self._only -= {stages.ONLINE}
        if parts.news is None:
            self._only -= frozenset(stages.NEWS)
        endpoints = {
            stages.SMTP: parts.config.smtp,
            stages.LMTP: parts.config.lmtp,
            stages.SUBMISSION: parts.config.submission,
            stages.NNTP: parts.config.nntp,
        }
        self._only -= {name for name, settings in endpoints.items() if settings is None}
        self._stopping = threading.Event()
        self._endpoints = MailEndpoints(parts, self._only)
        wanted = self._only | {stages.HOUSEKEEPING}
        self._online = OnlinePart(parts, lambda: self._supervisor.wake(stages.TOSS))
        self._news = NewsEndpoint(parts)
        made = [
            *stages.make_stages(parts, self._stopping.is_set),
            _lasting(stages.ONLINE, self._online),
            _lasting(stages.NNTP, self._news),
        ]
        self._supervisor = Supervisor([stage for stage in made if stage.name in wanted])

    async def run(self) -> None:
        """Start, wait for a signal, stop."""
        loop = asyncio.get_running_loop()
        stop_asked = asyncio.Event()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal, stop_asked)
        wakes = open_wake_socket(self._parts.config.state_directory, self._parts.disk)
        loop.add_reader(wakes, lambda: self._supervisor.wake(*read_wakes(wakes)))
        try:
            await self._endpoints.start()
            pipes = await self._start_pipes()
            self._wake_on_change(self._parts.queue, stages.BATCH, stages.DELIVER)
            if self._parts.news is not None:
                self._wake_on_change(self._parts.news.queue, stages.NEWS_BATCH, stages.NEWS_DELIVER)
            self._supervisor.start()
            try:
                await self._tell_ready()
                await stop_asked.wait()
            finally:
                self._stopping.set()
                notify_systemd(self._environ, "STOPPING=1")
                await self._endpoints.stop()
                if pipes is not None:
                    await pipes.stop()
                await asyncio.to_thread(self._supervisor.stop)
        finally:
            # Again, for when some of them did not start.
            await self._endpoints.stop()
            loop.remove_reader(wakes)
            wakes.close()

    def _wake_on_change(self, queue: Queue, batch: str, deliver: str) -> None:
        queue.on_change(lambda: self._supervisor.wake(batch), Role.OUTBOX)
        queue.on_change(lambda: self._supervisor.wake(deliver), Role.INBOX)

    async def _start_pipes(self) -> PipeServer | None:
        if stages.PIPE not in self._only:
            return None
        server = make_pipe_server(self._parts)
        await server.start()
        return server

    async def _tell_ready(self) -> None:
        self._endpoints.tell()
        if stages.ONLINE in self._only:
            for host, port in await asyncio.to_thread(self._online.wait_listening):
                _LOG.info("online on %s:%d", f"[{host}]" if ":" in host else host, port)
        if stages.NNTP in self._only:
            for place in await asyncio.to_thread(self._news.wait_listening):
                _LOG.info("%s", place)
        # What is there now stays until the end. Python would look through all of it for cycles now and then,
        # which takes some 50 ms in which every connection and every stage waits.
        gc.collect()
        gc.freeze()
        _LOG.info("ready: %s", ", ".join(name for name in stages.NAMES if name in self._only))
        notify_systemd(self._environ, "READY=1")

    def _on_signal(self, stop_asked: asyncio.Event) -> None:
        if self._stopping.is_set():
            end_at_once()
        _LOG.info("stopping; what is under way is finished first")
        self._stopping.set()
        stop_asked.set()


def _lasting(name: str, part: OnlinePart | NewsEndpoint) -> Stage:
    """A stage that is one run, until it is told to end."""
    return Stage(name, lambda: part.run, stages.HOUSEKEEPING_SECONDS, part.ask_end)


@contextlib.contextmanager
def _only_one(parts: Parts) -> Iterator[None]:
    lock = parts.queue.lock(LOCK_NAME)
    try:
        lock.__enter__()
    except StoreBusy:
        where = parts.config.state_directory
        raise StoreBusy(f"{where} is served already: another nncp-gateway serve runs on it") from None
    with contextlib.ExitStack() as stack:
        stack.push(lock)
        yield


def _refuse_faults(config: GatewayConfig) -> None:
    findings = check_node(
        gateway_file=config.path,
        nncp_file=config.nncp.path,
        state_directory=config.state_directory,
        spool=config.nncp.spool,
    )
    findings += [*check_lmtp(config.lmtp), *check_submission(config.submission), *check_nntp(config.nntp)]
    for finding in findings:
        if not finding.is_fatal:
            _LOG.warning("%s", finding)
    fatal = [str(finding) for finding in findings if finding.is_fatal]
    if fatal:
        raise ConfigError("\n".join(fatal))
