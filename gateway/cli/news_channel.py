"""``news-channel``: the program at the end of a channel feed of INN (``Tc,Wnm``)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.cli.pipe_client import hand_over
from gateway.config.own_program import PIPE_WORD, own_command
from gateway.config.state_place import find_state_directory
from gateway.durable import Disk
from gateway.exits import OK, TRY_LATER
from gateway.ingest.channel import Channel, ChannelSettings

RNEWS = "rnews"


@click.command("news-channel")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--sm", "program", default="/usr/lib/news/bin/sm", help="The program sm of INN.")
@click.option("--peer", default="", help="Name of the [[news.peer]] that the articles come from.")
@click.pass_obj
def news_channel(invocation: Invocation, directory: Path, *, program: str, peer: str) -> int:
    """Take in the articles that INN names on standard input, a line "TOKEN MESSAGE-ID" each.

    Lines that were read and are not done stand in files in DIRECTORY, and are done first at the next
    start. It ends at the end of its input.
    """
    settings = ChannelSettings(directory.absolute(), (program,))
    channel = Channel(settings, Disk(), _hand_over(invocation, ["-h", peer] if peer else []))
    return OK if channel.run(sys.stdin.fileno()) else TRY_LATER


def _hand_over(invocation: Invocation, arguments: list[str]) -> Callable[[int], int]:
    def take(stdin: int) -> int:
        directory = find_state_directory(invocation.given_path, invocation.environ)
        status = None
        if directory is not None:
            status = hand_over(RNEWS, arguments, b"", directory, stdin)
        if status is None:
            command = [*own_command(), "-c", str(invocation.path), PIPE_WORD, RNEWS, *arguments]
            status = subprocess.run(command, stdin=stdin, check=False).returncode
        return status

    return take
