"""The stages one by one, for a node without a daemon, for cron, and beside a daemon."""

import time
from collections.abc import Collection
from pathlib import Path

import click

from gateway.batch.batcher import Batcher, BatchResult
from gateway.carry.xfer import Xfer, XferSettings
from gateway.cli.commands import Invocation
from gateway.daemon.news_parts import NewsParts
from gateway.daemon.notify import send_wake
from gateway.daemon.parts import Parts
from gateway.daemon.stages import BATCH, DELIVER, NEWS, NEWS_BATCH, TOSS
from gateway.deliver.result import DeliverResult
from gateway.errors import StoreBusy, UsageFault
from gateway.exits import DATA, OK, TRY_LATER
from gateway.ids import NICE_MAX, NodeId, parse_nice
from gateway.msgqueue.outbox import Outbox
from gateway.spool.layout import Box
from gateway.spool.link_record import Role

BUSY_LIMIT_SECONDS = 60.0
BUSY_POLL_SECONDS = 0.1

FLUSH_PATIENCE_SECONDS = 10.0
"""Lanes that were just flushed for another carrier are waited for: what leaves now may not come back soon."""


@click.command()
@click.option("--flush", "is_flush", is_flag=True, help="Also what could still wait for more.")
@click.pass_obj
def batch(invocation: Invocation, *, is_flush: bool) -> int:
    """Make packets of what waits in the outbox, mail and news, as far as batches are full or old enough."""
    with invocation.open() as parts:
        return _report(_batch(parts, is_flush=is_flush))


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option(
    "--carrier", is_flag=True, help="As carriers do: also what travels through NODE, and not too often."
)
@click.pass_obj
def flush(invocation: Invocation, *, nodes: tuple[str, ...], carrier: bool) -> int:
    """Make packets of all that waits now, for each NODE or for every neighbour.

    It works beside a running daemon as well: whoever comes first makes the packets, and this
    command ends when they are made. With --carrier mail for others that travels through NODE is made
    into packets too, but not more often than flush_interval_seconds of gateway.toml allows.
    """
    with invocation.open() as parts:
        only = {parts.book.find(name).id for name in nodes} or None
        if not carrier:
            return _report(_batch(parts, is_flush=True, only=only))
        flusher = parts.flusher()
        results = [flusher.flush_now(hop, FLUSH_PATIENCE_SECONDS) for hop in only or (None,)]
        return _report(sum(results, BatchResult()))


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--rx", "is_rx", is_flag=True, help="Only take packets from the directory.")
@click.option("--tx", "is_tx", is_flag=True, help="Only put packets into the directory.")
@click.option("--node", help="Only with this neighbour.")
@click.option("--nice", default=str(NICE_MAX), help="Leave packets alone whose niceness is above this.")
@click.option("--mkdir", is_flag=True, help="Make the directories of recipients that are missing.")
@click.option("--keep", is_flag=True, help="Remove nothing that was copied.")
@click.pass_obj
def xfer(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    directory: Path,
    is_rx: bool,
    is_tx: bool,
    node: str | None,
    nice: str,
    mkdir: bool,
    keep: bool,
) -> int:
    """Exchange packets with neighbours through DIRECTORY, such as a stick.

    What waits in the outbox is made into packets first, so that it travels along.
    """
    if is_rx and is_tx:
        raise click.UsageError("--rx and --tx exclude each other")
    if not directory.is_dir():
        raise UsageFault(f"there is no directory {directory}; is the stick mounted?")
    with invocation.open() as parts:
        only = None if node is None else parts.book.find(node).id
        flushed = BatchResult() if is_rx else parts.flusher().flush_now(only, FLUSH_PATIENCE_SECONDS)
        settings = XferSettings(
            nice=parse_nice(nice),
            only=None if only is None else frozenset({only}),
            is_receiving=not is_tx,
            is_sending=not is_rx,
            is_making_directories=mkdir,
            is_keeping=keep,
        )
        exchange = Xfer(parts.book, parts.spool, parts.nncp_log(), directory.absolute(), settings)
        result = exchange.run_once()
        for sender in exchange.senders:
            parts.links().met(sender, Role.XFER, str(directory.absolute()))
        left = _without_directory(parts, directory, settings)
    if result.received_count:
        send_wake(parts.config.state_directory, TOSS)
    click.echo(f"{result.received_count} packets taken, {result.sent_count} packets put on")
    for stranger in exchange.unknown:
        text = (
            f"packets of {stranger} stay: it is no neighbour (nncp-gateway accept makes it one, by its block)"
        )
        click.echo(text)
    for name in left:
        click.echo(f"packets for {name} stay: {directory} has no directory for it (--mkdir makes one)")
    return DATA if result.bad_count or flushed.bad_count else OK


@click.command()
@click.option("--node", help="Only packets of this neighbour.")
@click.pass_obj
def toss(invocation: Invocation, *, node: str | None) -> int:
    """Do what the received packets ask for: take mail in, run handlers, relay."""
    with invocation.open() as parts:
        only = None if node is None else frozenset({parts.book.find(node).id})
        result = parts.tosser().run_once(only)
    if result.done_count:
        send_wake(parts.config.state_directory, DELIVER, *NEWS)
    click.echo(f"{result.done_count} packets done, {result.bad_count} failed, {result.left_count} left")
    return TRY_LATER if result.bad_count else OK


@click.command()
@click.option("--now", "is_early", is_flag=True, help="Also what is to be tried again later.")
@click.pass_obj
def deliver(invocation: Invocation, *, is_early: bool) -> int:
    """Deliver the mail and the news that were received, as far as they are due."""
    with invocation.open() as parts:
        result = DeliverResult()
        for deliverer in parts.deliverers():
            result += deliverer.run_once(is_early=is_early)
        news = DeliverResult()
        if parts.news is not None:
            news = parts.news.deliverer().run_once(is_early=is_early)
    click.echo(
        f"{result.delivered_count} delivered, {result.deferred_count} deferred, {result.dead_count} dead"
    )
    if parts.news is not None:
        click.echo(
            f"news: {news.delivered_count} delivered, {news.deferred_count} deferred,"
            f" {news.dead_count} refused"
        )
    is_left = result.deferred_count or result.crash_count or news.deferred_count or news.crash_count
    return TRY_LATER if is_left else OK


@click.command()
@click.pass_obj
def report(invocation: Invocation) -> int:
    """Give up what waited for too long; tell senders of that, of dead letters and of delays."""
    with invocation.open() as parts:
        result = parts.reporter().run_once()
        answers = parts.remote_answers()
        answered_count = 0 if answers is None else answers.run_once()
    if answered_count:
        send_wake(parts.config.state_directory, BATCH)
        click.echo(f"news: {answered_count} requests answered")
    if result.bounce_count or result.delay_count or result.success_count:
        send_wake(parts.config.state_directory, BATCH, DELIVER)
    click.echo(
        f"{result.expired_count} expired, {result.bounce_count} bounces, {result.delay_count} delay notices, "
        f"{result.success_count} of success, {result.untold_count} recipients of whom nobody is told"
    )
    return OK


def _batch(parts: Parts, *, is_flush: bool, only: Collection[NodeId] | None = None) -> BatchResult:
    """Run the batchers, of mail and of news; wait for a daemon that is just doing so.

    Raises:
        StoreBusy: it does so for too long.
    """
    both: list[Parts | NewsParts] = [parts] if parts.news is None else [parts, parts.news]
    if is_flush:
        for each in both:
            Outbox(each.queue).ask_flush(only)
        send_wake(parts.config.state_directory, BATCH, NEWS_BATCH)
    results = [_run_batcher(each.batcher(), is_flush=is_flush, only=only) for each in both]
    return sum(results, BatchResult())


def _run_batcher(batcher: Batcher, *, is_flush: bool, only: Collection[NodeId] | None) -> BatchResult:
    deadline = time.monotonic() + BUSY_LIMIT_SECONDS
    while True:
        try:
            return batcher.run_once(is_flush=is_flush, only=only)
        except StoreBusy:
            if time.monotonic() >= deadline:
                raise
            time.sleep(BUSY_POLL_SECONDS)


def _without_directory(parts: Parts, directory: Path, settings: XferSettings) -> list[str]:
    """Neighbours that have packets here and no directory on the stick, since nobody asked for one."""
    if not settings.is_sending or settings.is_making_directories:
        return []
    return [
        node.name
        for node in parts.book
        if (settings.only is None or node.id in settings.only)
        and not (directory / node.id.text).exists()
        and next(parts.spool.jobs(node.id, Box.TX), None) is not None
    ]


def _report(result: BatchResult) -> int:
    click.echo(f"{result.message_count} messages in {result.packet_count} packets, {result.bad_count} bad")
    return DATA if result.bad_count else OK
