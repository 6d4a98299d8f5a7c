"""The options that say which messages are meant, the same for every ``queue`` command."""

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from gateway.errors import BadIdentifier, UnknownNode
from gateway.ids import NodeId, parse_nice
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.selection import Selection
from gateway.nodes import Book

AGE_ALLOWED = "a number with s, m, h, d or w, such as 3d"
SIZE_ALLOWED = "a number of bytes, also with K, M or G, such as 5M"

_NUMBER = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([a-z]?)", re.ASCII | re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

Command = TypeVar("Command", bound=Callable[..., Any])


def _number(
    units: Mapping[str, float],
    allowed: str,
    _context: click.Context,
    _parameter: click.Parameter,
    text: str | None,
) -> float | None:
    """What click calls for an option: a number with a unit, in the smallest unit."""
    if text is None:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None or match[2].lower() not in units:
        raise click.BadParameter(f"{text!r} is not allowed; allowed: {allowed}")
    return float(match[1]) * units[match[2].lower()]


_AGE = partial(_number, _SECONDS, AGE_ALLOWED)
_SIZE = partial(_number, _BYTES, SIZE_ALLOWED)

_OPTIONS = (
    click.argument("ids", metavar="[QUEUE_ID]...", nargs=-1),
    click.option("--outbox", "role", flag_value=Role.OUTBOX, type=Role, help="Only what is to be sent."),
    click.option("--inbox", "role", flag_value=Role.INBOX, type=Role, help="Only what was received."),
    click.option(
        "--state",
        "states",
        type=click.Choice([state.value for state in State]),
        multiple=True,
        help="Only recipients in this state; may be given again.",
    ),
    click.option(
        "--node",
        "nodes",
        metavar="NODE",
        multiple=True,
        help="Only what goes to this neighbour, or came from it.",
    ),
    click.option(
        "--sender",
        "senders",
        metavar="PATTERN",
        multiple=True,
        help="* and ? may stand; <>: the null sender.",
    ),
    click.option("--recipient", "recipients", metavar="PATTERN", multiple=True, help="* and ? may stand."),
    click.option("--nice", metavar="NICE", help="Only the lane of this niceness."),
    click.option("--older", metavar="AGE", callback=_AGE, help=f"Came longer ago: {AGE_ALLOWED}."),
    click.option("--younger", metavar="AGE", callback=_AGE, help="Came since then."),
    click.option("--larger", metavar="SIZE", callback=_SIZE, help=f"At least so large: {SIZE_ALLOWED}."),
    click.option("--smaller", metavar="SIZE", callback=_SIZE, help="At most so large."),
)


def selecting(command: Command) -> Command:
    """Give a command the options; it gets them as keyword arguments, for ``selection_of``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def selection_of(book: Book, given: Mapping[str, Any]) -> Selection:
    """What the options select.

    Args:
        book: the neighbours.
        given: the keyword arguments of ``selecting``, whatever else is among them.

    Raises:
        UnknownNode: a name is not known; an id need not be, for mail may wait for one that was removed.
        BadIdentifier: a niceness is none.
    """
    return Selection(
        ids=tuple(given["ids"]),
        role=given["role"],
        states=tuple(map(State, given["states"])),
        nodes=tuple(_node(book, name) for name in given["nodes"]),
        senders=tuple(given["senders"]),
        recipients=tuple(given["recipients"]),
        nice=None if given["nice"] is None else parse_nice(given["nice"]),
        min_age_seconds=given["older"],
        max_age_seconds=given["younger"],
        min_size_bytes=None if given["larger"] is None else int(given["larger"]),
        max_size_bytes=None if given["smaller"] is None else int(given["smaller"]),
    )


def name_of(book: Book, text: str) -> str:
    """The name of a node by the text of its id; the text itself where it is not known."""
    try:
        node = book.find_id(NodeId.parse(text))
    except BadIdentifier:
        node = None
    return text if node is None else node.name


def _node(book: Book, name: str) -> str:
    try:
        return book.find(name).id.text
    except UnknownNode:
        with contextlib.suppress(BadIdentifier):
            return NodeId.parse(name).text
        raise
