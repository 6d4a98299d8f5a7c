"""``nncp check``: see that the packets in the spool are what their names say."""

import threading
from collections.abc import Mapping

from gateway.carry.check import Checker
from gateway.cli.nncp.context import Context, fatal, run_verb
from gateway.cli.nncp.flags import STATUS_FAILED, STATUS_OK
from gateway.cli.nncp.only_node import only_node
from gateway.cli.nncp.verbs import CHECK


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command; returns its exit status."""
    try:
        return run_verb(CHECK, arguments, environ, _check)
    except KeyboardInterrupt:
        return fatal(CHECK, "interrupted: what was not checked stays as it is")


def _check(context: Context) -> int:
    only = only_node(context)
    checker = Checker(context.book, context.spool, context.log, context.progress)
    visit = checker.take_nocks if context.parsed.switch("nock") else checker.check
    cycle_seconds = context.parsed.number("cycle")
    while True:
        result = visit(only)
        if not cycle_seconds:
            return STATUS_FAILED if result.bad_count else STATUS_OK
        threading.Event().wait(cycle_seconds)
