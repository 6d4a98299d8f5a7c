"""Copies of a batch, joined: one body for many recipients.

Recipients need not know of each other, so our trace field of a joined message names none of them
(RFC 5321 section 7.2); that apart it is the first copy, byte for byte.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from gateway.errors import MessageError
from gateway.message.bsmtp import check_envelope
from gateway.message.envelope import Envelope
from gateway.msgqueue.copies import gather
from gateway.msgqueue.entry import Form, QueuedMessage

ReadBody = Callable[[int], Iterator[bytes]]

_FOR_CLAUSE = re.compile(rb"\r\n\tfor <[^\r\n]*>(?=;\r\n\t)")
"""As ``gateway.message.header.received_line`` writes it."""


class JoinedMessage(NamedTuple):
    """Copies that travel as one message.

    Args:
        copies: one at least, in the order of arrival.
    """

    copies: tuple[QueuedMessage, ...]

    @property
    def envelope(self) -> Envelope:
        """For the recipients of all copies."""
        if len(self.copies) == 1:
            return self.copies[0].envelope
        each = [copy.envelope for copy in self.copies]
        recipients = chain.from_iterable(envelope.recipients for envelope in each)
        options = chain.from_iterable(envelope.recipient_options.items() for envelope in each)
        return replace(each[0], recipients=tuple(recipients), recipient_options=dict(options))

    def content(self, read_body: ReadBody) -> Iterator[bytes]:
        """What is written for all of them.

        Args:
            read_body: reads a message of the queue by its place in it.
        """
        first = self.copies[0]
        chunks = read_body(first.seq)
        if len(self.copies) > 1:
            front = b""
            while len(front) < first.trace_bytes and (chunk := next(chunks, b"")):
                front += chunk
            trace, rest = front[: first.trace_bytes], front[first.trace_bytes :]
            yield _FOR_CLAUSE.sub(b"", trace) + rest
        yield from chunks


def join_copies(messages: Sequence[QueuedMessage], form: Form) -> list[JoinedMessage]:
    """Join what can be joined.

    Args:
        messages: of one batch.
        form: how it is written. An address that can't be written in it takes no other with it: its message
            stays alone.
    """

    def as_it_travels(message: QueuedMessage) -> QueuedMessage:
        if message.kind is not None and form is not Form.SENDMAIL:
            try:
                check_envelope(message.envelope, is_esmtp=form is Form.GATEWAY)
            except MessageError:
                return message._replace(kind=None)
        return message

    return [JoinedMessage(tuple(group)) for group in gather([as_it_travels(each) for each in messages])]
