"""From the values of a message to columns of the database, and back. Pure.

A deadline is kept as a time on the queue's own clock, so that it comes nearer while a message waits, and
only then.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from gateway.message.envelope import (
    DeliverBy,
    Envelope,
    LateAction,
    MailOptions,
    RecipientOptions,
    Return,
)
from gateway.message.esmtp import notify_of, notify_text
from gateway.msgqueue.entry import QueuedMessage

QUEUED_COLUMNS = (
    "m.seq, m.id, m.size_bytes, m.message_id, m.origin, m.arrived_at, m.trace_bytes, hex(m.kind),"
    " d.seq, d.attempts,"
    " m.sender, m.is_8bit, m.is_smtputf8, m.envid, m.ret, m.priority, m.deliver_by_at, m.deliver_by_mode,"
    " d.recipient, d.notify, d.orcpt"
)
"""Of a message ``m`` and its delivery ``d``, as ``whole_answer`` gives and ``group_messages`` takes them."""
_DELIVERY_AT, _ENVELOPE_AT = 8, 10
"""Where the columns of the delivery alone begin, and those that make the envelope."""
_TRACE = "T"
_SEQ = itemgetter(0)
# A batch may hold 100,000 messages: what most of them have in common is there once.
_NOTHING_ASKED = MailOptions()
_NOTHING_ASKED_FOR_ONE: Mapping[str, RecipientOptions] = MappingProxyType({})

MailColumns = tuple[str | None, str | None, int | None, float | None, str | None]


def mail_columns(options: MailOptions, now: float) -> MailColumns:
    """The columns envid, ret, priority, deliver_by_at and deliver_by_mode.

    Args:
        options: of a message that is put now.
        now: on the queue's clock.
    """
    by = options.deliver_by
    return (
        options.envid,
        options.ret,
        options.priority,
        None if by is None else now + by.seconds,
        None if by is None else by.action + _TRACE * by.is_traced,
    )


def recipient_columns(options: RecipientOptions) -> tuple[str | None, str | None]:
    """The columns notify and orcpt."""
    return notify_text(options.notify) or None, options.orcpt


def mail_options(columns: Sequence[object], now: float) -> MailOptions:
    """What ``mail_columns`` made; the time that is left of a deadline is counted from now."""
    if all(column is None for column in columns):
        return _NOTHING_ASKED
    envid, ret, priority, at, mode = columns
    deliver_by = None
    if at is not None:
        action = LateAction(str(mode)[0])
        deliver_by = DeliverBy(float(str(at)) - now, action, is_traced=str(mode).endswith(_TRACE))
    return MailOptions(
        envid=None if envid is None else str(envid),
        ret=None if ret is None else Return(str(ret)),
        priority=None if priority is None else int(str(priority)),
        deliver_by=deliver_by,
    )


def recipient_options(notify: object, orcpt: object) -> RecipientOptions:
    """What ``recipient_columns`` made."""
    return RecipientOptions(notify_of(str(notify or "")), None if orcpt is None else str(orcpt))


def group_messages(rows: Iterable[Sequence[Any]], now: float) -> Iterator[QueuedMessage]:
    """Join rows of ``QUEUED_COLUMNS`` that are sorted by message, as they come.

    Args:
        rows: one for each delivery.
        now: on the queue's clock.
    """
    alike: list[Sequence[Any]] = []
    envelope = Envelope("", ())
    for _, group in groupby(rows, key=_SEQ):
        deliveries = list(group)
        columns = [row[_ENVELOPE_AT:] for row in deliveries]
        # Articles of the same feeds have the same envelope.
        if columns != alike:
            alike, envelope = columns, _envelope(columns, now)
        yield _message(deliveries, envelope, now)


def _message(rows: Sequence[Sequence[Any]], envelope: Envelope, now: float) -> QueuedMessage:
    seq, queue_id, size_bytes, message_id, origin, arrived_at, trace_bytes, kind = rows[0][:_DELIVERY_AT]
    return QueuedMessage(
        seq=seq,
        id=queue_id,
        envelope=envelope,
        delivery_seqs=tuple([row[_DELIVERY_AT] for row in rows]),
        size_bytes=size_bytes,
        message_id=message_id,
        origin=sys.intern(origin),
        age_seconds=max(0.0, now - arrived_at),
        attempts=max([row[_DELIVERY_AT + 1] for row in rows]),
        trace_bytes=trace_bytes,
        kind=bytes.fromhex(kind) if kind else None,
    )


def _envelope(columns: Sequence[Sequence[Any]], now: float) -> Envelope:
    """The envelope of a message, by what each of its rows says of it."""
    sender, is_8bit, is_smtputf8, *options, _, _, _ = columns[0]
    recipients = [row[-3:] for row in columns]
    asked = {
        recipient: recipient_options(notify, orcpt)
        for recipient, notify, orcpt in recipients
        if notify is not None or orcpt is not None
    }
    return Envelope(
        sys.intern(sender),
        tuple([sys.intern(recipient) for recipient, _, _ in recipients]),
        is_8bit=bool(is_8bit),
        is_smtputf8=bool(is_smtputf8),
        options=mail_options(options, now),
        recipient_options=asked or _NOTHING_ASKED_FOR_ONE,
    )
