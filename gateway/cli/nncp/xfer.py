"""``nncp xfer``: exchange packets with neighbours through a directory."""

from collections.abc import Mapping
from pathlib import Path

from gateway.carry.xfer import Xfer, XferSettings
from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK, wrong_usage
from gateway.cli.nncp.only_node import only_node
from gateway.cli.nncp.outbox import OutboxFlush
from gateway.cli.nncp.verbs import XFER
from gateway.ids import parse_nice
from gateway.spool.link_record import Role
from gateway.spool.link_state import LinkStates


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    return run_verb(XFER, arguments, environ, _exchange)


def _exchange(context: Context) -> int:
    parsed = context.parsed
    if len(parsed.arguments) != 1:
        return wrong_usage(XFER)
    is_rx, is_tx = parsed.switch("rx"), parsed.switch("tx")
    if is_rx and is_tx:
        return fatal(XFER, "-rx and -tx can not be set simultaneously")
    settings = XferSettings(
        nice=parse_nice(parsed.text("nice")),
        only=only_node(context),
        is_receiving=not is_tx,
        is_sending=not is_rx,
        is_making_directories=parsed.switch("mkdir"),
        is_keeping=parsed.switch("keep"),
    )
    context.book.private_keys()
    directory = Path(parsed.arguments[0])
    if not is_rx:
        nodes = None if settings.only is None else [node for node in context.book if node.id in settings.only]
        OutboxFlush(context).flush(nodes)
    xfer = Xfer(context.book, context.spool, context.log, directory, settings, context.progress)
    result = xfer.run_once()
    links = LinkStates(context.spool.layout, context.disk)
    for sender in xfer.senders:
        links.met(sender, Role.XFER, str(directory.absolute()))
    return STATUS_FAILED if result.bad_count else STATUS_OK
