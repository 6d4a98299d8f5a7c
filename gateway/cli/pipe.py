"""``pipe``: what ``sendmail``, ``rmail``, ``rsmtp``, ``rnews`` and ``uux`` do when no daemon runs."""

import click

from gateway.cli.commands import Invocation


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["--help"],
    }
)
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def pipe(invocation: Invocation, name: str, arguments: tuple[str, ...]) -> int:
    """Take in mail or news from standard input as NAME does: sendmail, rmail, rsmtp, rnews or uux.

    The names themselves are made by links --mail. Exit status as mail servers want it: 0 it is on
    disk, 75 try again later, 65, 67 and 77 for real faults of the message and its recipients.
    """
    from gateway.cli.pipe_direct import run_pipe  # noqa: PLC0415 - --help needs none of it

    return run_pipe(invocation, name, arguments)
