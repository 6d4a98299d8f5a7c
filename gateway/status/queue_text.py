"""Messages of the queue as text for people and as JSON for programs.

Whatever stands in an address or a reply is made printable: it comes from strangers.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from gateway.msgqueue.entry import Role
from gateway.msgqueue.views import DeliveryView, MessageView
from gateway.spool.sizes import ibytes

NameOf = Callable[[str], str]
"""The name of a node by the text of its id; the id itself where it is not known."""

_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86_400


def list_lines(messages: Sequence[MessageView], name_of: NameOf) -> Iterator[str]:
    """A line for each message, and one for each of its recipients below it."""
    for message in messages:
        sender = f"<{_clean(message.sender)}>"
        yield (
            f"{message.id}  {message.role.value:6}  {_age(message.age_seconds):>5}  "
            f"{ibytes(message.size_bytes):>8}  {sender}"
        )
        for delivery in message.deliveries:
            yield f"    {_delivery(message, delivery, name_of)}"


def show_lines(message: MessageView, name_of: NameOf) -> Iterator[str]:
    """Everything that is known about one message."""
    yield f"Queue id:    {message.id}"
    yield f"Role:        {message.role.value}"
    yield f"From:        <{_clean(message.sender)}>"
    yield f"Message-ID:  {_clean(message.message_id) or '(none)'}"
    yield f"Size:        {message.size_bytes} bytes{'' if message.has_body else ', no longer kept'}"
    yield f"Arrived:     {_when(message.arrived_wall)} ({_age(message.age_seconds)} ago)"
    yield f"Origin:      {_clean(message.origin)}"
    if message.origin_batch:
        yield f"  in batch:  {message.origin_batch}"
    if message.origin_packet:
        yield f"  in packet: {message.origin_packet}"
    for delivery in message.deliveries:
        yield f"To:          {_delivery(message, delivery, name_of)}"
        yield f"  changed:   {_when(delivery.changed_wall)}, {delivery.attempts} tries"
        if delivery.batch:
            yield f"  batch:     {delivery.batch}"
        if delivery.packet:
            yield f"  packet:    {delivery.packet}"


def as_json(messages: Sequence[MessageView], name_of: NameOf) -> str:
    """The same as a JSON list; times are seconds, ``arrived`` and ``changed`` since 1970."""
    return json.dumps([_message_object(message, name_of) for message in messages], indent=2)


def _message_object(message: MessageView, name_of: NameOf) -> dict[str, object]:
    return {
        "id": message.id,
        "role": message.role.value,
        "sender": message.sender,
        "message_id": message.message_id,
        "size_bytes": message.size_bytes,
        "has_body": message.has_body,
        "origin": message.origin,
        "origin_node": name_of(message.origin_node) if message.origin_node else "",
        "origin_batch": message.origin_batch,
        "origin_packet": message.origin_packet,
        "age_seconds": round(message.age_seconds, 3),
        "arrived": message.arrived_wall,
        "recipients": [
            {
                "recipient": delivery.recipient,
                "node": name_of(delivery.node) if delivery.node else "",
                "nice": delivery.nice,
                "state": delivery.state.value,
                "batch": delivery.batch,
                "packet": delivery.packet,
                "attempts": delivery.attempts,
                "next_try_seconds": round(max(0.0, delivery.next_try_seconds), 3),
                "status": delivery.status,
                "text": delivery.text,
                "changed": delivery.changed_wall,
            }
            for delivery in message.deliveries
        ],
    }


def _delivery(message: MessageView, delivery: DeliveryView, name_of: NameOf) -> str:
    words = [f"<{_clean(delivery.recipient)}>", delivery.state.value]
    if message.role is Role.OUTBOX:
        words.append(f"to node {_clean(name_of(delivery.node))}, niceness {delivery.nice}")
    if delivery.next_try_seconds > 0:
        words.append(f"next try in {_age(delivery.next_try_seconds)}")
    if delivery.status:
        words.append(f"({delivery.status} {_clean(delivery.text)})")
    return "  ".join(words)


def _age(seconds: float) -> str:
    if seconds < _MINUTE_SECONDS:
        return f"{seconds:.0f}s"
    if seconds < _HOUR_SECONDS:
        return f"{seconds / _MINUTE_SECONDS:.0f}m"
    if seconds < _DAY_SECONDS:
        return f"{seconds / _HOUR_SECONDS:.0f}h"
    return f"{seconds / _DAY_SECONDS:.0f}d"


def _when(wall_seconds: float) -> str:
    try:
        return datetime.fromtimestamp(wall_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "at a time that is no date"


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
