"""``init``: make a new node."""

import grp
import os
import pwd
from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.config.gateway_place import DEFAULT_PATH
from gateway.config.new_node import NewNode, make_node
from gateway.config.own_program import PROGRAM_NAME as PROGRAM
from gateway.config.public_block import render_block
from gateway.durable import Disk
from gateway.errors import UsageFault

DeliverLines = tuple[tuple[str, str | list[str]], ...]

DEFAULT_LISTEN = "127.0.0.1:2525"
DELIVER_ALLOWED = (
    "smtp:HOST:PORT, lmtp:HOST:PORT, lmtp:unix:/PATH, sendmail, sendmail:/PATH/TO/SENDMAIL,"
    " batch:/PATH/TO/EXIM, or maildir:PATH"
)


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="Where the configuration goes. [default: the directory of -c, else /etc/nncp-gateway]",
)
@click.option("--hostname", help="Our name in mail. [default: this machine's name]")
@click.option("--domain", "domains", multiple=True, help="A domain that is delivered here; may be repeated.")
@click.option(
    "--deliver", default="smtp:127.0.0.1:25", show_default=True, help=f"Where to: {DELIVER_ALLOWED}."
)
@click.option(
    "--smtp-listen",
    "listen",
    multiple=True,
    help=f"ADDRESS:PORT where mail is taken in, or none; may be repeated. [default: {DEFAULT_LISTEN}]",
)
@click.option("--state-directory", type=click.Path(path_type=Path), help="[default: state, in the directory]")
@click.option("--spool", type=click.Path(path_type=Path), help="NNCP's spool. [default: spool, there too]")
@click.option("--owner", help="USER or USER:GROUP that all of it shall belong to; needs root.")
@click.pass_obj
def init(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    directory: Path | None,
    hostname: str | None,
    domains: tuple[str, ...],
    deliver: str,
    listen: tuple[str, ...],
    state_directory: Path | None,
    spool: Path | None,
    owner: str | None,
) -> None:
    """Make keys, nncp.hjson, gateway.toml and directories. Nothing that exists is overwritten."""
    where = (directory or _default_directory(invocation)).absolute()
    wish = NewNode(
        directory=where,
        state_directory=(state_directory or where / "state").absolute(),
        spool=(spool or where / "spool").absolute(),
        incoming=where / "incoming",
        hostname=hostname or os.uname().nodename,
        domains=domains,
        deliver=_deliver_lines(deliver),
        listen=() if listen == ("none",) else listen or (DEFAULT_LISTEN,),
        owner=None if owner is None else _owner(owner),
    )
    public = make_node(wish, Disk(), os.urandom)
    flag = "" if wish.gateway_path == DEFAULT_PATH else f" -c {wish.gateway_path}"
    click.echo(
        f"made {wish.nncp_path} (holds the private keys: keep it secret, keep a copy)\n"
        f"made {wish.gateway_path}\n\n"
        "What to do next:\n"
        f"  1. Give the block below to your neighbour, who runs: {PROGRAM} accept NAME\n"
        f"  2. Save the neighbour's block in a file, and run:    {PROGRAM}{flag} accept NAME"
        " --domain ITS.DOMAIN FILE\n"
        f"  3. See whether all is in order:                      {PROGRAM}{flag} check\n"
        f"  4. Start it:                                         {PROGRAM}{flag} serve\n\n"
        "The block for your neighbours (it holds no secret):\n"
    )
    click.echo(render_block(public, domains), nl=False)


def _default_directory(invocation: Invocation) -> Path:
    return invocation.path.parent


def _deliver_lines(text: str) -> DeliverLines:
    kind, _, value = text.partition(":")
    if kind in {"smtp", "lmtp"} and value:
        return (("to", kind), ("address", value))
    if kind == "batch" and value:
        return (("to", "batch"), ("command", [value, "-bS"]))
    if kind == "sendmail":
        return (("to", "sendmail"), ("command", [value or "/usr/sbin/sendmail", "-i"]))
    if kind == "maildir" and value:
        return (("to", "maildir"), ("path", str(Path(value).absolute())))
    raise UsageFault(f"--deliver {text!r} is not known; allowed: {DELIVER_ALLOWED}")


def _owner(text: str) -> tuple[int, int]:
    user, _, group = text.partition(":")
    try:
        entry = pwd.getpwnam(user)
        return entry.pw_uid, grp.getgrnam(group).gr_gid if group else entry.pw_gid
    except KeyError:
        raise UsageFault(
            f"--owner {text!r} is not known here; allowed: USER or USER:GROUP that exist"
        ) from None
