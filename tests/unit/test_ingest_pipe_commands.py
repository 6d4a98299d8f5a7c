"""What each command makes of its arguments and its input."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import BadAddress, ConfigError, GatewayError, MessageError, UnknownNode, UsageFault
from gateway.exits import Caller
from gateway.ids import NodeId
from gateway.ingest.mail_command import LocalUser
from gateway.ingest.pipe_commands import PipeRequest, Wish
from gateway.ingest.routes import RecipientRefused
from gateway.message.envelope import MailOptions, Notify, RecipientOptions, Return
from gateway.msgqueue.entry import Role
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.store import INLINE_BODY_BYTES, Queue
from tests.support.endpoint import kept_messages
from tests.support.handing_in import NODE_B, commands, hand_in, request
from tests.support.messages import NODE_A

ALICE, BOB, CARL = "alice@a.test", "bob@b.test", "carl@b.test"
BODY = b"\r\nhello\r\n"
WHOLE = b"From: x@y\r\nDate: now\r\nMessage-ID: <1@x>\r\n"
ADDED = (
    b'Message-ID: <1234@mail.a.test>\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: "Alice A." <%s>\r\n'
)
NODE_TEXT = NODE_A.text


@dataclass(frozen=True, slots=True)
class Came:
    """A message of the queue."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@pytest.fixture
def queue(tmp_path: Path) -> Generator[Queue]:
    with Queue(tmp_path / "queue", Disk(is_syncing=False), reserve_bytes=0) as opened:
        yield opened


def came(queue: Queue) -> list[Came]:
    return [Came(kept.view.sender, kept.recipients, kept.content) for kept in kept_messages(queue)]


def run(queue: Queue, wish: PipeRequest, content: bytes) -> Came:
    """Run a command; the one message that came of it."""
    for size in (1 << 16, 7):
        hand_in(queue, wish, content, size)
    first, second = came(queue)
    assert first == second, "it depends on how the input is cut"
    return first


def test_send_changes_nothing(queue: Queue) -> None:
    header = b"Bcc: secret@x\nX: y\n"
    got = run(queue, request("send", "-f", "<>", "--", BOB), header + b"\n.\nhello\n")
    assert got == Came("", (BOB,), header.replace(b"\n", b"\r\n") + b"\r\n.\r\nhello\r\n")


@pytest.mark.parametrize(
    ("words", "sender", "recipients"),
    [
        ((BOB,), "alice@mail.a.test", (BOB,)),
        (("-f", "x@y.test", BOB, CARL), "x@y.test", (BOB, CARL)),
        (("-f", "", BOB), "", (BOB,)),
        (("-f<>", BOB), "", (BOB,)),
        (("-f", "X <x@y.test>", "Bob <bob@b.test>, carl@b.test"), "x@y.test", (BOB, CARL)),
        (("-f", "root", "--", "-bp@b.test"), "root@mail.a.test", ("-bp@b.test",)),
        (("postmaster",), "alice@mail.a.test", ("postmaster@mail.a.test",)),
        (('"john doe"@b.test',), "alice@mail.a.test", ('"john doe"@b.test',)),
    ],
)
def test_sendmail_has_an_envelope_by_its_words(
    queue: Queue, words: tuple[str, ...], sender: str, recipients: tuple[str, ...]
) -> None:
    assert run(queue, request("sendmail", "-i", *words), WHOLE + BODY) == Came(
        sender, recipients, WHOLE + BODY
    )


def test_sendmail_adds_what_is_missing(queue: Queue) -> None:
    got = run(queue, request("sendmail", "-i", BOB), b"Subject: x\nBcc: secret@x\n\nhello\n")
    assert got.content == b"Subject: x\r\n" + ADDED % b"alice@mail.a.test" + BODY


def test_sendmail_makes_a_header_where_there_is_none(queue: Queue) -> None:
    got = run(queue, request("sendmail", "-i", "-FMe", "-f", "x@y.test", BOB), b"hello")
    assert got.content == ADDED.replace(b'"Alice A."', b"Me") % b"x@y.test" + BODY


def test_sendmail_of_a_bounce_is_from_the_mail_system(queue: Queue) -> None:
    got = run(queue, request("sendmail", "-i", "-f", "<>", BOB, user=LocalUser("x")), b"Subject: x\n")
    assert b"\r\nFrom: MAILER-DAEMON@mail.a.test\r\n\r\n" in got.content


def test_sendmail_passes_on_without_a_change(queue: Queue) -> None:
    got = run(queue, request("sendmail", "-G", "-i", "-f", ALICE, BOB), b"Bcc: secret@x\n\nhello\n")
    assert got == Came(ALICE, (BOB,), b"Bcc: secret@x\r\n" + BODY)


def test_sendmail_takes_recipients_from_the_header(queue: Queue) -> None:
    header = b"To: Bob <bob@b.test>,\n\tfriends: carl@b.test;\nCc: bob@b.test\nBcc: dora@b.test\n" + WHOLE
    got = run(queue, request("sendmail", "-ti", "eve@b.test"), header + b"\nhello\n")
    assert got.recipients == ("eve@b.test", BOB, CARL, "dora@b.test")
    assert b"Bcc" not in got.content
    assert got.content.startswith(b"To: Bob <bob@b.test>,\r\n\tfriends: carl@b.test;\r\nCc: ")


def test_sendmail_without_i_ends_at_a_lone_dot(queue: Queue) -> None:
    assert run(queue, request("sendmail", BOB), WHOLE + b"\nhello\n.\n").content == WHOLE + BODY


def test_sendmail_with_i_takes_a_lone_dot_as_content(queue: Queue) -> None:
    got = run(queue, request("sendmail", "-oi", BOB), WHOLE + b"\n.\nhello\n")
    assert got.content == WHOLE + b"\r\n.\r\nhello\r\n"


def test_sendmail_drops_a_from_line(queue: Queue) -> None:
    got = run(queue, request("sendmail", "-i", BOB), b"From alice Fri Nov 20\n" + WHOLE + BODY)
    assert got.content == WHOLE + BODY


def test_sendmail_keeps_what_is_asked_for(queue: Queue) -> None:
    wish = request("sendmail", "-i", "-N", "success", "-R", "hdrs", "-V", "my id", BOB, ALICE)
    hand_in(queue, wish, WHOLE + BODY)
    (here,) = Inbox(queue).due(2)
    assert here.envelope.options == MailOptions("my+20id", Return.HEADERS)
    assert here.envelope.recipient_options == {ALICE: RecipientOptions(frozenset({Notify.SUCCESS}))}


def test_a_large_message_is_kept_whole(queue: Queue) -> None:
    body = b"0123456789\n" * (INLINE_BODY_BYTES // 5)
    hand_in(queue, request("sendmail", "-i", BOB, ALICE), WHOLE + b"\n" + body)
    expected = WHOLE + b"\r\n" + body.replace(b"\n", b"\r\n")
    assert [each.content for each in came(queue)] == [expected, expected]


def test_sendmail_speaks_smtp_and_takes_batches(queue: Queue) -> None:
    assert commands(queue).begin(request("sendmail", "-bs")) is Wish.SMTP
    batch = b"MAIL FROM:<alice@a.test>\nRCPT TO:<bob@b.test>\nDATA\nSubject: x\n\nhello\n.\n"
    assert run(queue, request("sendmail", "-bS"), batch) == Came(ALICE, (BOB,), b"Subject: x\r\n" + BODY)


@pytest.mark.parametrize(
    ("front", "sender"),
    [
        (b"", "alice@mail.a.test"),
        (b"From x@y.test Fri Nov 20 10:00:00 2026\n", "x@y.test"),
        (b"From x Fri remote from home\n>From y Fri remote from y.test\n", "y@y.test"),
        (b"From MAILER-DAEMON Fri\n", ""),
        (b"From x Fri\n", "x@mail.a.test"),
    ],
)
def test_rmail_reads_the_sender_in_front(queue: Queue, front: bytes, sender: str) -> None:
    got = run(queue, request("rmail", BOB, "relay!b.test!carl"), front + b"Subject: x\n\n.\nhello\n")
    assert got == Came(sender, (BOB, CARL), b"Subject: x\r\n\r\n.\r\nhello\r\n")


def test_uux_goes_to_the_node_it_names(queue: Queue) -> None:
    words = "- -r -z -ax@y.test -gC bob!rmail (anybody@else.test)"
    got = run(queue, request("uux", *words.split()), b"Subject: x\n\nhello\n")
    assert got == Came("x@y.test", ("anybody@else.test",), b"Subject: x\r\n" + BODY)
    assert {each.view.deliveries[0].node for each in kept_messages(queue)} == {NODE_B.text}


def test_uux_takes_a_batch_for_a_node(queue: Queue) -> None:
    batch = b"HELO x\nMAIL FROM:<>\nRCPT TO:<a@else.test>\nDATA\nhello\n.\nQUIT\n"
    assert run(queue, request("uux", "-", "bob!rsmtp"), batch) == Came("", ("a@else.test",), b"hello\r\n")


@pytest.mark.parametrize("wish", [("receive", "sendmail", BOB), ("sendmail", BOB)])
def test_a_tosser_hands_in_what_a_neighbour_sent(queue: Queue, wish: tuple[str, ...]) -> None:
    payload = b"Return-Path: <alice@a.test>\nSubject: x\n\nhello\n"
    hand_in(queue, request(*wish, node=NODE_TEXT), payload)
    (kept,) = kept_messages(queue)
    assert (kept.view.role, kept.view.sender, kept.recipients) == (Role.INBOX, ALICE, (BOB,))
    assert kept.view.origin_node == NODE_TEXT


def test_under_a_tosser_options_are_recipients(queue: Queue) -> None:
    hand_in(
        queue, request("sendmail", "-t", "-bS", node=NODE_TEXT), b"Return-Path: <>\nTo: bob@b.test\n\nx\n"
    )
    (kept,) = kept_messages(queue)
    assert [delivery.state for delivery in kept.view.deliveries] == ["dead", "dead"]


@pytest.mark.parametrize(
    ("wish", "kind", "status"),
    [
        (request("mailq"), UsageFault, "5.5.4"),
        (request("sendmail", "-bp"), UsageFault, "5.5.4"),
        (request("sendmail", "-i"), UsageFault, "5.5.4"),
        (request("sendmail", "-f", "a b", BOB), BadAddress, "5.1.7"),
        (request("sendmail", "-f", "a@x, b@x", BOB), BadAddress, "5.1.7"),
        (request("sendmail", "bob@b.test carl@b.test"), BadAddress, "5.1.3"),
        (request("sendmail", "x@nowhere.test"), RecipientRefused, "5.7.1"),
        (request("sendmail", "root"), None, ""),
        (request("send", BOB), UsageFault, "5.5.4"),
        (request("send", "-f", ALICE), UsageFault, "5.5.4"),
        (request("send", "-f", ALICE, "-x", BOB), UsageFault, "5.5.4"),
        (request("rmail"), UsageFault, "5.5.4"),
        (request("rmail", "-t"), UsageFault, "5.5.4"),
        (request("rmail", "--", "-t@b.test"), None, ""),
        (request("rmail", "bob"), BadAddress, "5.1.3"),
        (request("rsmtp", "x"), UsageFault, "5.5.4"),
        (request("uux", "-", "nobody!rmail", BOB), UnknownNode, "5.7.1"),
        (request("uux", "-", "bob!rmail", "carl"), BadAddress, "5.1.3"),
        (request("uux", "-", "bob!rnews"), ConfigError, "5.3.5"),
        (request("rnews"), ConfigError, "5.3.5"),
        (request("receive", "sendmail", BOB), ConfigError, "5.3.5"),
        (request("receive", "rsmtp", node="x"), ConfigError, "5.3.5"),
        (request("receive", "uux", node=NODE_TEXT), UsageFault, "5.5.4"),
        (request("rmail", node="x"), ConfigError, "5.3.5"),
    ],
)
def test_what_makes_no_sense_is_told_before_the_body_is_asked_for(
    queue: Queue, wish: PipeRequest, kind: type[GatewayError] | None, status: str
) -> None:
    if kind is None:
        assert commands(queue).begin(wish) is not None
        return
    with pytest.raises(kind) as caught:
        commands(queue).begin(wish)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("wish", "content", "status"),
    [
        (request("sendmail", "-t"), b"Subject: x\n\nx\n", "5.5.1"),
        (request("sendmail", "-t"), b"To: bob@b.test carl@b.test\n\nx\n", "5.1.3"),
        (request("sendmail", "-t"), b"To: bob@nowhere.test\n\nx\n", "5.7.1"),
        (request("sendmail", BOB), b"x\n.\ny\n", "5.6.0"),
        (request("sendmail", "-i", BOB), b"x\ry\n", "5.6.0"),
        (request("sendmail", "-i", BOB), b"x\0y\n", "5.6.0"),
        (request("sendmail", "-i", BOB), b"X: " + b"y" * (2 << 20), "5.3.4"),
        (request("rmail", BOB), b"From a,b x\nx\n", "5.1.7"),
        (request("rmail", BOB), b"From \nx\n", "5.6.0"),
        (request("send", "-f", ALICE, BOB), b"Received: x\n" * 51 + b"\n", "5.4.6"),
        (request("send", "-f", ALICE, BOB), b"x\r", "5.6.0"),
    ],
)
def test_a_message_that_can_not_be_taken_leaves_nothing(
    queue: Queue, wish: PipeRequest, content: bytes, status: str
) -> None:
    with pytest.raises(MessageError) as caught:
        hand_in(queue, wish, content)
    assert caught.value.status == status
    assert came(queue) == []
    assert list(queue.bodies.directory.iterdir()) == []


def test_who_reads_the_status_depends_on_who_started_it() -> None:
    assert request("sendmail", BOB).caller is Caller.PIPE
    assert request("uux", node=NODE_TEXT).caller is Caller.PIPE
    assert request("rsmtp", node=NODE_TEXT).caller is Caller.HANDLER
    assert request("receive").caller is Caller.HANDLER
    assert isinstance(NODE_A, NodeId)
