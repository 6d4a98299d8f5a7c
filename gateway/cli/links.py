"""``links``: make this program the commands ``nncp-exec`` and so on, or ``sendmail`` and so on."""

from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.cli.main import PIPE_NAMES
from gateway.cli.nncp.main import COMMAND_PREFIX, MODULES
from gateway.config.command_links import link_target, make_links, refuse_strangers, write_client
from gateway.config.own_program import CLIENT_NAME
from gateway.durable import Disk


@click.command()
@click.argument("directory")
@click.option("--mail", "is_mail", is_flag=True, help="sendmail, rmail, rsmtp, rnews and uux instead.")
@click.pass_obj
def links(invocation: Invocation, directory: str, *, is_mail: bool) -> None:
    """Make a link in DIRECTORY for every NNCP command, such as nncp-exec, that runs it.

    With --mail for the commands that mail servers and programs call: they hand their input to the
    daemon of this configuration, or work without one. Let no program look for its own sendmail there
    that should find the mail server's.

    What is there and is not ours is left alone, and then no link is made.
    """
    place = Path(directory).absolute()
    if is_mail:
        config = invocation.load()
        names: list[str] = list(PIPE_NAMES)
        target = place / CLIENT_NAME
        refuse_strangers((place / name for name in names), target)
        write_client(target, config.path, config.state_directory, Disk())
    else:
        names = [f"{COMMAND_PREFIX}{verb}" for verb in MODULES]
        target = link_target()
    made = make_links(place, names, target, Disk())
    for link in made:
        click.echo(f"{link} -> {target}")
    if not made:
        click.echo(f"{place}: all {len(names)} links are there already")
