"""``receive``: the handle that a tosser starts for a packet; reads it from standard input."""

import click

from gateway.cli.commands import Invocation
from gateway.cli.pipe_direct import run_pipe
from gateway.config.own_program import HANDLES
from gateway.ingest.pipe_commands import RECEIVE


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("handle", type=click.Choice(HANDLES))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def receive(invocation: Invocation, handle: str, arguments: tuple[str, ...]) -> int:
    """Take in a batch (rsmtp), or one message for the recipients given (sendmail, rmail).

    For the exec section of the NNCP configuration: NNCP_SENDER in the environment says who sent it.
    Exit status 0: it is in the inbox, on disk. 75: the packet must be kept and tried again.
    """
    return run_pipe(invocation, RECEIVE, (handle, *arguments))
