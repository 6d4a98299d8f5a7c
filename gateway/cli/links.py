"""``links``: make this program the commands ``nncp-exec``, ``nncp-toss`` and so on."""

from pathlib import Path

import click

from gateway.cli.nncp.main import COMMAND_PREFIX, MODULES
from gateway.config.command_links import link_target, make_links
from gateway.durable import Disk


@click.command()
@click.argument("directory")
def links(directory: str) -> None:
    """Make a link in DIRECTORY for every NNCP command, such as nncp-exec, that runs it.

    What is there and is not ours is left alone, and then no link is made.
    """
    target = link_target()
    place = Path(directory).absolute()
    names = [f"{COMMAND_PREFIX}{verb}" for verb in MODULES]
    made = make_links(place, names, target, Disk())
    for link in made:
        click.echo(f"{link} -> {target}")
    if not made:
        click.echo(f"{place}: all {len(names)} links are there already")
