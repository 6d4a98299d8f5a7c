"""``send``: one message from standard input, as a mail server's pipe or a script hands it over."""

import contextlib
import os
import pwd

import click

from gateway.cli.commands import Invocation
from gateway.cli.nncp.standard_input import read_stdin
from gateway.daemon.notify import send_wake
from gateway.daemon.stages import BATCH, DELIVER

NULL_SENDER = "<>"


@click.command()
@click.option("-f", "--sender", required=True, help='Envelope sender; "" or "<>" for the null sender.')
@click.argument("recipients", nargs=-1, required=True)
@click.pass_obj
def send(invocation: Invocation, sender: str, recipients: tuple[str, ...]) -> None:
    """Take in one message from standard input for RECIPIENTS; write -- before them.

    Exit status as mail servers want it from a pipe: 0 it is on disk, 75 try again later, 65, 67
    and 77 for real faults of the message, its recipients, and of what is permitted.
    """
    user = _user()
    with invocation.open(is_pipe=True) as parts:
        ids = parts.pipe_intake().take(
            "" if sender == NULL_SENDER else sender, recipients, read_stdin(), f"local user {user}"
        )
    send_wake(parts.config.state_directory, BATCH, DELIVER)
    # The message is taken: that nobody reads this must not look as if it were not.
    with contextlib.suppress(OSError):
        click.echo(f"2.0.0 queued as {' '.join(ids)}")


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
