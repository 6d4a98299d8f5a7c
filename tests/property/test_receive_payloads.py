"""Whatever a packet held: it is in the inbox, or set aside, or refused for now; never anything else."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.durable import Disk
from gateway.errors import GatewayError
from gateway.ids import PacketId
from gateway.message.envelope import Envelope
from gateway.msgqueue.payload import HELD_LIMIT_BYTES
from gateway.msgqueue.store import Queue
from gateway.receive.receiver import Receipt
from tests.support.received import (
    PACKET,
    Pair,
    batch_of,
    body_of,
    inbox,
    take,
    take_sendmail,
    without_trace,
)

EXAMPLES = 40

LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b"..", b".x", b"From you", b"Received: x", b"Message-ID: <2@a.test>"]),
        st.binary(max_size=60).map(lambda raw: raw.translate(None, b"\r\n\0")),
    ),
    max_size=12,
)
BODIES = LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines))
LOCAL_PARTS = st.sampled_from(
    ["bob", "carl", "a.b", '"x y"', "-dash", "b\N{LATIN SMALL LETTER O WITH DIAERESIS}b"]
)
RECIPIENTS = st.lists(
    st.builds("{}@{}".format, LOCAL_PARTS, st.sampled_from(["b.test", "B.TEST", "other.test"])),
    min_size=1,
    max_size=4,
)
SENDERS = st.sampled_from(["", "alice@a.test", '"a b"@a.test'])
PAIRS = st.lists(
    st.tuples(SENDERS, RECIPIENTS, BODIES).map(lambda parts: (Envelope(parts[0], tuple(parts[1])), parts[2])),
    min_size=1,
    max_size=5,
)


def fresh() -> Iterator[Queue]:
    """A queue of its own for each example, once with payloads that are held and once with staged ones."""
    for limit_bytes in (HELD_LIMIT_BYTES, 0):
        with (
            pytest.MonkeyPatch.context() as patch,
            tempfile.TemporaryDirectory() as name,
            Queue(Path(name), Disk(is_syncing=False)) as queue,
        ):
            patch.setattr("gateway.msgqueue.payload.HELD_LIMIT_BYTES", limit_bytes)
            yield queue
            assert list((queue.directory / "incoming").glob("*")) == []


def pieces(payload: bytes, cuts: list[int]) -> list[bytes]:
    """A payload cut at some places."""
    places = sorted({min(cut, len(payload)) for cut in cuts} | {0, len(payload)})
    return [payload[start:end] for start, end in itertools.pairwise(places)]


@settings(max_examples=EXAMPLES)
@given(pairs=PAIRS, cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_what_a_gateway_wrote_is_what_is_in_the_inbox(pairs: list[Pair], cuts: list[int]) -> None:
    for queue in fresh():
        receipt = take(queue, pieces(batch_of(pairs), cuts))
        views = inbox(queue)
        assert receipt.message_count == len(pairs)
        assert [without_trace(body_of(queue, view)) for view in views] == [body for _, body in pairs]
        assert [view.sender for view in views] == [envelope.sender for envelope, _ in pairs]
        recipients = [tuple(delivery.recipient for delivery in view.deliveries) for view in views]
        assert recipients == [envelope.recipients for envelope, _ in pairs]
        local = [name.lower().endswith("@b.test") for names in recipients for name in names]
        assert receipt.dead_count == local.count(False)


@settings(max_examples=EXAMPLES)
@given(pairs=PAIRS, size=st.integers(0, 3000), packet=st.sampled_from([None, PACKET]))
def test_a_part_of_a_batch_is_never_delivered(pairs: list[Pair], size: int, packet: PacketId | None) -> None:
    payload = batch_of(pairs)
    part = payload[: min(size, len(payload) - 1)]
    for queue in fresh():
        _receive_or_refuse(queue, part, packet)
        # A batch that lacks its last line end alone is whole for all that matters.
        assert len(inbox(queue)) in ({0, len(pairs)} if part.endswith(b"QUIT\r") else {0})


COMMANDS = st.sampled_from(
    [
        b"HELO x", b"MAIL FROM:<>", b"MAIL FROM:<alice@a.test>", b"MAIL FROM:alice", b"RCPT TO:<bob@b.test>",
        b"RCPT TO:<x@other.test>", b"RCPT TO:<>", b"DATA", b".", b"QUIT", b"RSET", b"Subject: x", b"",
    ]
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(
    lines=st.lists(st.one_of(COMMANDS, st.binary(max_size=30)), max_size=25),
    eol=st.sampled_from([b"\n", b"\r\n"]),
    packet=st.sampled_from([None, PACKET]),
)
def test_any_bytes_end_in_one_of_three_ways(lines: list[bytes], eol: bytes, packet: PacketId | None) -> None:
    payload = eol.join([*lines, b""])
    for queue in fresh():
        receipt = _receive_or_refuse(queue, payload, packet)
        if receipt is None:
            assert packet is None
        elif receipt.message_count == 0:
            assert (queue.directory / f"quarantine/{receipt.quarantine_id}.batch").read_bytes() == payload
        assert len(inbox(queue)) == (0 if receipt is None else receipt.message_count)


@settings(max_examples=EXAMPLES)
@given(
    payload=st.one_of(
        st.binary(max_size=300), BODIES.map(lambda body: b"Return-Path: <alice@a.test>\n" + body)
    ),
    args=st.lists(st.one_of(st.binary(max_size=20), st.just(b"bob@b.test")), max_size=4),
    packet=st.sampled_from([None, PACKET]),
)
def test_any_sendmail_payload_ends_in_one_of_three_ways(
    payload: bytes, args: list[bytes], packet: PacketId | None
) -> None:
    for queue in fresh():
        receipt = _unless_temporary(lambda q=queue: take_sendmail(q, payload, *args, packet=packet))  # type: ignore[misc]
        if receipt is None:
            assert packet is None
            assert inbox(queue) == []
            continue
        assert len(inbox(queue)) == receipt.message_count
        assert receipt.message_count or receipt.quarantine_id
        assert sum(len(view.deliveries) for view in inbox(queue)) == len(args) * receipt.message_count


def _receive_or_refuse(queue: Queue, payload: bytes, packet: PacketId | None) -> Receipt | None:
    return _unless_temporary(lambda: take(queue, payload, packet))


def _unless_temporary(work: Callable[[], Receipt]) -> Receipt | None:
    try:
        return work()
    except GatewayError as error:
        if not error.is_temporary:
            raise
        return None
