"""``receive``: the handle that a tosser starts for a packet; reads it from standard input."""

import os

import click

from gateway.cli.commands import Invocation
from gateway.cli.nncp.standard_input import read_stdin
from gateway.config.own_program import HANDLES
from gateway.daemon.notify import send_wake
from gateway.daemon.stages import DELIVER
from gateway.errors import BadIdentifier, ConfigError
from gateway.ids import NodeId

SENDER_VARIABLE = "NNCP_SENDER"


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("handle", type=click.Choice(HANDLES))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def receive(invocation: Invocation, handle: str, arguments: tuple[str, ...]) -> None:
    """Take in a batch (rsmtp) or one message for the recipients given (sendmail).

    For the exec section of the NNCP configuration: NNCP_SENDER in the environment says who sent it.
    Exit status 0: it is in the inbox, on disk. 75: the packet must be kept and tried again.
    """
    sender = _sender(invocation)
    with invocation.open() as parts:
        parts.receive(
            handle,
            read_stdin(),
            args=tuple(os.fsencode(word) for word in arguments),
            sender=sender,
            packet=None,
        )
    send_wake(parts.config.state_directory, DELIVER)


def _sender(invocation: Invocation) -> NodeId:
    text = invocation.environ.get(SENDER_VARIABLE)
    if not text:
        raise ConfigError(
            f"{SENDER_VARIABLE} is not set; receive is started by an NNCP tosser, which sets it"
        )
    try:
        return NodeId.parse(text)
    except BadIdentifier as error:
        raise ConfigError(f"{SENDER_VARIABLE}: {error}; allowed: the id of a node") from None
