"""A batch comes back as it was written, however it is cut; garbage raises only our own errors."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.ids import BatchId
from gateway.message.bsmtp import (
    BatchLimits,
    BatchReader,
    BatchWriter,
    Event,
    MessageData,
    MessageEnd,
    MessageStart,
)
from gateway.message.envelope import (
    DeliverBy,
    Envelope,
    LateAction,
    MailOptions,
    Notify,
    RecipientOptions,
    Return,
)
from gateway.message.esmtp import DELIVER_BY_LIMIT_SECONDS
from gateway.message.lines import find_stray

LOCAL_PARTS = st.sampled_from(["a", "-x", "a.b+c", '"a b"', '"in\\"ner"', "é", '">"', "0" * 100])
COMMON_DOMAINS = st.sampled_from(["b.test", "x-y.example.org", "123"])
ALL_DOMAINS = COMMON_DOMAINS | st.sampled_from(["[127.0.0.1]", "[IPv6:::1]", "bücher.example", "a_b.test"])


def addresses(domains: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("{}@{}".format, LOCAL_PARTS, domains)


# Pieces that make line ends, dots and commands meet at every cut.
PIECES = st.sampled_from(
    [b"\r\n", b"\r\n", b".", b".", b"..", b"a", b"\xff", b"QUIT", b"MAIL FROM:<x@y>", b"DATA", b" "]
)
CONTENTS = st.lists(PIECES, max_size=30).map(b"".join)
WILD_BYTES = st.lists(
    PIECES
    | st.sampled_from([b"\r", b"\n", b"\0", b"RCPT TO:<", b">", b"HELO ", b"\r\n.\r\n", b"\n.\n", b"RSET"])
    | st.binary(max_size=3),
    max_size=40,
).map(b"".join)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut data in pieces of these sizes, over and over."""
    chunks = []
    while data:
        for size in sizes:
            chunks.append(data[:size])
            data = data[size:]
    return chunks


XTEXTS = st.from_regex(re.compile(r"([!-*,-<>-~]|\+[2-6][0-9A-F]){1,100}"), fullmatch=True)
MAIL_OPTIONS = st.builds(
    MailOptions,
    envid=st.none() | XTEXTS,
    ret=st.none() | st.sampled_from(Return),
    priority=st.none() | st.integers(-9, 9),
    deliver_by=st.none()
    | st.builds(
        DeliverBy, st.integers(1, DELIVER_BY_LIMIT_SECONDS), st.sampled_from(LateAction), st.booleans()
    ),
)
NOTIFY = st.just({Notify.NEVER}) | st.sets(st.sampled_from(list(Notify)[1:]))
RECIPIENT_OPTIONS = st.builds(
    RecipientOptions, NOTIFY.map(frozenset), st.none() | XTEXTS.map(lambda text: f"rfc822;{text}")
)


SIZES = st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any)


def _asked(recipients: tuple[str, ...]) -> st.SearchStrategy[dict[str, RecipientOptions]]:
    if len(set(recipients)) < len(recipients):
        # What becomes of the options of one that is named twice is not a round trip.
        return st.just({})
    options = RECIPIENT_OPTIONS.filter(lambda asked: asked != RecipientOptions())
    return st.dictionaries(st.sampled_from(recipients), options)


@st.composite
def messages(draw: st.DrawFn, domains: st.SearchStrategy[str]) -> tuple[Envelope, bytes]:
    sender = draw(st.just("") | addresses(domains))
    recipients = tuple(draw(st.lists(addresses(domains), min_size=1, max_size=4)))
    is_ascii = all(map(str.isascii, (sender, *recipients)))
    envelope = Envelope(
        sender,
        recipients,
        is_8bit=draw(st.booleans()),
        is_smtputf8=not is_ascii or draw(st.booleans()),
        options=draw(MAIL_OPTIONS),
        recipient_options=draw(_asked(recipients)),
    )
    return envelope, draw(CONTENTS)


def write(batch: list[tuple[Envelope, bytes]], sizes: list[int], *, is_esmtp: bool) -> bytes:
    writer = BatchWriter(is_esmtp=is_esmtp)
    body = [writer.start(BatchId(bytes(range(16))), len(batch))]
    for envelope, content in batch:
        body += writer.message(envelope, cut(content, sizes))
    return b"".join([*body, writer.end()])


def read(chunks: list[bytes], limits: BatchLimits | None = None) -> tuple[BatchReader, list[Event]]:
    """Feed all, join data that belongs together, prove completeness."""
    reader = BatchReader(limits)
    events: list[Event] = []
    for chunk in chunks:
        for event in reader.feed(chunk):
            if isinstance(event, MessageData) and events and isinstance(events[-1], MessageData):
                events[-1] = MessageData(events[-1].data + event.data)
            else:
                events.append(event)
    reader.finish()
    return reader, events


def whole(content: bytes) -> bytes:
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


def expected_events(batch: list[tuple[Envelope, bytes]]) -> list[Event]:
    events: list[Event] = []
    for envelope, content in batch:
        data = whole(content)
        events.append(MessageStart(envelope))
        events += [MessageData(data)] if data else []
        events.append(MessageEnd(len(data), is_8bit=not data.isascii()))
    return events


@given(st.lists(messages(ALL_DOMAINS), min_size=1, max_size=4), SIZES, SIZES)
def test_batch_between_gateways_comes_back_whole(
    batch: list[tuple[Envelope, bytes]], write_sizes: list[int], read_sizes: list[int]
) -> None:
    body = write(batch, write_sizes, is_esmtp=True)
    assert find_stray(body) is None
    reader, events = read(cut(body, read_sizes))
    assert events == expected_events(batch)
    assert reader.batch_id == BatchId(bytes(range(16)))
    assert reader.message_count == reader.expected_count == len(batch)


@given(st.lists(messages(COMMON_DOMAINS), min_size=1, max_size=4), SIZES, st.sampled_from([b"\r\n", b"\n"]))
def test_stock_batch_comes_back_without_its_flags(
    batch: list[tuple[Envelope, bytes]], sizes: list[int], eol: bytes
) -> None:
    body = write(batch, sizes, is_esmtp=False)
    flagless = [
        (Envelope(sender := envelope.sender, recipients := envelope.recipients,
                  is_smtputf8=not all(map(str.isascii, (sender, *recipients)))), content)
        for envelope, content in batch
    ]  # fmt: skip
    _, events = read(cut(body.replace(b"\r\n", eol), sizes))
    assert events == expected_events(flagless)


@given(st.lists(messages(ALL_DOMAINS), min_size=1, max_size=3), st.data())
def test_batch_of_ours_cut_short_is_never_whole(
    batch: list[tuple[Envelope, bytes]], data: st.DataObject
) -> None:
    body = write(batch, [100], is_esmtp=True)
    size = data.draw(st.integers(0, len(body) - 1))
    try:
        reader, _ = read([body[:size]])
    except GatewayError:
        return
    raise AssertionError(f"{size} of {len(body)} bytes passed as a whole batch: {reader.message_count}")


@given(WILD_BYTES, SIZES)
@example(b"MAIL FROM:<>\nRCPT TO:<a@b>\nDATA\n\r\n.\r\n.\n", [1])
@example(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n\n.\r\n.\r\n", [1])
@example(b"MAIL FROM:<a\xffb>\r\nRCPT TO:<\xff>\r\nDATA\r\n.\r\n", [3])
def test_garbage_has_one_outcome_however_it_is_cut(garbage: bytes, sizes: list[int]) -> None:
    limits = BatchLimits(command_bytes=64, recipient_count=2, message_bytes=64, message_count=3)
    for prefix in (b"", b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n", b"MAIL FROM:<>\nRCPT TO:<a@b>\nDATA\n"):
        outcomes = []
        for chunks in ([prefix + garbage], cut(prefix + garbage, sizes)):
            try:
                reader, events = read(chunks, limits)
            except GatewayError as error:
                outcomes.append(repr(error))
            else:
                kept = [event for event in events if not isinstance(event, MessageData)]
                outcomes.append(repr((kept, reader.message_count)))
        assert outcomes[0] == outcomes[1]
