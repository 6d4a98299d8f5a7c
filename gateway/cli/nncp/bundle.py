"""``nncp bundle``: write a stream of packets to standard output, or take one from standard input."""

import os
import sys
from collections.abc import Mapping

from gateway.carry.bundle_purposes import Confirm, ReadSettings, Receive, ReceiveAndConfirm
from gateway.carry.bundle_reception import BundleReception, Purpose
from gateway.carry.bundle_sender import BundleResult, BundleSender, SendSettings
from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK
from gateway.cli.nncp.outbox import OutboxFlush
from gateway.cli.nncp.standard_input import read_stdin
from gateway.cli.nncp.standard_output import write_stdout
from gateway.cli.nncp.verbs import BUNDLE
from gateway.errors import UnknownNode
from gateway.ids import parse_nice
from gateway.nodes import Node
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkStates


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(BUNDLE, arguments, environ, _bundle)


def _bundle(context: Context) -> int:
    is_rx, is_tx = context.parsed.switch("rx"), context.parsed.switch("tx")
    if is_rx and is_tx:
        return fatal(BUNDLE, "-rx and -tx can not be set simultaneously")
    if not (is_rx or is_tx):
        return fatal(BUNDLE, "At least one of -rx and -tx must be specified")
    nice = parse_nice(context.parsed.text("nice"))
    nodes = _nodes(context)
    result = _send(context, nice, nodes) if is_tx else _receive(context, nice, nodes)
    return STATUS_FAILED if result.bad_count else STATUS_OK


def _nodes(context: Context) -> list[Node]:
    """The nodes of the command line.

    Raises:
        UnknownNode: one is not known.
    """
    try:
        return [context.book.find(name) for name in context.parsed.arguments]
    except UnknownNode as error:
        raise UnknownNode(f"Invalid node specified: {error}") from error


def _send(context: Context, nice: int, nodes: list[Node]) -> BundleResult:
    parsed = context.parsed
    settings = SendSettings(nice, is_deleting=parsed.switch("delete") and not parsed.switch("dryrun"))
    own_id = context.book.self_node.id
    OutboxFlush(context).flush(nodes)
    sender = BundleSender(own_id, context.spool, context.log, settings, context.progress)
    return sender.run_once(nodes, lambda piece: write_stdout([piece]), lambda: _sync_stdout(context))


def _sync_stdout(context: Context) -> None:
    if context.disk.is_syncing and sys.stdout.seekable():
        os.fsync(sys.stdout.fileno())


def _receive(context: Context, nice: int, nodes: list[Node]) -> BundleResult:
    only = frozenset(node.id for node in nodes) if nodes else None
    settings = ReadSettings(nice, only, is_dry_run=context.parsed.switch("dryrun"))
    receive = Receive(context.book, context.spool, context.log, settings)
    purpose: Purpose = receive
    if context.parsed.switch("delete"):
        confirm = Confirm(context.spool, context.log, settings)
        purpose = ReceiveAndConfirm(context.book.self_node.id, receive, confirm)
    try:
        return BundleReception(purpose, context.log, context.progress).run_once(read_stdin())
    finally:
        links = LinkStates(context.spool.layout, context.disk)
        for sender in receive.senders:
            links.met(sender, Role.BUNDLE)
