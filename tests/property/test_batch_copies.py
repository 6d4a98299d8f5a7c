"""Whatever is handed in, everybody gets what was sent to him, as often as it was sent, and no more."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch.joining import join_copies
from gateway.durable import Disk
from gateway.message.envelope import Envelope, MailOptions
from gateway.message.header import received_line
from gateway.msgqueue.copies import RECIPIENT_LIMIT_COUNT, ContentHash
from gateway.msgqueue.entry import Form, Lane, NewMessage, Target
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import Queue
from tests.support.messages import NODE_B

SENDERS = st.sampled_from(["", "alice@a.test"])
RECIPIENTS = st.lists(
    st.sampled_from([*"abcdefgh", "B"]).map("{}@b.test".format), min_size=1, max_size=4, unique=True
)
CONTENTS = st.sampled_from(
    [b"Subject: 1\r\n\r\n", b"Subject: 2\r\n\r\n", b"", b"Received: x\r\n\tfor <y@z>;\r\n\tq\r\n"]
)
OPTIONS = st.sampled_from([MailOptions(), MailOptions(envid="e"), MailOptions(priority=3)])
MAILS = st.lists(st.tuples(SENDERS, RECIPIENTS, CONTENTS, OPTIONS), min_size=1, max_size=12)

Mail = tuple[str, list[str], bytes, MailOptions]
Gift = tuple[str, str, MailOptions, bytes]


def put(queue: Queue, mail: Mail) -> None:
    """Take one mail in, as an endpoint does."""
    sender, recipients, content, options = mail
    message_id = queue.new_id()
    received = received_line(
        from_helo="mta.test",
        from_ip="",
        by="gw.test",
        protocol="ESMTP",
        queue_id=message_id,
        for_recipient=recipients[0] if len(recipients) == 1 else None,
        unix_seconds=0,
    )
    message = NewMessage(
        id=message_id,
        envelope=Envelope(sender, tuple(recipients), options=options),
        targets=tuple(Target(recipient, NODE_B, 96) for recipient in recipients),
        body=received + content,
        message_id="",
        origin="",
        trace_bytes=len(received),
        content_hash=ContentHash(content).digest(),
    )
    queue.put(message).result()


@settings(max_examples=60)
@given(MAILS, st.sampled_from([Form.BSMTP, Form.GATEWAY]), st.integers(1, 5))
def test_joined_copies_bring_everybody_what_was_sent(mails: list[Mail], form: Form, max_count: int) -> None:
    sent: Counter[Gift] = Counter(
        (sender, recipient, options, content)
        for sender, recipients, content, options in mails
        for recipient in recipients
    )
    arrived: Counter[Gift] = Counter()
    with tempfile.TemporaryDirectory() as directory, Queue(Path(directory), Disk(is_syncing=False)) as queue:
        for mail in mails:
            put(queue, mail)
        outbox = Outbox(queue)
        while batch := outbox.claim(
            Lane(NODE_B, 96), form, max_count=max_count, max_bytes=1 << 20, first_hop=NODE_B
        ):
            joined = join_copies(outbox.messages_of(batch.id), form)
            assert 1 <= len(joined) <= max_count
            for message in joined:
                envelope = message.envelope
                is_joined = len(message.copies) > 1
                assert len(envelope.recipients) <= RECIPIENT_LIMIT_COUNT
                each = [{name.lower() for name in copy.envelope.recipients} for copy in message.copies]
                assert sum(map(len, each)) == len(set().union(*each))
                body = b"".join(message.content(queue.read_body))
                trace = body[: body.index(b"+0000\r\n") + 7]
                assert trace.startswith(b"Received: from mta.test\r\n\tby gw.test with ESMTP id ")
                assert not is_joined or b"@" not in trace
                for recipient in envelope.recipients:
                    arrived[envelope.sender, recipient, envelope.options, body.removeprefix(trace)] += 1
    assert arrived == sent
