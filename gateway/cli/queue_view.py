"""``queue list`` and ``queue show``: look at the messages of both ends."""

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import click

from gateway.cli.commands import Invocation
from gateway.cli.queue_select import name_of, selecting, selection_of
from gateway.exits import NO_HOST, OK
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.views import DEFAULT_LIST_COUNT, WAITING, count_states, select_messages, show_message
from gateway.nodes import Book
from gateway.status.queue_text import NameOf, as_json, list_lines, show_lines


@click.command("list")
@selecting
@click.option("--all", "is_all", is_flag=True, help="Also what was sent, delivered or dropped.")
@click.option("--count", default=DEFAULT_LIST_COUNT, show_default=True, help="Messages at most.")
@click.option("--json", "is_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def list_command(invocation: Invocation, /, *, is_all: bool, count: int, is_json: bool, **given: Any) -> None:
    """List messages, the oldest first: those that wait or are held, and dead letters.

    A message is listed, with all its recipients, if one of them fits everything that is asked for.
    """
    with invocation.open() as parts:
        selection = selection_of(parts.book, given)
        if not (is_all or selection.states or selection.ids):
            selection = replace(selection, states=WAITING)
        messages = select_messages(invocation.queue_of(parts), selection, count)
        counts = count_states(invocation.queue_of(parts))
    if is_json:
        click.echo(as_json(messages, _names(parts.book)))
        return
    for line in list_lines(messages, _names(parts.book)):
        click.echo(line)
    for each in Role if selection.role is None else (selection.role,):
        figures = [f"{counts[each, state]} {state}" for state in State if counts.get((each, state))]
        click.echo(f"{each}: {', '.join(figures) or 'empty'}")


@click.command("show")
@click.argument("queue_id")
@click.option("--body", "is_body", is_flag=True, help="Write the message itself, with CRLF line ends.")
@click.option("--json", "is_json", is_flag=True, help="A JSON list with the one message.")
@click.pass_obj
def show_command(invocation: Invocation, *, queue_id: str, is_body: bool, is_json: bool) -> int:
    """Show everything about the message QUEUE_ID; a Message-ID in angle brackets will do as well."""
    with invocation.open() as parts:
        message = show_message(invocation.queue_of(parts), queue_id)
        if message is None:
            hint = f"; by address: nncp-gateway queue list --all --recipient {queue_id}" * ("@" in queue_id)
            click.echo(f"there is no message {queue_id!r} in the queue{hint}", err=True)
            return NO_HOST
        if is_body:
            for chunk in invocation.queue_of(parts).read_body(message.seq):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        elif is_json:
            click.echo(as_json([message], _names(parts.book)))
        else:
            for line in show_lines(message, _names(parts.book)):
                click.echo(line)
    return OK


def _names(book: Book) -> NameOf:
    return partial(name_of, book)
