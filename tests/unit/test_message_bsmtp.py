from collections.abc import Iterator

import pytest

from gateway.errors import BadAddress, BadBatch, MessageError
from gateway.ids import BatchId
from gateway.message.bsmtp import (
    BatchLimits,
    BatchReader,
    BatchWriter,
    Event,
    MessageData,
    MessageEnd,
    MessageRefused,
    MessageStart,
    RecipientRefused,
    check_envelope,
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

BATCH_ID = BatchId(bytes.fromhex("0123456789abcdef0123456789abcdef"))
GREETING = b"HELO 0123456789abcdef0123456789abcdef.%d.batch.nncp-gateway.invalid\r\n"
START = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"
SMALL = START + b"Subject: x\r\n\r\nhi\r\n.\r\n"
ENVELOPE = Envelope("a@a.test", ("b@b.test",))
SMALL_EVENTS: list[Event] = [
    MessageStart(ENVELOPE),
    MessageData(b"Subject: x\r\n\r\nhi\r\n"),
    MessageEnd(18, is_8bit=False),
]


def read(batch: bytes, limits: BatchLimits | None = None) -> list[Event]:
    """Events of a whole batch, its data in one piece for each message."""
    reader = BatchReader(limits)
    events = reader.feed(batch)
    reader.finish()
    return events


def write(*messages: tuple[Envelope, list[bytes]], is_esmtp: bool = False) -> bytes:
    writer = BatchWriter(is_esmtp=is_esmtp)

    def chunks() -> Iterator[bytes]:
        yield writer.start(BATCH_ID, len(messages))
        for envelope, content in messages:
            yield from writer.message(envelope, content)
        yield writer.end()

    return b"".join(chunks())


def test_batch_for_a_stock_receiver_is_written_without_parameters() -> None:
    envelope = Envelope("a@a.test", ("b@b.test", "postmaster"), is_8bit=True, is_smtputf8=True)
    assert write((envelope, [b"x\r\n.\r", b"\n\xff"]), (Envelope("", ("c@b.test",)), [])) == (
        b"HELO 0123456789abcdef0123456789abcdef.2.batch.nncp-gateway.invalid\r\n"
        b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<postmaster>\r\nDATA\r\n"
        b"x\r\n..\r\n\xff\r\n.\r\n"
        b"MAIL FROM:<>\r\nRCPT TO:<c@b.test>\r\nDATA\r\n.\r\n"
        b"QUIT\r\n"
    )


def test_batch_for_a_gateway_declares_what_the_messages_are() -> None:
    plain = (ENVELOPE, [b"x\r\n"])
    eight_bit = (Envelope("a@a.test", ("b@b.test",), is_8bit=True), [b"x\r\n"])
    utf8 = (Envelope("é@a.test", ("b@b.test",), is_8bit=True), [b"x\r\n"])
    asked = (
        Envelope(
            "a@a.test",
            ("b@b.test", "c@b.test"),
            options=MailOptions("q1", Return.FULL, 0, DeliverBy(-0.5, LateAction.RETURN)),
            recipient_options={"b@b.test": RecipientOptions(frozenset({Notify.NEVER}), "x;y")},
        ),
        [b"x\r\n"],
    )
    lines = write(plain, eight_bit, utf8, asked, is_esmtp=True).decode().split("\r\n")
    assert lines[0].startswith("EHLO ")
    assert [line for line in lines if line.startswith(("MAIL", "RCPT"))] == [
        "MAIL FROM:<a@a.test>",
        "RCPT TO:<b@b.test>",
        "MAIL FROM:<a@a.test> BODY=8BITMIME",
        "RCPT TO:<b@b.test>",
        "MAIL FROM:<é@a.test> BODY=8BITMIME SMTPUTF8",
        "RCPT TO:<b@b.test>",
        "MAIL FROM:<a@a.test> RET=FULL ENVID=q1 MT-PRIORITY=0 BY=1;R",
        "RCPT TO:<b@b.test> NOTIFY=NEVER ORCPT=x;y",
        "RCPT TO:<c@b.test>",
    ]
    assert not any("=" in line for line in write(asked).decode().split("\r\n")), "exim -bS stops at one"


def test_a_batch_with_lf_and_its_name_beside_it_is_the_same_batch() -> None:
    content = [b".dot\r", b"\n.", b"\r\n\r\nno end"]
    writer = BatchWriter(is_esmtp=True, eol=b"\n")
    name = writer.announce(BATCH_ID, 1)
    batch = b"".join([*writer.message(ENVELOPE, content), writer.end()])
    assert b"\r" not in batch
    assert batch.startswith(b"MAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nDATA\n..dot\n")
    reader = BatchReader()
    reader.announce(name)
    events = reader.feed(batch)
    reader.finish()
    data = b"".join(event.data for event in events if isinstance(event, MessageData))
    assert data == b"".join(content) + b"\r\n"
    assert (reader.batch_id, reader.expected_count) == (BATCH_ID, 1)


def test_a_batch_that_was_announced_must_hold_what_was_announced() -> None:
    reader = BatchReader()
    reader.announce(BatchWriter().announce(BATCH_ID, 2))
    reader.feed(SMALL + b"QUIT\r\n")
    with pytest.raises(BadBatch, match="announced 2 messages and holds 1"):
        reader.finish()


@pytest.mark.parametrize(
    "name", [b"", b"bob@b.test", b"--verbose", b"x\r\nRSET\r\n.batch.nncp-gateway.invalid"]
)
def test_an_argument_that_is_no_name_of_a_batch_counts_not(name: bytes) -> None:
    reader = BatchReader()
    reader.announce(name)
    assert reader.feed(SMALL) == SMALL_EVENTS
    reader.finish()
    assert reader.batch_id is None


def test_a_name_that_is_nearly_one_of_a_batch_is_a_fault() -> None:
    with pytest.raises(BadBatch, match=r"is not ID\.COUNT"):
        BatchReader().announce(b"x.1.batch.nncp-gateway.invalid")


@pytest.mark.parametrize("content", [[b"a\nb"], [b"a", b"\n"], [b"a\r"], [b"\r", b"a"], [b"\0"]])
def test_content_with_a_stray_is_not_written(content: list[bytes]) -> None:
    writer = BatchWriter()
    writer.start(BATCH_ID, 1)
    with pytest.raises(MessageError, match="at offset"):
        b"".join(writer.message(ENVELOPE, content))
    with pytest.raises(AssertionError):
        writer.end()


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope("a@a.test", ()),
        Envelope("a@a.test>\r\nRCPT TO:<evil@x", ("b@b.test",)),
        Envelope("a@a.test", ("b@b.test\r\nDATA",)),
        Envelope("postmaster", ("b@b.test",)),
        Envelope("a@a.test", ("",)),
    ],
)
def test_envelope_that_would_not_be_read_is_not_written(envelope: Envelope) -> None:
    for is_esmtp in (False, True):
        with pytest.raises(BadAddress):
            check_envelope(envelope, is_esmtp=is_esmtp)
        with pytest.raises(BadAddress):
            write((envelope, []), is_esmtp=is_esmtp)


@pytest.mark.parametrize("address", ["x@[127.0.0.1]", "x@bücher.example", "x@under_score.test"])
def test_domain_that_exim_refuses_goes_to_gateways_only(address: str) -> None:
    for envelope in (Envelope(address, ("b@b.test",)), Envelope("", ("b@b.test", address))):
        check_envelope(envelope, is_esmtp=True)
        with pytest.raises(BadAddress, match="stock receiver"):
            check_envelope(envelope, is_esmtp=False)


def test_writer_keeps_to_the_announced_count() -> None:
    writer = BatchWriter()
    with pytest.raises(AssertionError):
        b"".join(writer.message(ENVELOPE, []))
    with pytest.raises(AssertionError):
        writer.start(BATCH_ID, 0)
    writer.start(BATCH_ID, 1)
    with pytest.raises(AssertionError):
        writer.start(BATCH_ID, 1)
    with pytest.raises(AssertionError):
        writer.end()
    b"".join(writer.message(ENVELOPE, []))
    with pytest.raises(AssertionError):
        b"".join(writer.message(ENVELOPE, []))
    assert writer.end() == b"QUIT\r\n"


def test_message_left_half_written_blocks_the_batch() -> None:
    writer = BatchWriter()
    writer.start(BATCH_ID, 2)
    assert next(writer.message(ENVELOPE, [b"x"])).startswith(b"MAIL")
    with pytest.raises(AssertionError):
        next(writer.message(ENVELOPE, [b"x"]))


def test_batch_of_ours_is_known_by_its_greeting() -> None:
    reader = BatchReader()
    events = reader.feed(GREETING % 2 + SMALL + SMALL + b"QUIT\r\n")
    reader.finish()
    assert events == SMALL_EVENTS * 2
    assert (reader.batch_id, reader.expected_count, reader.message_count) == (BATCH_ID, 2, 2)


def test_stock_batch_needs_neither_greeting_nor_quit() -> None:
    reader = BatchReader()
    assert reader.feed(SMALL) == SMALL_EVENTS
    reader.finish()
    assert (reader.batch_id, reader.expected_count, reader.message_count) == (None, None, 1)


def test_commands_are_read_in_any_case_and_spacing() -> None:
    batch = (
        b"ehlo Mx.Example.ORG\r\nverb on\r\nNOOP\r\nvrfy x\r\nmail From: <a@a.test>  \r\n"
        b"rcpt to:<b@b.test>\r\n\r\ndata\r\nSubject: x\r\n\r\nhi\r\n.\r\nRSET\r\nquit\r\n\r\n\n"
    )
    assert read(batch) == SMALL_EVENTS


def test_batch_in_lf_comes_out_in_crlf() -> None:
    assert read(SMALL.replace(b"\r\n", b"\n")) == SMALL_EVENTS
    assert read(b"MAIL FROM:<>\nRCPT TO:<b@b.test>\nDATA\n..\n.\n")[1] == MessageData(b".\r\n")


def test_each_message_has_the_line_end_of_its_data() -> None:
    lf = SMALL.replace(b"\r\n", b"\n")
    assert read(b"HELO x\n" + SMALL + lf + SMALL + b"QUIT\n") == SMALL_EVENTS * 3


def test_parameters_are_read_or_passed_over() -> None:
    batch = (
        "MAIL FROM:<é@a.test> size=10 BODY=8BITMIME SMTPUTF8 ret=hdrs ENVID=q1 AUTH=<> MT-PRIORITY=3"
        " BY=-5;NT\r\n"
        "RCPT TO:<b@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bx@b.test\r\n"
        "RCPT TO:<c@b.test> ORCPT=utf-8;é@b.test\r\nDATA\r\n.\r\n"
    )
    envelope = Envelope(
        "é@a.test",
        ("b@b.test", "c@b.test"),
        is_8bit=True,
        is_smtputf8=True,
        options=MailOptions("q1", Return.HEADERS, 3, DeliverBy(-5, LateAction.NOTIFY, is_traced=True)),
        recipient_options={
            "b@b.test": RecipientOptions(frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;b+2Bx@b.test"),
            "c@b.test": RecipientOptions(orcpt="utf-8;é@b.test"),
        },
    )
    assert read(batch.encode()) == [MessageStart(envelope), MessageEnd(0, is_8bit=False)]


def test_utf8_address_without_the_parameter_is_noted() -> None:
    events = read("MAIL FROM:<a@a.test> BODY=7BIT\nRCPT TO:<é@b.test>\nDATA\n\u00e9\n.\n".encode())
    start, _, end = events
    assert start == MessageStart(Envelope("a@a.test", ("é@b.test",), is_smtputf8=True))
    assert end == MessageEnd(4, is_8bit=True)


@pytest.mark.parametrize(
    "parameters",
    ["BODY=BINARYMIME", "BODY", "SMTPUTF8=1", "REQUIRETLS", "X=", "=x", "-X", "a\x7f", "RET=BODY", "BY=0;R"],
)
def test_message_with_an_unknown_parameter_is_refused_alone(parameters: str) -> None:
    mail = f"MAIL FROM:<a@a.test> {parameters}\r\nRCPT TO:<b@b.test>\r\nDATA\r\nx\r\n.\r\n"
    refused, *rest = read(mail.encode() + SMALL)
    assert isinstance(refused, MessageRefused)
    assert refused.envelope.recipients == ("b@b.test",)
    assert refused.status in {"5.5.4", "5.1.7"}
    assert rest == SMALL_EVENTS


def test_a_recipient_named_twice_has_what_was_asked_for_either() -> None:
    batch = (
        b"MAIL FROM:<>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<b@b.test> NOTIFY=SUCCESS ORCPT=x;1\r\n"
        b"RCPT TO:<b@b.test> NOTIFY=NEVER ORCPT=x;2\r\nDATA\r\n.\r\n"
    )
    start, _ = read(batch)
    assert isinstance(start, MessageStart)
    assert start.envelope.recipients == ("b@b.test",) * 3
    every = frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY})
    assert start.envelope.options_of("b@b.test") == RecipientOptions(every, "x;1")


def test_bad_recipient_in_the_middle_is_refused_alone() -> None:
    batch = (
        b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<bad address@b.test>\r\n"
        b"RCPT TO:<d@b.test> X-UNKNOWN=1\r\nRCPT TO:e@b.test\r\nRCPT TO:<>\r\nRCPT TO:<f@b.test>\r\n"
        b"DATA\r\n.\r\n"
    )
    *refused, start, end = read(batch)
    assert [event.address for event in refused if isinstance(event, RecipientRefused)] == [
        "bad address@b.test",
        "d@b.test",
        "e@b.test",
        "",
    ]
    assert {event.sender for event in refused if isinstance(event, RecipientRefused)} == {"a@a.test"}
    assert start == MessageStart(Envelope("a@a.test", ("b@b.test", "f@b.test")))
    assert end == MessageEnd(0, is_8bit=False)


def test_message_without_a_valid_recipient_is_refused() -> None:
    batch = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\nDATA\r\nx\r\n.\r\n"
    first, second, third, *rest = read(batch + SMALL)
    assert isinstance(first, RecipientRefused)
    assert isinstance(second, MessageRefused)
    assert second.status == "5.5.1"
    assert isinstance(third, MessageRefused)
    assert rest == SMALL_EVENTS


@pytest.mark.parametrize("sender", [b"<a b@a.test>", b"a@a.test", b"<\xff@a.test>", b"", b"<MAILER-DAEMON>"])
def test_message_with_a_bad_sender_is_refused_alone(sender: bytes) -> None:
    bad = b"MAIL FROM:" + sender + b"\r\nRCPT TO:<b@b.test>\r\nDATA\r\nx\r\n.\r\n"
    refused, *rest = read(bad + SMALL)
    assert isinstance(refused, MessageRefused)
    assert refused.envelope == Envelope("", ("b@b.test",))
    assert refused.status == "5.1.7"
    assert rest == SMALL_EVENTS


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"ab\ncd\r\n", "bare LF at offset 2"),
        (b"ab\rcd\r\n", "bare CR at offset 2"),
        (b"ab\r\r\n", "bare CR at offset 2"),
        (b"ab\0\r\n", "NUL at offset 2"),
        (b"ab\n.\nMAIL FROM:<x@y>\r\n", "bare LF at offset 2"),
        (b"ab\n.\r\nMAIL FROM:<x@y>\r\n", "bare LF at offset 2"),
        (b"ab\r\n.\nQUIT\r\n", "bare LF at offset 4"),
    ],
)
def test_message_with_a_stray_is_refused_alone(content: bytes, text: str) -> None:
    batch = START + content + b".\r\n" + SMALL
    start, refused, *rest = [event for event in read(batch) if not isinstance(event, MessageData)]
    assert start == MessageStart(ENVELOPE)
    assert isinstance(refused, MessageRefused)
    assert text in refused.text
    assert refused.envelope == ENVELOPE
    assert rest == [SMALL_EVENTS[0], SMALL_EVENTS[2]]


def test_bare_cr_in_an_lf_message_is_refused() -> None:
    batch = START.replace(b"\r\n", b"\n") + b"ab\r\n.\r\nMAIL FROM:<x@y>\n.\n"
    start, refused = read(batch)
    assert start == MessageStart(ENVELOPE)
    assert isinstance(refused, MessageRefused)
    assert "bare CR at offset 2" in refused.text


def test_message_over_the_limit_is_refused_and_the_next_is_read() -> None:
    limits = BatchLimits(message_bytes=18)
    large = START + b"x" * 17 + b"\r\n" + b"more\n\r\n" * 100 + b".\r\n"
    reader = BatchReader(limits)
    events: list[Event] = []
    batch = large + SMALL
    for offset in range(0, len(batch), 7):
        events += reader.feed(batch[offset : offset + 7])
    reader.finish()
    refused = [event for event in events if isinstance(event, MessageRefused)]
    assert [(event.status, event.envelope) for event in refused] == [("5.3.4", ENVELOPE)]
    assert events[-1] == SMALL_EVENTS[-1]
    assert sum(len(event.data) for event in events if isinstance(event, MessageData)) <= 18 + 18


def test_recipients_over_the_limit_are_refused_and_bounded() -> None:
    limits = BatchLimits(recipient_count=2)
    recipients = [f"r{number}@b.test" for number in range(5)]
    batch = "MAIL FROM:<>\r\n" + "".join(f"RCPT TO:<{address}>\r\n" for address in recipients)
    *refused, start, _ = read(batch.encode() + b"DATA\r\n.\r\n", limits)
    assert start == MessageStart(Envelope("", tuple(recipients[:2])))
    assert [event.status for event in refused if isinstance(event, RecipientRefused)] == ["5.5.3"] * 3
    with pytest.raises(BadBatch, match="bad recipients"):
        read(b"MAIL FROM:<>\r\n" + b"RCPT TO:<>\r\n" * 201, limits)


def test_hundreds_of_recipients_are_one_message() -> None:
    recipients = tuple(f"r{number}@b.test" for number in range(250))
    envelope = Envelope("", recipients)
    assert read(write((envelope, [])))[0] == MessageStart(envelope)


def test_reset_forgets_the_message_and_its_refusals() -> None:
    assert read(b"MAIL FROM:<x@y>\r\nRCPT TO:<b>\r\nRSET\r\n" + SMALL) == SMALL_EVENTS
    assert read(b"MAIL FROM:<x@y>\r\nRCPT TO:<b>\r\nHELO x\r\n" + SMALL) == SMALL_EVENTS


@pytest.mark.parametrize(
    "batch",
    [
        b"RCPT TO:<b@b.test>\r\n",
        b"DATA\r\n",
        b"MAIL FROM:<>\r\nMAIL FROM:<>\r\n",
        b"MAIL FROM:<>\r\nRCPT TO:<b@b.test>\r\nDATA now\r\n",
        b"MAIL FROM:<>\r\nQUIT\r\n",
        b"MAIL\tFROM:<>\r\n",
        b"MAIL FROM:<>\0\r\n",
        b"MAIL FROM:<>\rRCPT TO:<x@y>\r\n",
        b"BDAT 5 LAST\r\nhello",
        b"Subject: a mail, not a batch\r\n",
        b"#! rnews 100\n",
        b"  \r\n",
        b"QUIT\r\nMAIL FROM:<>\r\n",
        b"QUIT\r\n \r\n",
        b"NOOP " + b"x" * 5000,
        b"NOOP " + b"x" * 5000 + b"\r\n",
        SMALL + GREETING % 1,
        GREETING % 1 + GREETING % 1,
        b"HELO x.1.batch.nncp-gateway.invalid\r\n",
        b"HELO 0123456789abcdef0123456789abcdef.batch.nncp-gateway.invalid\r\n",
        GREETING % 1 + SMALL + SMALL,
    ],
)
def test_batch_that_can_not_be_followed_is_bad_for_good(batch: bytes) -> None:
    reader = BatchReader()
    with pytest.raises(BadBatch) as first:
        reader.feed(batch)
    for call in (lambda: reader.feed(SMALL), reader.finish):
        with pytest.raises(BadBatch) as later:
            call()
        assert str(later.value) == str(first.value)
    assert str(first.value).isprintable()


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (b"", "no message and no QUIT"),
        (b"HELO x\r\n", "no message and no QUIT"),
        (SMALL[:-1], "inside a message"),
        (SMALL[:-3], "inside a message"),
        (START, "inside a message"),
        (START + b"x\r\n.", "inside a message"),
        (START[:-6], "between MAIL and DATA"),
        (SMALL + b"QUIT", "inside a line"),
        (SMALL + b"MAIL FR", "inside a line"),
        (GREETING % 1 + SMALL, "without QUIT, after 1 messages of 1"),
        (GREETING % 2 + SMALL, "without QUIT, after 1 messages of 2"),
        (GREETING % 2 + SMALL + b"QUIT\r\n", "announced 2 messages and holds 1"),
    ],
)
def test_batch_that_ends_too_soon_is_bad(batch: bytes, text: str) -> None:
    reader = BatchReader()
    reader.feed(batch)
    with pytest.raises(BadBatch, match=text):
        reader.finish()
    with pytest.raises(BadBatch, match=text):
        reader.feed(b"QUIT\r\n")


def test_empty_batch_with_quit_is_whole() -> None:
    assert read(b"HELO x\r\nQUIT\r\n") == []


def test_too_many_messages_are_a_bad_batch() -> None:
    limits = BatchLimits(message_count=2)
    assert len(read(SMALL * 2, limits)) == 6
    with pytest.raises(BadBatch, match="more than 2 messages"):
        read(SMALL * 3, limits)


def test_refused_messages_count_towards_the_announced_number() -> None:
    refused = START + b"a\nb\r\n.\r\n"
    reader = BatchReader()
    reader.feed(GREETING % 2 + refused + SMALL + b"QUIT\r\n")
    reader.finish()
    assert reader.message_count == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b".\r\n",
        b"..\r\n.\r\n.x\r\n",
        b"From x Thu Jan 1\r\nFrom y\r\n\r\nFrom z\r\n",
        b"no header, no end of line",
        b"x" * 20_000 + b"\r\n",
        bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n",
        b"\r\n.\r\nQUIT\r\n.\r\nMAIL FROM:<x@y>\r\n",
    ],
)
def test_hostile_content_comes_out_as_it_went_in(content: bytes) -> None:
    batch = write((ENVELOPE, [content]), (ENVELOPE, [content]))
    for size in (1, 2, 3, 5, 64, len(batch)):
        reader = BatchReader()
        events: list[Event] = []
        for offset in range(0, len(batch), size):
            events += reader.feed(batch[offset : offset + size])
        reader.finish()
        data = b"".join(event.data for event in events if isinstance(event, MessageData))
        whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
        assert data == whole * 2
        assert sum(isinstance(event, MessageEnd) for event in events) == 2
