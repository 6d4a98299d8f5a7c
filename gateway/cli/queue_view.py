"""``queue list`` and ``queue show``: look at the messages of both ends."""

import sys

import click

from gateway.cli.commands import Invocation
from gateway.errors import BadIdentifier
from gateway.exits import NO_HOST, OK
from gateway.ids import NodeId
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.views import DEFAULT_LIST_COUNT, WAITING, count_states, list_messages, show_message
from gateway.nodes import Book
from gateway.status.queue_text import NameOf, as_json, list_lines, show_lines


@click.group()
def queue() -> None:
    """Look at messages: what waits to be sent (outbox) and to be delivered (inbox)."""


@queue.command("list")
@click.option("--outbox", "role", flag_value=Role.OUTBOX, type=Role, help="Only what is to be sent.")
@click.option("--inbox", "role", flag_value=Role.INBOX, type=Role, help="Only what was received.")
@click.option("--all", "is_all", is_flag=True, help="Also what was sent or delivered.")
@click.option("--count", default=DEFAULT_LIST_COUNT, show_default=True, help="Messages at most.")
@click.option("--json", "is_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def list_command(
    invocation: Invocation, *, role: Role | None, is_all: bool, count: int, is_json: bool
) -> None:
    """List messages, the oldest first: those that wait, and dead letters."""
    with invocation.open() as parts:
        states = tuple(State) if is_all else WAITING
        messages = list_messages(parts.queue, role, states=states, max_count=count)
        counts = count_states(parts.queue)
    if is_json:
        click.echo(as_json(messages, _name_of(parts.book)))
        return
    for line in list_lines(messages, _name_of(parts.book)):
        click.echo(line)
    for each in Role if role is None else (role,):
        figures = [f"{counts[each, state]} {state}" for state in State if counts.get((each, state))]
        click.echo(f"{each}: {', '.join(figures) or 'empty'}")


@queue.command("show")
@click.argument("queue_id")
@click.option("--body", "is_body", is_flag=True, help="Write the message itself, with CRLF line ends.")
@click.option("--json", "is_json", is_flag=True, help="A JSON list with the one message.")
@click.pass_obj
def show_command(invocation: Invocation, *, queue_id: str, is_body: bool, is_json: bool) -> int:
    """Show everything about the message QUEUE_ID."""
    with invocation.open() as parts:
        message = show_message(parts.queue, queue_id)
        if message is None:
            click.echo(f"there is no message {queue_id!r} in the queue", err=True)
            return NO_HOST
        if is_body:
            for chunk in parts.queue.read_body(message.seq):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        elif is_json:
            click.echo(as_json([message], _name_of(parts.book)))
        else:
            for line in show_lines(message, _name_of(parts.book)):
                click.echo(line)
    return OK


def _name_of(book: Book) -> NameOf:
    def name_of(text: str) -> str:
        try:
            node = book.find_id(NodeId.parse(text))
        except BadIdentifier:
            node = None
        return text if node is None else node.name

    return name_of
