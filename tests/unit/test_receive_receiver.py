"""A payload is in the inbox whole and once, or set aside with a record, or left to be tried again."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadBlock, ConfigError, StoreFull, TooLarge
from gateway.ids import PacketId
from gateway.message.bsmtp import BatchWriter
from gateway.message.bsmtp_dialogue import BatchLimits
from gateway.message.envelope import MailOptions, Notify, RecipientOptions, Return
from gateway.msgqueue.entry import State
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from gateway.receive.quarantine import Source
from gateway.receive.receiver import KEPT_COUNT, NNCPNET, RSMTP, SINGLE, Receipt
from gateway.receive.unpack import CutShort
from tests.support.messages import NODE_A
from tests.support.received import (
    BATCH,
    BODY,
    PACKET,
    batch_of,
    body_of,
    inbox,
    leftovers,
    pair,
    receive,
    receiver,
    take,
    take_rmail,
    take_sendmail,
    without_trace,
)

OTHER_PACKET = PacketId(b"\x02" * 32)
LARGE = b"Subject: large\r\n\r\n" + b"x" * INLINE_BODY_BYTES + b"\r\n"
MAIL = b"Return-Path: <alice@a.test>\nSubject: test\n\nhello\n"


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened
        assert list(leftovers(tmp_path)) == []


def states(queue: Queue) -> list[tuple[str, State, str]]:
    return [
        (delivery.recipient, delivery.state, delivery.status)
        for view in inbox(queue)
        for delivery in view.deliveries
    ]


def quarantined(queue: Queue) -> list[bytes]:
    return [path.read_bytes() for path in (queue.directory / "quarantine").glob("*.batch")]


def test_the_messages_of_a_batch_are_in_the_inbox(queue: Queue) -> None:
    pairs = [pair("bob@b.test", "carl@b.test"), pair(sender="", body=LARGE), pair(body=b"\xff\r\n.\r\n")]
    assert take(queue, batch_of(pairs)) == Receipt(message_count=3)
    views = inbox(queue)
    assert [view.sender for view in views] == ["alice@a.test", "", "alice@a.test"]
    assert [len(view.deliveries) for view in views] == [2, 1, 1]
    assert [without_trace(body_of(queue, view)) for view in views] == [body for _, body in pairs]
    assert {(view.origin, view.origin_node) for view in views} == {("a", NODE_A.text)}
    assert {(view.origin_batch, view.origin_packet) for view in views} == {(BATCH.text, PACKET.text)}
    assert views[0].message_id == "<1@a.test>"
    assert [message.envelope.is_8bit for message in Inbox(queue).due(10)] == [False, False, True]


def test_one_trace_field_says_where_the_message_came_from(queue: Queue) -> None:
    take(queue, batch_of([pair(), pair("bob@b.test", "carl@b.test")]))
    single, several = (body_of(queue, view) for view in inbox(queue))
    (view, _) = inbox(queue)
    assert single.startswith(
        f"Received: from a\r\n\tby mx.b.test with NNCP id {view.id}\r\n\tfor <bob@b.test>;\r\n\t".encode()
    )
    assert b"carl" not in several


def test_what_the_sender_asked_for_comes_with_the_message(queue: Queue) -> None:
    payload = (
        b"MAIL FROM:<alice@a.test> RET=HDRS ENVID=q1 MT-PRIORITY=-3 BY=600;N\r\n"
        b"RCPT TO:<bob@b.test> NOTIFY=SUCCESS ORCPT=rfc822;info@b.test\r\nRCPT TO:<carl@b.test>\r\n"
        b"DATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"
    )
    assert take(queue, payload) == Receipt(message_count=1)
    (message,) = Inbox(queue).due(1)
    deliver_by = message.envelope.options.deliver_by
    assert deliver_by is not None
    assert 0 < deliver_by.seconds <= 600
    assert replace(message.envelope.options, deliver_by=None) == MailOptions("q1", Return.HEADERS, -3)
    assert message.envelope.recipient_options == {
        "bob@b.test": RecipientOptions(frozenset({Notify.SUCCESS}), "rfc822;info@b.test")
    }


def test_a_batch_may_be_cut_anywhere(queue: Queue) -> None:
    payload = batch_of([pair(), pair()])
    assert take(queue, [payload[at : at + 1] for at in range(len(payload))]).message_count == 2


def test_a_second_copy_changes_nothing_and_is_logged(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    payload = batch_of([pair(body=LARGE)])
    take(queue, payload)
    with caplog.at_level(logging.INFO, "gateway.mail"):
        assert take(queue, payload, OTHER_PACKET) == Receipt(is_duplicate=True)
    assert [record.getMessage() for record in caplog.records] == [
        f"event=duplicate node=a batch={BATCH.text} packet={OTHER_PACKET.text} first-packet={PACKET.text}"
    ]
    assert len(inbox(queue)) == 1
    assert len(list(queue.bodies.directory.iterdir())) == 1


def test_a_batch_of_ours_is_known_under_a_tosser_that_does_not_tell_the_packet(queue: Queue) -> None:
    payload = batch_of([pair()])
    assert [take(queue, payload, None).is_duplicate for _ in range(2)] == [False, True]


def test_a_batch_is_known_by_the_name_that_came_as_an_argument(queue: Queue) -> None:
    name = BatchWriter().announce(BATCH, 1)
    payload = b"MAIL FROM:<alice@a.test>\nRCPT TO:<bob@b.test>\nDATA\nSubject: x\n\nhello\n.\nQUIT\n"
    source = Source(NODE_A, "a", None, "rsmtp", (name,))
    for is_duplicate in (False, True):
        with receiver(queue).begin(source) as reception:
            assert reception.take_all([payload]).is_duplicate is is_duplicate
    assert len(inbox(queue)) == 1


def test_a_stock_batch_is_known_by_its_packet_alone(queue: Queue) -> None:
    payload = b"MAIL FROM:<alice@a.test>\nRCPT TO:<bob@b.test>\nDATA\nSubject: x\n\nhello\n.\n"
    assert not take(queue, payload).is_duplicate
    assert take(queue, payload).is_duplicate
    assert [take(queue, payload, None).is_duplicate for _ in range(2)] == [False, False]
    assert {without_trace(body_of(queue, view)) for view in inbox(queue)} == {b"Subject: x\r\n\r\nhello\r\n"}


def test_mail_for_others_is_a_dead_letter(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        receipt = take(queue, batch_of([pair("bob@b.test", "eve@elsewhere.test")]))
    assert receipt == Receipt(message_count=1, dead_count=1)
    assert states(queue) == [
        ("bob@b.test", State.QUEUED, ""),
        ("eve@elsewhere.test", State.DEAD, "5.7.1"),
    ]
    (view,) = inbox(queue)
    front = f"id={view.id} message-id=<1@a.test> from=alice@a.test"
    back = f"node=a batch={BATCH.text} packet={PACKET.text}"
    why = f'status=5.7.1 text="{view.deliveries[1].text}"'
    assert [record.getMessage() for record in caplog.records] == [
        f"event=unpacked {front} to=bob@b.test {back}",
        f"event=dead {front} to=eve@elsewhere.test {back} {why}",
    ]


def test_without_local_domains_nothing_is_delivered(queue: Queue) -> None:
    take(queue, batch_of([pair()]), local_domains=())
    assert states(queue) == [("bob@b.test", State.DEAD, "5.7.1")]


def test_local_domains_may_be_written_in_any_case(queue: Queue) -> None:
    take(queue, batch_of([pair("bob@B.Test")]), local_domains=("b.TEST",))
    assert states(queue)[0][1] is State.QUEUED


@pytest.mark.parametrize(("hop_count", "state"), [(3, State.QUEUED), (4, State.DEAD)])
def test_a_message_that_goes_in_circles_is_a_dead_letter(queue: Queue, hop_count: int, state: State) -> None:
    body = b"Received: from x\r\n" * hop_count + b"\r\nReceived: in the body\r\n"
    take(queue, batch_of([pair(body=body)]), max_hops=3)
    assert states(queue) == [("bob@b.test", state, "5.4.6" if state is State.DEAD else "")]
    assert without_trace(body_of(queue, inbox(queue)[0])) == body


def test_bad_recipients_are_dead_letters_and_the_others_go_on(queue: Queue) -> None:
    payload = (
        b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nRCPT TO:<no address>\r\n"
        b"RCPT TO:<a..b@b.test>\r\nDATA\r\nhello\r\n.\r\n"
        b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<carl@b.test>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n"
    )
    assert take(queue, payload) == Receipt(message_count=2, dead_count=2)
    assert states(queue) == [
        ("bob@b.test", State.QUEUED, ""),
        ("no address", State.DEAD, "5.1.3"),
        ("a..b@b.test", State.DEAD, "5.1.3"),
        ("carl@b.test", State.QUEUED, ""),
    ]


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\nbare\nlf\r\n.\r\n", "5.6.0"),
        (
            b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n" + b"x" * 500 + b"\r\n.\r\n",
            "5.3.4",
        ),
        (b"MAIL FROM:<not an address>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\nhello\r\n.\r\n", "5.1.7"),
        (b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob>\r\nDATA\r\nhello\r\n.\r\n", "5.1.3"),
        (b"MAIL FROM:<alice@a.test>\r\nDATA\r\nhello\r\n.\r\n", "5.5.1"),
    ],
)
def test_a_bad_message_is_a_record_and_its_batch_is_kept(queue: Queue, bad: bytes, status: str) -> None:
    good = b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<carl@b.test>\r\nDATA\r\nhello\r\n.\r\n"
    payload = good + bad + good
    receipt = take(queue, payload, limits=BatchLimits(message_bytes=400))
    assert (receipt.message_count, receipt.dead_count) == (3, 1)
    assert [state for _, state, _ in states(queue)] == [State.QUEUED, State.DEAD, State.QUEUED]
    assert states(queue)[1][2] == status
    assert inbox(queue)[1].size_bytes == 0
    assert quarantined(queue) == [payload]
    if status != "5.1.3":
        assert receipt.quarantine_id is not None
        assert receipt.quarantine_id in inbox(queue)[1].deliveries[0].text


def test_a_large_message_that_turns_bad_leaves_no_body(queue: Queue) -> None:
    payload = b"MAIL FROM:<>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n" + LARGE + b"bare\nlf\r\n.\r\nQUIT\r\n"
    take(queue, payload)
    assert states(queue) == [("bob@b.test", State.DEAD, "5.6.0")]
    assert list(queue.bodies.directory.iterdir()) == []


WHOLE = batch_of([pair(), pair(body=LARGE)])
UNREADABLE = [
    b"junk\r\n",
    WHOLE + b"MAIL FROM:<>\r\n",
    WHOLE.replace(b".2.batch", b".1.batch"),
    WHOLE[: WHOLE.index(b"DATA")] + b"QUIT\r\n",
    b"HELO x\r\nQUIT\r\n",
    b"x" * 5000,
]


@pytest.mark.parametrize("packet", [PACKET, None])
@pytest.mark.parametrize("payload", UNREADABLE)
def test_a_batch_that_can_not_be_read_is_set_aside_and_the_packet_may_go(
    queue: Queue, caplog: pytest.LogCaptureFixture, payload: bytes, packet: PacketId | None
) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        receipt = take(queue, payload, packet)
    assert receipt.message_count == 0
    assert receipt.quarantine_id is not None
    assert inbox(queue) == []
    assert list(queue.bodies.directory.iterdir()) == []
    assert quarantined(queue) == [payload]
    (record,) = caplog.records
    assert record.getMessage().startswith("event=quarantined node=a ")
    assert receipt.quarantine_id in record.getMessage()


CUT = [WHOLE[:size] for size in (1, 30, 60, 100, 200, len(WHOLE) // 2, len(WHOLE) - 20, len(WHOLE) - 6)]


@pytest.mark.parametrize("payload", [b"", *CUT])
def test_a_batch_cut_short_stays_with_a_tosser_that_may_have_cut_it(queue: Queue, payload: bytes) -> None:
    for _ in range(2):
        with pytest.raises(CutShort) as caught:
            take(queue, payload, None)
        assert caught.value.is_temporary
    assert inbox(queue) == []
    assert quarantined(queue) == []
    assert take(queue, WHOLE, None).message_count == 2


@pytest.mark.parametrize("payload", [b"", *CUT])
def test_a_batch_that_was_written_short_is_set_aside_once(queue: Queue, payload: bytes) -> None:
    kept = {take(queue, payload).quarantine_id for _ in range(3)}
    assert len(kept) == 1
    assert inbox(queue) == []
    assert quarantined(queue) == [payload]


def test_a_batch_over_the_limit_stays_where_it_is(queue: Queue) -> None:
    with pytest.raises(TooLarge) as caught:
        take(queue, WHOLE, max_batch_bytes=len(WHOLE) - 1)
    assert caught.value.is_temporary
    assert inbox(queue) == []
    assert take(queue, WHOLE, max_batch_bytes=len(WHOLE)).message_count == 2


def test_the_reserve_of_free_space_is_kept(tmp_path: Path) -> None:
    with Queue(tmp_path, Disk(is_syncing=False), reserve_bytes=1 << 60) as queue:
        with pytest.raises(StoreFull):
            take(queue, WHOLE)
        assert inbox(queue) == []
    assert list(leftovers(tmp_path)) == []


def test_a_payload_that_fails_on_the_way_leaves_nothing(queue: Queue) -> None:
    def failing() -> Iterator[bytes]:
        yield WHOLE[:-10]
        raise BadBlock("block 3 does not authenticate")

    with pytest.raises(BadBlock):
        take(queue, failing())
    assert inbox(queue) == []


def test_what_a_crash_left_is_swept(queue: Queue) -> None:
    (queue.directory / "incoming").mkdir()
    (queue.directory / "incoming/dead.payload").write_bytes(b"half")
    take(queue, WHOLE)
    assert len(inbox(queue)) == 2


def test_more_large_messages_than_files_may_be_open(queue: Queue) -> None:
    pairs = [pair(body=LARGE)] * 140
    assert take(queue, batch_of(pairs)).message_count == 140
    views = inbox(queue)
    assert {without_trace(body_of(queue, view)) for view in views} == {LARGE}
    assert len({view.id for view in views}) == 140


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([b"%d\r\n" % number for number in range(300)], id="all are kept"),
        pytest.param([b"%d\r\n" % number * 30_000 for number in range(30)], id="more bytes than are kept"),
        pytest.param(
            [b"x" * (INLINE_BODY_BYTES + size) + b"\r\n" for size in range(-160, 10, 40)],
            id="about as large as the database takes",
        ),
    ],
)
def test_a_batch_that_is_read_once_and_one_that_is_read_again_come_whole(
    queue: Queue, bodies: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert take(queue, batch_of([pair(body=body) for body in bodies])) == Receipt(message_count=len(bodies))
    views = inbox(queue)
    assert [without_trace(body_of(queue, view)) for view in views] == bodies
    told = [record.getMessage() for record in caplog.records if "event=unpacked" in record.getMessage()]
    assert [line.partition(" id=")[2].split()[0] for line in told] == [view.id for view in views]


@pytest.mark.parametrize("count", [KEPT_COUNT, KEPT_COUNT + 1])
def test_as_many_messages_as_are_kept_and_one_more(queue: Queue, count: int) -> None:
    assert take(queue, batch_of([pair(body=b"\r\n")] * count)) == Receipt(message_count=count)
    assert len({message.id for message in Inbox(queue).due(count + 1)}) == count


def test_a_sendmail_message_loses_its_return_path_and_gets_crlf(queue: Queue) -> None:
    assert take_sendmail(queue, MAIL, "bob@b.test", "carl@b.test") == Receipt(message_count=1)
    (view,) = inbox(queue)
    assert view.sender == "alice@a.test"
    assert [delivery.recipient for delivery in view.deliveries] == ["bob@b.test", "carl@b.test"]
    assert without_trace(body_of(queue, view)) == b"Subject: test\r\n\r\nhello\r\n"


def test_a_sendmail_message_comes_in_any_pieces(queue: Queue) -> None:
    body = b"".join(b"line %d\n" % number for number in range(100_000))
    payload = b"Return-Path: <>\n" + body
    chunks = [payload[at : at + 70_001] for at in range(0, len(payload), 70_001)]
    receive(receiver(queue), chunks, handle="sendmail", args=(b"bob@b.test",))
    assert without_trace(body_of(queue, inbox(queue)[0])) == body.replace(b"\n", b"\r\n")


def test_a_sendmail_packet_is_known_again(queue: Queue) -> None:
    assert [take_sendmail(queue, MAIL, "bob@b.test").is_duplicate for _ in range(2)] == [False, True]
    assert not take_sendmail(queue, MAIL, "bob@b.test", packet=OTHER_PACKET).is_duplicate


@pytest.mark.parametrize(
    "arg", ["-bp@b.test", "-t", "--", "-oQ/tmp@b.test", "no address", "", b"\xff@b.test", "a\nb@b.test"]
)
def test_an_argument_that_is_no_address_is_a_dead_letter(queue: Queue, arg: str | bytes) -> None:
    receipt = take_sendmail(queue, MAIL, arg, "bob@b.test")
    assert (receipt.message_count, receipt.dead_count) == (1, 1)
    assert [state for _, state, _ in states(queue)] == [State.QUEUED, State.DEAD]
    assert states(queue)[1][0].isprintable()


def test_the_postmaster_needs_no_domain(queue: Queue) -> None:
    take_sendmail(queue, MAIL, "Postmaster")
    assert states(queue) == [("postmaster@b.test", State.QUEUED, "")]


@pytest.mark.parametrize(
    ("payload", "args"),
    [
        (b"Subject: no sender\n\nhello\n", ["bob@b.test"]),
        (b"Return-Path: <not an address>\n\nhello\n", ["bob@b.test"]),
        (MAIL, []),
        (b"", ["bob@b.test"]),
    ],
)
def test_a_sendmail_payload_that_can_not_be_read_is_set_aside(
    queue: Queue, payload: bytes, args: list[str]
) -> None:
    receipt = take_sendmail(queue, payload, *args)
    assert receipt.quarantine_id is not None
    assert (inbox(queue), quarantined(queue)) == ([], [payload])


@pytest.mark.parametrize(
    ("body", "status"), [(b"NUL \0\n", "5.6.0"), (b"bare \r CR\n", "5.6.0"), (b"x" * 200 + b"\n", "5.3.4")]
)
def test_a_bad_sendmail_message_is_a_record(queue: Queue, body: bytes, status: str) -> None:
    receipt = take_sendmail(queue, MAIL + body, "bob@b.test", limits=BatchLimits(message_bytes=150))
    assert receipt.dead_count == 1
    assert states(queue) == [("bob@b.test", State.DEAD, status)]
    assert inbox(queue)[0].size_bytes == 0
    assert quarantined(queue) == [MAIL + body]


@pytest.mark.parametrize("payload", [b"", MAIL[:-1], MAIL[:10]])
def test_a_sendmail_message_without_its_last_line_end_may_be_cut_short(queue: Queue, payload: bytes) -> None:
    with pytest.raises(CutShort):
        take_sendmail(queue, payload, "bob@b.test", packet=None)
    assert (inbox(queue), quarantined(queue)) == ([], [])


def test_an_authenticated_message_needs_no_last_line_end(queue: Queue) -> None:
    take_sendmail(queue, MAIL[:-1], "bob@b.test")
    assert without_trace(body_of(queue, inbox(queue)[0])) == b"Subject: test\r\n\r\nhello"


@pytest.mark.parametrize(
    ("lines", "sender"),
    [
        (b"From alice@a.test Fri Nov 20 10:00:00 2026\n", "alice@a.test"),
        (b"From alice Fri Nov 20 10:00:00 2026 remote from a.test\r\n", "alice@a.test"),
        (b"From MAILER-DAEMON Fri Nov 20 10:00:00 2026\n", ""),
    ],
)
def test_an_rmail_message_has_its_sender_in_the_from_line(queue: Queue, lines: bytes, sender: str) -> None:
    assert take_rmail(queue, lines + BODY, b"bob@b.test", b"relay!b.test!carl").message_count == 1
    (view,) = inbox(queue)
    assert view.sender == sender
    assert [delivery.recipient for delivery in view.deliveries] == ["bob@b.test", "carl@b.test"]
    assert without_trace(body_of(queue, view)) == BODY


@pytest.mark.parametrize(
    ("payload", "args"),
    [
        (BODY, [b"bob@b.test"]),
        (b"From a,b Fri\n" + BODY, [b"bob@b.test"]),
        (b"From alice@a.test Fri\n" + BODY, []),
        (b"", [b"bob@b.test"]),
    ],
)
def test_an_rmail_payload_that_can_not_be_read_is_set_aside(
    queue: Queue, payload: bytes, args: list[bytes]
) -> None:
    assert take_rmail(queue, payload, *args).quarantine_id is not None
    assert (inbox(queue), quarantined(queue)) == ([], [payload])


def test_an_rmail_argument_that_is_no_address_is_a_dead_letter(queue: Queue) -> None:
    receipt = take_rmail(queue, b"From alice@a.test x\n" + BODY, b"-oQ@b.test", b"\xff@b.test", b"bob")
    assert (receipt.message_count, receipt.dead_count) == (1, 3)


def test_an_rmail_message_without_its_last_line_end_may_be_cut_short(queue: Queue) -> None:
    with pytest.raises(CutShort):
        take_rmail(queue, b"From alice@a.test x\nhello", b"bob@b.test", packet=None)
    assert inbox(queue) == []


@pytest.mark.parametrize(
    ("front", "sender"),
    [
        (b"From alice@a.test Fri Nov 20 10:00:00 2026\n", "alice@a.test"),
        (b"From MAILER-DAEMON Fri Nov 20 10:00:00 2026\n", ""),
        (b"Return-Path: <alice@a.test>\n", "alice@a.test"),
        (b"return-path: <>\r\n", ""),
        (b"", ""),
    ],
)
def test_a_message_of_nncpnet_has_its_sender_in_front_however_a_mail_server_writes_it(
    queue: Queue, front: bytes, sender: str
) -> None:
    args = (b"bob@b.test", b"hub!carl@b.test")
    assert take_rmail(queue, front + BODY, *args, handle=NNCPNET).message_count == 1
    (view,) = inbox(queue)
    assert view.sender == sender
    assert [delivery.recipient for delivery in view.deliveries] == ["bob@b.test", "hub!carl@b.test"]
    assert without_trace(body_of(queue, view)) == BODY


@pytest.mark.parametrize(
    ("payload", "args"),
    [
        (b"From a,b Fri\n" + BODY, [b"bob@b.test"]),
        (b"Return-Path: nobody\n" + BODY, [b"bob@b.test"]),
        (BODY, []),
    ],
)
def test_a_message_of_nncpnet_that_can_not_be_read_is_set_aside(
    queue: Queue, payload: bytes, args: list[bytes]
) -> None:
    assert take_rmail(queue, payload, *args, handle=NNCPNET).quarantine_id is not None
    assert (inbox(queue), quarantined(queue)) == ([], [payload])


def test_a_message_of_nncpnet_without_its_last_line_end_may_be_cut_short(queue: Queue) -> None:
    with pytest.raises(CutShort):
        take_rmail(queue, b"Subject: x\n\nhello", b"bob@b.test", packet=None, handle=NNCPNET)
    assert inbox(queue) == []


@pytest.mark.parametrize("handle", sorted({RSMTP, *SINGLE}))
def test_whatever_the_handle_a_payload_is_bounded(queue: Queue, handle: str) -> None:
    source = Source(NODE_A, "a", PACKET, handle, (b"bob@b.test",))
    with receiver(queue, max_batch_bytes=1000).begin(source) as reception, pytest.raises(TooLarge):
        reception.take_all(itertools.repeat(b"x" * 100))
    assert inbox(queue) == []
    assert list(leftovers(queue.directory)) == []


def test_utf8_addresses_need_smtputf8_further_on(queue: Queue) -> None:
    recipient = "b\N{LATIN SMALL LETTER O WITH DIAERESIS}b@b.test"
    take_sendmail(queue, MAIL, recipient)
    take(queue, batch_of([pair(recipient)]))
    assert [message.envelope.is_smtputf8 for message in Inbox(queue).due(10)] == [True, True]


def test_our_name_must_be_a_host_name(queue: Queue) -> None:
    with pytest.raises(ConfigError, match="host name"):
        receiver(queue, own_name="two words")
