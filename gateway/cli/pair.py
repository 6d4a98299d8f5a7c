"""``invite`` and ``accept``: two nodes get to know each other, a block of text each way."""

import sys
from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.config.node_name import check_node_name
from gateway.config.pairing import Acceptance
from gateway.config.pairing import accept as accept_neighbour
from gateway.config.public_block import BLOCK_LIMIT_CHARS, FORMS, parse_block, render_block
from gateway.durable import Disk
from gateway.errors import UsageFault

STDIN = "-"


@click.command()
@click.pass_obj
def invite(invocation: Invocation) -> None:
    """Print what neighbours need to know of this node: public keys and domains, no secret."""
    config = invocation.load()
    click.echo(render_block(config.nncp.book.self_node.keys, config.local_domains), nl=False)


@click.command()
@click.argument("name")
@click.argument("file", default=STDIN)
@click.option("--domain", "domains", multiple=True, help="Mail for this domain goes to it; may be repeated.")
@click.option(
    "--understands",
    type=click.Choice(FORMS),
    help="What it takes. [default: as its block says, else sendmail]",
)
@click.option("--via", help="The neighbours its packets travel through, separated by commas.")
@click.option("--keep-handles", is_flag=True, help="Leave handles alone that start another command.")
@click.pass_obj
def accept(
    invocation: Invocation,
    *,
    name: str,
    file: str,
    domains: tuple[str, ...],
    understands: str | None,
    via: str | None,
    keep_handles: bool,
) -> None:
    """Make a neighbour known here as NAME.

    FILE (or standard input) is the block that `nncp-gateway invite` or `nncp-cfgmin` printed there.
    """
    block = parse_block(_read(file), "standard input" if file == STDIN else file)
    if block.has_private_keys:
        click.echo(
            "warning: the block holds PRIVATE keys of the neighbour. Tell its operator: whoever saw them can"
            " read its mail, so it needs new ones.",
            err=True,
        )
    wish = Acceptance(
        name=check_node_name(name),
        block=block,
        domains=domains,
        understands=understands,
        via=tuple(via.split(",")) if via else (),
        is_handles_kept=keep_handles,
    )
    changes = accept_neighbour(invocation.path, wish, invocation.environ, Disk())
    for change in changes or [f"{name} is known already; nothing was changed"]:
        click.echo(change)
    if block.domains and not domains:
        flags = " ".join(f"--domain {domain}" for domain in block.domains)
        click.echo(
            f"It says that it serves {', '.join(block.domains)}; to send that mail there, add: {flags}"
        )


def _read(file: str) -> str:
    try:
        if file == STDIN:
            raw = sys.stdin.buffer.read(BLOCK_LIMIT_CHARS + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(BLOCK_LIMIT_CHARS + 1)
        return raw.decode("utf-8")
    except OSError as error:
        raise UsageFault(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageFault(f"{file}: is not UTF-8 text") from None
