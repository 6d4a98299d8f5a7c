"""``serve``: the daemon."""

import click

from gateway.cli.commands import Invocation
from gateway.daemon.identity import become_owner
from gateway.daemon.logs import set_up_logging
from gateway.daemon.serve import serve as run_daemon
from gateway.daemon.stages import NAMES


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice(NAMES), help="Run this stage, not all; may be repeated."
)
@click.pass_obj
def serve(invocation: Invocation, only: tuple[str, ...]) -> None:
    """Run everything in one process: take mail in, batch it, toss packets, deliver.

    SIGTERM stops it in good order; what is under way is finished.
    """
    config = invocation.load()
    become_owner(config.state_directory)
    set_up_logging(config.log_level, config.mail_log, invocation.environ)
    run_daemon(config, invocation.environ, only)
