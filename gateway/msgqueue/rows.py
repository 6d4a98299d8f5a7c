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
    "m.seq, m.id, m.sender, m.is_8bit, m.is_smtputf8, m.size_bytes, m.message_id, m.origin, m.arrived_at,"
    " m.envid, m.ret, m.priority, m.deliver_by_at, m.deliver_by_mode, m.trace_bytes, m.kind,"
    " d.seq, d.recipient, d.attempts, d.notify, d.orcpt"
)
"""Of a message ``m`` and its delivery ``d``, as ``group_messages`` takes them."""
_TRACE_AT, _DELIVERY_AT = 14, 16
"""Where the columns of the trace field and of the delivery begin."""
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


def group_messages(rows: Iterable[tuple[Any, ...]], now: float) -> Iterator[QueuedMessage]:
    """Join rows of ``QUEUED_COLUMNS`` that are sorted by message, as they come.

    Args:
        rows: one for each delivery.
        now: on the queue's clock.
    """
    for _, group in groupby(rows, key=_SEQ):
        yield _message(list(group), now)


def _message(rows: Sequence[tuple[Any, ...]], now: float) -> QueuedMessage:
    first = rows[0]
    seq, message_id, sender, is_8bit, is_smtputf8, size_bytes, header_id, origin, arrived_at = first[:9]
    trace_bytes, kind = first[_TRACE_AT:_DELIVERY_AT]
    deliveries = [row[_DELIVERY_AT:] for row in rows]
    asked = {
        recipient: recipient_options(notify, orcpt)
        for _, recipient, _, notify, orcpt in deliveries
        if notify is not None or orcpt is not None
    }
    envelope = Envelope(
        sys.intern(sender),
        tuple([sys.intern(delivery[1]) for delivery in deliveries]),
        is_8bit=bool(is_8bit),
        is_smtputf8=bool(is_smtputf8),
        options=mail_options(first[9:_TRACE_AT], now),
        recipient_options=asked or _NOTHING_ASKED_FOR_ONE,
    )
    return QueuedMessage(
        seq=seq,
        id=message_id,
        envelope=envelope,
        delivery_seqs=tuple([delivery[0] for delivery in deliveries]),
        size_bytes=size_bytes,
        message_id=header_id,
        origin=sys.intern(origin),
        age_seconds=max(0.0, now - arrived_at),
        attempts=max([delivery[2] for delivery in deliveries]),
        trace_bytes=trace_bytes,
        kind=kind,
    )
