"""Messages of the queue as text for people and as JSON for programs.

Whatever stands in an address or a reply is made printable: it comes from strangers.
"""

import json
from collections.abc import Callable, Iterator, Sequence

from gateway.msgqueue.entry import Role
from gateway.msgqueue.views import DeliveryView, MessageView
from gateway.spool.sizes import ibytes
from gateway.status.phrases import age_text, clean, when_text

NameOf = Callable[[str], str]
"""The name of a node by the text of its id; the id itself where it is not known."""


def list_lines(messages: Sequence[MessageView], name_of: NameOf) -> Iterator[str]:
    """A line for each message, and one for each of its recipients below it."""
    for message in messages:
        sender = f"<{clean(message.sender)}>"
        yield (
            f"{message.id}  {message.role.value:6}  {age_text(message.age_seconds):>5}  "
            f"{ibytes(message.size_bytes):>8}  {sender}"
        )
        for delivery in message.deliveries:
            yield f"    {_delivery(message, delivery, name_of)}"


def show_lines(message: MessageView, name_of: NameOf) -> Iterator[str]:
    """Everything that is known about one message."""
    yield f"Queue id:    {message.id}"
    yield f"Role:        {message.role.value}"
    yield f"From:        <{clean(message.sender)}>"
    yield f"Message-ID:  {clean(message.message_id) or '(none)'}"
    yield f"Size:        {message.size_bytes} bytes{'' if message.has_body else ', no longer kept'}"
    yield f"Arrived:     {when_text(message.arrived_wall)} ({age_text(message.age_seconds)} ago)"
    yield f"Origin:      {clean(message.origin)}"
    if message.origin_batch:
        yield f"  in batch:  {message.origin_batch}"
    if message.origin_packet:
        yield f"  in packet: {message.origin_packet}"
    for delivery in message.deliveries:
        yield f"To:          {_delivery(message, delivery, name_of)}"
        yield f"  changed:   {when_text(delivery.changed_wall)}, {delivery.attempts} tries"
        if delivery.begun_count:
            yield f"  begun:     {_begun(delivery.begun_count)}"
        if delivery.batch:
            yield f"  batch:     {delivery.batch}"
        if delivery.packet:
            yield f"  packet:    {delivery.packet}"
        if delivery.told:
            yield f"  told:      {_told(delivery.told, delivery.told_by)}"
        if delivery.delay_told:
            yield f"  of delay:  {_told(delivery.delay_told, delivery.delay_told_by)}"
        if delivery.operator_told:
            yield f"  operator:  {clean(delivery.operator_told)}"


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
                "begun_count": delivery.begun_count,
                "next_try_seconds": round(max(0.0, delivery.next_try_seconds), 3),
                "status": delivery.status,
                "text": delivery.text,
                "changed": delivery.changed_wall,
                "told": delivery.told,
                "told_by": delivery.told_by,
                "delay_told": delivery.delay_told,
                "delay_told_by": delivery.delay_told_by,
                "held_by": delivery.held_by,
                "operator_told": delivery.operator_told,
            }
            for delivery in message.deliveries
        ],
    }


def _begun(count: int) -> str:
    return f"{count} {'try' if count == 1 else 'tries in a row'} without a known end, or under way"


def _told(told: str, report: str) -> str:
    return f"the sender, by {report}" if report else f"nobody: {clean(told)}"


def _delivery(message: MessageView, delivery: DeliveryView, name_of: NameOf) -> str:
    words = [f"<{clean(delivery.recipient)}>", delivery.state.value]
    if message.role is Role.OUTBOX and delivery.node:
        words.append(f"to node {clean(name_of(delivery.node))}, niceness {delivery.nice}")
    if delivery.next_try_seconds > 0:
        words.append(f"next try in {age_text(delivery.next_try_seconds)}")
    if delivery.status or delivery.text:
        words.append(f"({' '.join(filter(None, (delivery.status, clean(delivery.text))))})")
    return "  ".join(words)
