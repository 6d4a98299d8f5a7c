"""``queue hold``, ``release``, ``retry``, ``expire``, ``drop``, ``move`` and ``replay``.

Without ids and ``--state`` a command looks only at the states it can change, so that it does not tell
of everything that left long ago.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from gateway.cli.commands import Invocation
from gateway.cli.queue_select import Command, name_of, selecting, selection_of
from gateway.cli.sure import YES, make_sure
from gateway.daemon.notify import send_wake
from gateway.daemon.parts import Parts
from gateway.daemon.stages import BATCH, DELIVER, NEWS, REPORT
from gateway.errors import UsageFault
from gateway.exits import NO_HOST, OK, TRY_LATER, UNAVAILABLE
from gateway.ids import parse_nice
from gateway.maillog import log_mail
from gateway.msgqueue.decisions import MAIL, Ending, Standing
from gateway.msgqueue.entry import Lane, State
from gateway.msgqueue.operations import Operations, Result
from gateway.msgqueue.selection import Selection
from gateway.nodes import Book
from gateway.status.phrases import clean

Work = Callable[[Operations, Selection], list[Result]]

_UNSENT = (State.QUEUED, State.CLAIMED, State.HELD)
_LOOKED_AT: Mapping[str, tuple[State, ...]] = {
    "hold": (State.QUEUED, State.CLAIMED),
    "release": (State.HELD,),
    "retry": (State.QUEUED,),
    "expire": _UNSENT,
    "drop": (*_UNSENT, State.DEAD),
    "move": _UNSENT,
    "replay": (State.DEAD,),
}
"""States in which an operation looks for deliveries, unless ids or states are given."""
_EVENTS = {
    "hold": "held",
    "release": "released",
    "retry": "retried",
    "expire": "expired",
    "drop": "dropped",
    "move": "moved",
    "replay": "replayed",
}
"""What the mail log calls it."""
_FINAL = {"expire": "give up {count}, of which senders are told", "drop": "forget {count} and tell nobody"}
"""What can't be taken back: of everything it is done only if somebody is sure."""


def _acting(command: Command) -> Command:
    """Give an operation its options: which messages, and how it tells."""
    command = click.option("--json", "is_json", is_flag=True, help="A JSON list of what was done.")(command)
    command = click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would be done.")(command)
    every = click.option("--all", "is_all", is_flag=True, help="Everything, where nothing else says which.")
    return selecting(every(command))


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Why; senders who are told of a delay see it.")
@_acting
@click.pass_obj
def hold(invocation: Invocation, /, *, reason: str, **given: Any) -> int:
    """Keep messages from going on until they are released."""
    return _run(invocation, "hold", given, lambda _, do, which: do.hold(which, reason))


@click.command()
@_acting
@click.pass_obj
def release(invocation: Invocation, /, **given: Any) -> int:
    """Let held messages go on, whatever their size."""
    return _run(invocation, "release", given, lambda _, do, which: do.release(which))


@click.command()
@_acting
@click.pass_obj
def retry(invocation: Invocation, /, **given: Any) -> int:
    """Try messages for here again now; make packets of those for neighbours now."""
    return _run(invocation, "retry", given, lambda _, do, which: do.retry(which))


@click.command()
@YES
@_acting
@click.pass_obj
def expire(invocation: Invocation, /, **given: Any) -> int:
    """Give messages up as if their time were over: dead letters; senders of mail are told, of news nobody."""
    return _run(invocation, "expire", given, lambda _, do, which: do.expire(which))


@click.command()
@YES
@_acting
@click.pass_obj
def drop(invocation: Invocation, /, **given: Any) -> int:
    """Forget messages and dead letters without telling anybody (expire tells senders)."""
    return _run(invocation, "drop", given, lambda _, do, which: do.drop(which))


@click.command()
@click.option("--to-node", metavar="NODE", help="The neighbour they go to from now on.")
@click.option(
    "--to-nice", metavar="NICE", help="Niceness of their lane; with --to-node else that of the neighbour."
)
@_acting
@click.pass_obj
def move(invocation: Invocation, /, *, to_node: str | None, to_nice: str | None, **given: Any) -> int:
    """Let messages go to another neighbour, or in another lane."""
    if to_node is None and to_nice is None:
        raise click.UsageError("say where to: --to-node, --to-nice or both")

    def work(parts: Parts, do: Operations, which: Selection) -> list[Result]:
        place = None if to_node is None else _place(invocation, parts, to_node)
        nice = parse_nice(to_nice) if to_nice is not None else None if place is None else place.lane.nice
        if place is None:
            return do.move(which, None, nice)
        return do.move(which, place.lane.node, nice, place.recipient)

    return _run(invocation, "move", given, work)


@click.command()
@_acting
@click.pass_obj
def replay(invocation: Invocation, /, **given: Any) -> int:
    """Let dead letters be tried again, as if they had just come."""

    def work(parts: Parts, do: Operations, which: Selection) -> list[Result]:
        # An article was judged when it came; what is asked again is whether its feed is there.
        return do.replay(which, _nothing_refused if invocation.is_news else parts.refuse_again())

    return _run(invocation, "replay", given, work)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where messages are moved to; of an article the recipient is the feed."""

    lane: Lane
    recipient: str | None = None


def _place(invocation: Invocation, parts: Parts, name: str) -> _Place:
    if not invocation.is_news:
        return _Place(parts.find_lane(name))
    feed = invocation.news_of(parts).packet_feed(name)
    if feed.node is None:
        raise AssertionError("internal error: a feed of packets goes to a node")
    return _Place(Lane(feed.node, feed.nice), feed.name)


def _nothing_refused(_: Standing) -> None:
    """Refuse nothing again."""


def _run(
    invocation: Invocation,
    operation: str,
    given: Mapping[str, Any],
    work: Callable[[Parts, Operations, Selection], list[Result]],
) -> int:
    with invocation.open() as parts:
        selection = selection_of(parts.book, given)
        if selection.is_everything and not given["is_all"]:
            raise UsageFault(f"queue {operation}: say which: ids, options, or --all")
        is_asked = selection.is_everything and not given["is_dry"] and operation in _FINAL
        if not (selection.ids or selection.states):
            selection = replace(selection, states=_LOOKED_AT[operation])
        terms = invocation.news_of(parts).terms() if invocation.is_news else MAIL
        queue = invocation.queue_of(parts)
        if is_asked:
            would = work(parts, Operations(queue, is_dry=True, terms=terms), selection)
            count = sum(result.decision.ending is Ending.DONE for result in would)
            question = _FINAL[operation].format(count=f"all {count} recipients of the queue")
            make_sure(f"queue {operation}", question, is_yes=given["is_yes"])
        results = work(parts, Operations(queue, is_dry=given["is_dry"], terms=terms), selection)
        if not given["is_dry"]:
            _log(operation, results, parts.book)
            send_wake(parts.config.state_directory, BATCH, DELIVER, REPORT, *NEWS)
    if given["is_json"]:
        click.echo(json.dumps([_object(result, parts.book) for result in results], indent=2))
    else:
        _tell(results, parts.book, is_dry=given["is_dry"])
    unknown = sorted(set(selection.ids) - {result.before.message_id for result in results})
    for queue_id in unknown:
        click.echo(f"there is no message {queue_id!r} in the queue that fits", err=True)
    return _status(results, is_unknown=bool(unknown))


def _status(results: Sequence[Result], *, is_unknown: bool) -> int:
    endings = {result.decision.ending for result in results}
    if is_unknown:
        return NO_HOST
    if Ending.IMPOSSIBLE in endings:
        return UNAVAILABLE
    return TRY_LATER if Ending.BUSY in endings else OK


def _tell(results: Sequence[Result], book: Book, *, is_dry: bool) -> None:
    counts = dict.fromkeys(Ending, 0)
    words = {ending: ending.value for ending in Ending}
    words |= {Ending.DONE: "would be done"} if is_dry else {}
    for result in results:
        it, decision = result.before, result.decision
        counts[decision.ending] += 1
        what = words[decision.ending]
        click.echo(f"{it.message_id}  <{clean(it.recipient)}>  {what}: {clean(_text(result, book))}")
    figures = [f"{count} {words[ending]}" for ending, count in counts.items() if count]
    click.echo(", ".join(figures) or "nothing fits")


def _object(result: Result, book: Book) -> dict[str, object]:
    it, decision = result.before, result.decision
    return {
        "id": it.message_id,
        "role": it.role.value,
        "sender": it.sender,
        "recipient": it.recipient,
        "node": name_of(book, it.node) if it.node else "",
        "nice": it.nice,
        "before": it.state.value,
        "after": decision.state.value,
        "ending": decision.ending.value,
        "text": _text(result, book),
    }


def _text(result: Result, book: Book) -> str:
    """What is said of a delivery, with the name of the node instead of its id."""
    hop, text = result.before.first_hop, result.decision.text
    return text.replace(hop, name_of(book, hop)) if hop else text


def _log(operation: str, results: Sequence[Result], book: Book) -> None:
    for result in results:
        it, decision = result.before, result.decision
        if decision.ending is Ending.DONE:
            log_mail(
                _EVENTS[operation],
                id=it.message_id,
                from_=it.sender,
                to=it.recipient,
                node=name_of(book, it.node) if it.node else None,
                size=it.size_bytes,
                text=decision.text,
            )
