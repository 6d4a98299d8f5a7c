"""``send``: one message from standard input, as a mail server's pipe or a script hands it over."""

import click

from gateway.cli.commands import Invocation
from gateway.cli.pipe_direct import run_pipe
from gateway.ingest.pipe_commands import SEND


@click.command()
@click.option("-f", "--sender", required=True, help='Envelope sender; "" or "<>" for the null sender.')
@click.argument("recipients", nargs=-1, required=True)
@click.pass_obj
def send(invocation: Invocation, sender: str, recipients: tuple[str, ...]) -> int:
    """Take in one message from standard input for RECIPIENTS; write -- before them.

    Exit status as mail servers want it from a pipe: 0 it is on disk, 75 try again later, 65, 67
    and 77 for real faults of the message, its recipients, and of what is permitted.
    """
    return run_pipe(invocation, SEND, ("-f", sender, "--", *recipients))
