"""A question in front of what takes everything and can't be taken back."""

import sys

import click

from gateway.errors import UsageFault

YES = click.option("--yes", "is_yes", is_flag=True, help="With --all: do not ask.")

_SURE = frozenset({"y", "yes"})


def make_sure(command: str, question: str, *, is_yes: bool) -> None:
    """Ask the person at the terminal; without a terminal ``--yes`` must have said it.

    Args:
        command: in words, for the text.
        question: without its question mark.
        is_yes: whether it was said already.

    Raises:
        UsageFault: there is nobody to ask.
        click.Abort: the person said no.
    """
    if is_yes:
        return
    if not sys.stdin.isatty():
        raise UsageFault(f"{command} --all: there is no terminal to ask at; to do it say --yes as well")
    # Not to standard output, which may be JSON for a program.
    click.echo(f"{question}? yes or no: ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in _SURE:
        raise click.Abort
