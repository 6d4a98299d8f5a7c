"""The state of links as text for people and as JSON for programs (docs/reference/status.md).

Addresses and errors are made printable: they come from strangers.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from gateway.ids import NodeId, format_nice
from gateway.moment import Moment
from gateway.msgqueue.entry import LaneFigures
from gateway.spool.link_record import Attempt, Contact, Fault, Role, Running, Session, Totals
from gateway.spool.sizes import ibytes
from gateway.status.links import LinkStatus, NextCall, Pile
from gateway.status.phrases import age_text, clean, when_text

NameOf = Callable[[NodeId], str]
"""The name of a node; its id where it is not known."""

_LABEL_CHARS = 16
_ROLES = {
    Role.CALLER: "called at",
    Role.LISTENER: "it called from",
    Role.XFER: "packets came through",
    Role.BUNDLE: "packets came in a bundle",
}


def status_lines(links: Sequence[LinkStatus], name_of: NameOf) -> Iterator[str]:
    """A line with the name of each neighbour, and below it one for each thing that is known."""
    for link in links:
        yield clean(link.node.name)
        for label, text in _facts(link, name_of):
            yield f"  {label + ':':{_LABEL_CHARS}} {text}"


def status_json(links: Sequence[LinkStatus], name_of: NameOf, stale_seconds: float | None) -> str:
    """The same as a JSON list.

    Args:
        links: what is known.
        name_of: names nodes.
        stale_seconds: who was not met for longer is stale; None: nobody asked.
    """
    return json.dumps([_link_object(link, name_of, stale_seconds) for link in links], indent=2)


# Text


def _facts(link: LinkStatus, name_of: NameOf) -> Iterator[tuple[str, str]]:
    yield "last contact", _contact(link.state.contact, link.now)
    history = link.state.history
    if history is not None:
        if history.attempt is not None and history.attempt.error:
            yield "last attempt", _attempt(history.attempt, link.now)
        if history.fault is not None:
            yield "last error", _fault(history.fault, link.now)
        if history.session is not None:
            yield "last session", _traffic(history.session)
        if history.totals.session_count or history.totals.failed_count:
            yield "all together", _totals(history.totals)
    for running in link.state.sessions:
        yield "running" if running.is_alive else "broken off", _running(running, link.now)
    yield from _waiting(link, name_of)
    yield "next call", "none is configured" if link.next_call is None else _call(link.next_call, link.now)
    for damaged in link.state.damaged:
        yield "damaged file", clean(damaged)


def _waiting(link: LinkStatus, name_of: NameOf) -> Iterator[tuple[str, str]]:
    piles = link.piles
    yield "to be sent", "; ".join(_pile(pile, nice) for nice, pile in piles.tx.items()) or "nothing"
    for lane in link.lanes or ():
        yield "in the outbox", _lane(link, lane, name_of)
    if link.held is not None and link.held.to_count:
        yield "held, to it", _held(link.held.to_count, link.held.to_bytes)
    if link.held is not None and link.held.from_count:
        yield "held, from it", _held(link.held.from_count, link.held.from_bytes)
    if piles.rx:
        yield "to be tossed", "; ".join(_pile(pile, nice) for nice, pile in piles.rx.items())
    if piles.unchecked.packet_count:
        yield "to be checked", _pile(piles.unchecked)
    if piles.partial.packet_count:
        yield "received partly", _pile(piles.partial)
    if piles.bad_count:
        yield "no packets", _count(piles.bad_count, "file")


def _contact(contact: Contact | None, now: Moment) -> str:
    if contact is None:
        return "never"
    return f"{_ago(contact.at, now)}, {_ROLES[contact.role]} {clean(contact.address)}".rstrip()


def _attempt(attempt: Attempt, now: Moment) -> str:
    return f"{_ago(attempt.at, now)}, {_ROLES[attempt.role]} {clean(attempt.address)}: {clean(attempt.error)}"


def _fault(fault: Fault, now: Moment) -> str:
    row = f"{fault.row_count} in a row" if fault.row_count else "good since"
    return f"{_ago(fault.at, now)}, {row}: {clean(fault.text)}"


def _traffic(session: Session) -> str:
    received = _bytes_and_speed(session.received_bytes, session.received_per_second)
    sent = _bytes_and_speed(session.sent_bytes, session.sent_per_second)
    return f"{age_text(session.seconds)} long, received {received}, sent {sent}"


def _totals(totals: Totals) -> str:
    sessions = f"{_count(totals.session_count, 'session')}, {age_text(totals.seconds)} long together"
    failed = f", {_count(totals.failed_count, 'failed attempt')}" if totals.failed_count else ""
    bytes_text = f"received {ibytes(totals.received_bytes)}, sent {ibytes(totals.sent_bytes)}"
    return f"{sessions}{failed}, {bytes_text}, since {when_text(totals.since.wall_seconds)}"


def _running(running: Running, now: Moment) -> str:
    session = running.session
    where = f"{_ROLES[session.role]} {clean(session.address)}"
    return f"process {running.pid}, told {_ago(running.told, now)}, {where}, {_traffic(session)}"


def _lane(link: LinkStatus, lane: LaneFigures, name_of: NameOf) -> str:
    destination = "" if lane.lane.node == link.node.id else f" for {clean(name_of(lane.lane.node))}"
    messages = _count(lane.message_count, "message")
    size = ibytes(lane.size_bytes)
    age = age_text(lane.oldest_age_seconds)
    return f"niceness {format_nice(lane.lane.nice)}: {messages}{destination}, {size}, the oldest {age} old"


def _held(count: int, size_bytes: int) -> str:
    return f"{_count(count, 'message')}, {ibytes(size_bytes)}, until somebody decides"


def _call(call: NextCall, now: Moment) -> str:
    wait_seconds = max(0.0, call.wall_seconds - now.wall_seconds)
    condition = ", if something is to be sent" if call.is_tx_needed else ""
    return f"in {age_text(wait_seconds)}, {when_text(call.wall_seconds)}{condition}"


def _pile(pile: Pile, nice: int | None = None) -> str:
    head = "" if nice is None else f"niceness {format_nice(nice)}: "
    return f"{head}{_count(pile.packet_count, 'packet')}, {ibytes(pile.size_bytes)}"


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _bytes_and_speed(size_bytes: int, bytes_per_second: float) -> str:
    # A session that had nothing to do but to wait, within what its clock can tell, has no speed.
    is_told = bytes_per_second > 0 or not size_bytes
    return ibytes(size_bytes) + f" ({ibytes(round(bytes_per_second))}/s)" * is_told


def _ago(at: Moment, now: Moment) -> str:
    return f"{age_text(at.age_seconds(now))} ago"


# JSON


def _link_object(link: LinkStatus, name_of: NameOf, stale_seconds: float | None) -> dict[str, object]:
    history, now = link.state.history, link.now
    return {
        "node": link.node.name,
        "id": link.node.id.text,
        "is_stale": None if stale_seconds is None else link.is_silent_for(stale_seconds),
        "last_contact": _contact_object(link.state.contact, now),
        "last_attempt": None if history is None else _attempt_object(history.attempt, now),
        "last_error": None if history is None else _fault_object(history.fault, now),
        "last_session": (
            None if history is None or history.session is None else _session_object(history.session, now)
        ),
        "total": None if history is None else _totals_object(history.totals),
        "sessions": [_running_object(running, now) for running in link.state.sessions],
        "tx": _pile_objects(link.piles.tx),
        "rx": _pile_objects(link.piles.rx),
        "unchecked": _pile_object(link.piles.unchecked),
        "partial": _pile_object(link.piles.partial),
        "bad_count": link.piles.bad_count,
        "outbox": None if link.lanes is None else [_lane_object(lane, name_of) for lane in link.lanes],
        "held": None if link.held is None else asdict(link.held),
        "next_call": _call_object(link.next_call, now),
        "damaged": list(link.state.damaged),
    }


def _at(at: Moment, now: Moment) -> dict[str, object]:
    return {"at": round(at.wall_seconds, 3), "age_seconds": round(at.age_seconds(now), 3)}


def _contact_object(contact: Contact | None, now: Moment) -> dict[str, object] | None:
    if contact is None:
        return None
    return {**_at(contact.at, now), "role": contact.role.value, "address": contact.address}


def _attempt_object(attempt: Attempt | None, now: Moment) -> dict[str, object] | None:
    if attempt is None:
        return None
    where = {"role": attempt.role.value, "address": attempt.address}
    return {**_at(attempt.at, now), **where, "error": attempt.error}


def _fault_object(fault: Fault | None, now: Moment) -> dict[str, object] | None:
    if fault is None:
        return None
    return {**_at(fault.at, now), "text": fault.text, "row_count": fault.row_count}


def _session_object(session: Session, now: Moment) -> dict[str, object]:
    return {
        **_at(session.began, now),
        "role": session.role.value,
        "address": session.address,
        "seconds": round(session.seconds, 3),
        "idle_seconds": round(session.idle_seconds, 3),
        "received_bytes": session.received_bytes,
        "sent_bytes": session.sent_bytes,
        "received_bytes_per_second": round(session.received_per_second, 3),
        "sent_bytes_per_second": round(session.sent_per_second, 3),
        "error": session.error,
    }


def _running_object(running: Running, now: Moment) -> dict[str, object]:
    told = {"told_at": round(running.told.wall_seconds, 3)}
    return {
        "pid": running.pid,
        "is_alive": running.is_alive,
        **told,
        "told_age_seconds": round(running.told.age_seconds(now), 3),
        **_session_object(running.session, now),
    }


def _totals_object(totals: Totals) -> dict[str, object]:
    return {
        "since": round(totals.since.wall_seconds, 3),
        "session_count": totals.session_count,
        "failed_count": totals.failed_count,
        "seconds": round(totals.seconds, 3),
        "received_bytes": totals.received_bytes,
        "sent_bytes": totals.sent_bytes,
    }


def _pile_objects(piles: Mapping[int, Pile]) -> list[dict[str, object]]:
    return [{"nice": nice, **_pile_object(pile)} for nice, pile in piles.items()]


def _pile_object(pile: Pile) -> dict[str, object]:
    return {"packet_count": pile.packet_count, "size_bytes": pile.size_bytes}


def _lane_object(lane: LaneFigures, name_of: NameOf) -> dict[str, object]:
    return {
        "destination": name_of(lane.lane.node),
        "nice": lane.lane.nice,
        "message_count": lane.message_count,
        "size_bytes": lane.size_bytes,
        "oldest_age_seconds": round(lane.oldest_age_seconds, 3),
    }


def _call_object(call: NextCall | None, now: Moment) -> dict[str, object] | None:
    if call is None:
        return None
    return {
        "at": round(call.wall_seconds, 3),
        "in_seconds": round(max(0.0, call.wall_seconds - now.wall_seconds), 3),
        "is_tx_needed": call.is_tx_needed,
    }
