"""What the SMTP target says to a server, and what it makes of the answers."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace, UnixPlace
from gateway.deliver.target import Job, TargetDown
from gateway.errors import ConfigError, MessageError, StoreCorrupt
from gateway.message.envelope import (
    DeliverBy,
    Envelope,
    LateAction,
    MailOptions,
    Notify,
    RecipientOptions,
    Return,
)
from gateway.message.lines import dot_stuff
from gateway.msgqueue.entry import Outcome, QueuedMessage, Success, Verdict
from tests.support.delivering import deliver_all, deliver_one
from tests.support.ports import free_port
from tests.support.processes import slowness, wait_until
from tests.support.smtp_sink import ALL_EXTENSIONS, DROP, HANGS_UP, SmtpSink

BODY = b"Subject: test\r\n\r\nhello\r\n"
RECIPIENTS = ("bob@b.test", "carl@b.test", "dora@b.test")


def queued(
    *,
    sender: str = "alice@a.test",
    recipients: tuple[str, ...] = ("bob@b.test",),
    size_bytes: int = len(BODY),
    is_8bit: bool = False,
    is_smtputf8: bool = False,
) -> QueuedMessage:
    envelope = Envelope(sender, recipients, is_8bit=is_8bit, is_smtputf8=is_smtputf8)
    seqs = tuple(range(1, len(recipients) + 1))
    return QueuedMessage(1, "id", envelope, seqs, size_bytes, "", "a", 0.0, 0)


def target_for(port: int, **settings: Any) -> SmtpTarget:
    return SmtpTarget(SmtpTargetSettings(TcpPlace("127.0.0.1", port), "b.test", **settings))


def deliver(sink: SmtpSink, message: QueuedMessage, body: bytes = BODY) -> list[Outcome]:
    target = target_for(sink.port)
    try:
        return deliver_one(target, message, body)
    finally:
        target.close()


def say(**replies: str) -> Callable[[str], str | None]:
    """Replies by the first word of a command; ``dot`` is the end of content."""
    by_verb = {("." if verb == "dot" else verb): reply for verb, reply in replies.items()}
    return lambda command: by_verb.get(command.split(" ")[0])


def verdicts(outcomes: list[Outcome]) -> list[str]:
    return [str(outcome.verdict) for outcome in outcomes]


def test_a_message_arrives_with_its_envelope() -> None:
    with SmtpSink() as sink:
        (outcome,) = deliver(sink, queued(is_8bit=True))
    (message,) = sink.messages
    assert (outcome.verdict, outcome.status) == (Verdict.DELIVERED, "2.0.0")
    assert "queued as 1" in outcome.text
    assert message.mail == f"MAIL FROM:<alice@a.test> SIZE={len(BODY)} BODY=8BITMIME"
    assert message.recipients == ["bob@b.test"]
    assert message.data == BODY


ASKED = queued(recipients=RECIPIENTS)._replace(
    envelope=Envelope(
        "alice@a.test",
        RECIPIENTS,
        options=MailOptions("QQ+2B1", Return.FULL, 4, DeliverBy(99.9, LateAction.NOTIFY)),
        recipient_options={
            RECIPIENTS[0]: RecipientOptions(frozenset({Notify.DELAY, Notify.SUCCESS}), "rfc822;Bob@b.test"),
            RECIPIENTS[2]: RecipientOptions(frozenset({Notify.NEVER})),
        },
    ),
)


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ((), ""),
        (("DSN",), " RET=FULL ENVID=QQ+2B1"),
        (("MT-PRIORITY MIXER",), " MT-PRIORITY=4"),
        (("DELIVERBY 60",), " BY=99;N"),
        (("DSN", "MT-PRIORITY", "DELIVERBY"), " RET=FULL ENVID=QQ+2B1 MT-PRIORITY=4 BY=99;N"),
    ],
)
def test_what_the_sender_asked_for_goes_on_as_far_as_the_server_offers_it(
    offered: tuple[str, ...], expected: str
) -> None:
    with SmtpSink(extensions=("PIPELINING", *offered)) as sink:
        outcomes = deliver(sink, ASKED)
    assert verdicts(outcomes) == ["delivered"] * 3
    success = Success.PASSED_ON if "DSN" in offered else Success.RELAYED
    assert {outcome.success for outcome in outcomes} == {success}
    assert sink.messages[0].mail == f"MAIL FROM:<alice@a.test>{expected}"
    asked = [
        " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@b.test",
        "",
        " NOTIFY=NEVER",
    ]
    assert [command for command in sink.commands if command.startswith("RCPT")] == [
        f"RCPT TO:<{recipient}>{words if 'DSN' in offered else ''}"
        for recipient, words in zip(RECIPIENTS, asked, strict=True)
    ]


def test_the_null_sender_is_null() -> None:
    with SmtpSink(extensions=()) as sink:
        deliver(sink, queued(sender=""))
    assert sink.messages[0].mail == "MAIL FROM:<>"


@pytest.mark.parametrize(
    "body",
    [
        b".\r\n..\r\n.x\r\n",
        b"\r\n.\r\n",
        b"no final newline",
        b"",
        "Subject: \N{LATIN SMALL LETTER U WITH DIAERESIS}\r\n\r\n".encode()
        + bytes(range(128, 256))
        + b"\r\n",
        b"x" * 300_000 + b"\r\n",
        b"From here\r\n\r\n",
    ],
)
def test_no_byte_of_a_message_is_changed(body: bytes) -> None:
    with SmtpSink() as sink:
        deliver(sink, queued(), body)
    expected = dot_stuff(body)
    assert sink.messages[0].data == (
        expected if expected.endswith(b"\r\n") or not body else expected + b"\r\n"
    )


def test_each_recipient_has_its_own_outcome() -> None:
    replies = {RECIPIENTS[1]: "550 5.1.1 unknown", RECIPIENTS[2]: "452 4.2.2 full"}
    answer = lambda command: next((reply for who, reply in replies.items() if who in command), None)  # noqa: E731
    with SmtpSink(answer) as sink:
        outcomes = deliver(sink, queued(recipients=RECIPIENTS))
    assert verdicts(outcomes) == ["delivered", "refused", "deferred"]
    assert [outcome.status for outcome in outcomes] == ["2.0.0", "5.1.1", "4.2.2"]
    assert sink.messages[0].recipients == [RECIPIENTS[0]]


def test_nothing_is_sent_when_nobody_is_accepted() -> None:
    with SmtpSink(say(RCPT="550 5.1.1 unknown")) as sink:
        assert verdicts(deliver(sink, queued(recipients=RECIPIENTS))) == ["refused"] * 3
    assert sink.messages == []
    assert "." not in sink.commands


@pytest.mark.parametrize("is_lmtp", [False, True])
def test_a_server_that_goes_on_without_a_recipient_gets_no_message(*, is_lmtp: bool) -> None:
    with SmtpSink(say(RCPT="550 5.1.1 unknown"), is_lax=True, is_lmtp=is_lmtp) as sink:
        target = target_for(sink.port, is_lmtp=is_lmtp)
        assert verdicts(deliver_one(target, queued(recipients=RECIPIENTS), BODY)) == ["refused"] * 3
        sink.answer = lambda _: None
        assert verdicts(deliver_one(target, queued(), BODY)) == ["delivered"]
        target.close()
    assert sink.connection_count == 1 + is_lmtp
    assert [message.data for message in sink.messages if message.recipients] == [BODY]
    assert not any(message.data for message in sink.messages if not message.recipients)


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "dot"])
@pytest.mark.parametrize(("reply", "verdict"), [("451 4.3.0 later", "deferred"), ("554 5.6.0 no", "refused")])
def test_an_answer_about_the_message_holds_for_all(verb: str, reply: str, verdict: str) -> None:
    with SmtpSink(say(**{verb: reply})) as sink:
        assert verdicts(deliver(sink, queued(recipients=RECIPIENTS))) == [verdict] * 3
    assert sink.messages == []


def test_a_refused_recipient_stays_refused_when_the_content_fails() -> None:
    def answer(command: str) -> str | None:
        return {"RCPT TO:<carl@b.test>": "550 5.1.1 unknown", ".": DROP}.get(command)

    with SmtpSink(answer) as sink:
        assert verdicts(deliver(sink, queued(recipients=RECIPIENTS))) == ["deferred", "refused", "deferred"]


def test_too_many_recipients_are_no_refusal() -> None:
    with SmtpSink(say(RCPT="552 too many recipients")) as sink:
        (outcome,) = deliver(sink, queued())
    assert (outcome.verdict, outcome.status) == (Verdict.DEFERRED, "4.5.3")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
def test_a_dropped_line_defers_at_any_point(verb: str) -> None:
    with SmtpSink(say(**{verb: DROP})) as sink:
        assert verdicts(deliver(sink, queued(recipients=RECIPIENTS))) == ["deferred"] * 3
    assert sink.messages == []


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
def test_a_server_that_shuts_down_defers_at_any_point(verb: str) -> None:
    with SmtpSink(say(**{verb: "421 4.3.2 shutting down"})) as sink:
        assert verdicts(deliver(sink, queued(recipients=RECIPIENTS))) == ["deferred"] * 3


@pytest.mark.parametrize("extensions", [(), ALL_EXTENSIONS])
@pytest.mark.parametrize(("last", "is_cut"), [(DROP, True), ("421 4.3.2 shutting down", False)])
def test_an_end_among_the_recipients_defers_those_without_an_answer(
    *, extensions: tuple[str, ...], last: str, is_cut: bool
) -> None:
    replies = {RECIPIENTS[0]: "550 5.1.1 unknown", RECIPIENTS[2]: last}
    recipients = (*RECIPIENTS, "emil@b.test")
    answer = lambda command: next((reply for who, reply in replies.items() if who in command), None)  # noqa: E731
    with SmtpSink(answer, extensions) as sink:
        outcomes = deliver(sink, queued(recipients=recipients))
    assert verdicts(outcomes) == ["refused", "deferred", "deferred", "deferred"]
    assert [outcome.is_cut for outcome in outcomes] == [False, is_cut, is_cut, is_cut]
    assert sink.messages == []


@pytest.mark.parametrize("extensions", [(), ALL_EXTENSIONS])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "dot"])
def test_what_a_server_says_before_it_hangs_up_counts(extensions: tuple[str, ...], verb: str) -> None:
    with SmtpSink(say(**{verb: f"550 5.7.1 we do not want you {HANGS_UP}"}), extensions) as sink:
        first, *others = deliver(sink, queued(recipients=RECIPIENTS))
    assert (first.verdict, first.status) == (Verdict.REFUSED, "5.7.1")
    # RCPT concerns the first alone, and of the others nothing was said.
    assert verdicts(others) == ["deferred" if verb == "RCPT" else "refused"] * 2


@pytest.mark.parametrize(
    ("said", "verdict", "status", "is_cut"),
    [
        ("552 5.3.4 too large", "refused", "5.3.4", False),
        ("421 4.3.2 shutting down", "deferred", "4.3.2", False),
        ("250 2.0.0 thank you", "deferred", "4.4.2", True),
        ("well", "deferred", "4.4.2", True),
    ],
)
@pytest.mark.parametrize("is_lmtp", [True, False])
def test_a_server_that_does_not_hear_a_message_to_its_end_may_say_why(
    *, said: str, verdict: str, status: str, is_cut: bool, is_lmtp: bool
) -> None:
    answer = {"RCPT TO:<carl@b.test>": "550 5.1.1 unknown"}.get
    message, body = queued(recipients=RECIPIENTS), b"x" * 998 + b"\r\n"
    # Far more than the buffers of both sides, so that the end of the connection is noticed on the way.
    job = Job(message, lambda: iter([body] * 50_000))
    with SmtpSink(answer, refusal=said, is_lmtp=is_lmtp) as sink:
        target = target_for(sink.port, is_lmtp=is_lmtp)
        ((first, unknown, last),) = deliver_all(target, [job])
        target.close()
    assert (str(first.verdict), first.status, first.is_cut) == (verdict, status, is_cut)
    # In LMTP an answer concerns one recipient.
    assert (str(last.verdict), last.is_cut) == (("deferred", True) if is_lmtp else (verdict, is_cut))
    assert (unknown.verdict, unknown.status) == (Verdict.REFUSED, "5.1.1")
    assert "twice" not in first.text


def test_after_the_final_dot_the_text_warns_of_a_second_copy() -> None:
    with SmtpSink(say(dot=DROP)) as sink:
        (outcome,) = deliver(sink, queued())
    assert "may be delivered twice" in outcome.text


@pytest.mark.parametrize("reply", ["554 5.7.1 go away", "421 busy", DROP, "hello"])
def test_a_server_that_does_not_want_us_is_down(reply: str) -> None:
    with SmtpSink(say(CONNECT=reply)) as sink, pytest.raises(TargetDown) as caught:
        deliver(sink, queued())
    assert caught.value.is_temporary


def test_a_refused_connection_is_down() -> None:
    with pytest.raises(TargetDown, match=r"cannot connect to 127\.0\.0\.1") as caught:
        deliver_one(target_for(free_port()), queued(), BODY)
    assert caught.value.status == "4.4.1"


def test_a_server_without_extensions_gets_plain_smtp() -> None:
    with SmtpSink(extensions=None) as sink:
        assert verdicts(deliver(sink, queued(is_8bit=True, recipients=RECIPIENTS))) == ["delivered"] * 3
    assert sink.commands[:3] == ["EHLO b.test", "HELO b.test", "MAIL FROM:<alice@a.test>"]
    assert all(len(group) <= 1 for group in sink.groups)


def test_commands_travel_together_where_the_server_allows_it() -> None:
    with SmtpSink() as sink:
        deliver(sink, queued(recipients=RECIPIENTS))
    assert [len(group) for group in sink.groups if group and group[0].startswith("MAIL")] == [5]


def test_a_thousand_recipients_do_not_block_the_dialogue() -> None:
    recipients = tuple(f"user{number}@b.test" for number in range(1000))
    with SmtpSink() as sink:
        outcomes = deliver(sink, queued(recipients=recipients))
    assert verdicts(outcomes) == ["delivered"] * 1000
    assert sink.messages[0].recipients == list(recipients)


def test_a_message_larger_than_the_server_takes_is_not_sent() -> None:
    with SmtpSink(extensions=("SIZE 100",)) as sink:
        (outcome,) = deliver(sink, queued(size_bytes=101))
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.3.4")
    assert sink.messages == []


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", "SIZE \N{SUPERSCRIPT TWO}"])
def test_a_size_that_names_no_limit_limits_nothing(size: str) -> None:
    with SmtpSink(extensions=(size,)) as sink:
        assert verdicts(deliver(sink, queued())) == ["delivered"]


def test_smtputf8_is_asked_for_or_the_message_refused() -> None:
    message = queued(recipients=("b\N{LATIN SMALL LETTER U WITH DIAERESIS}b@b.test",), is_smtputf8=True)
    with SmtpSink() as sink:
        assert verdicts(deliver(sink, message)) == ["delivered"]
        assert sink.messages[0].mail.endswith(" SMTPUTF8")
        assert sink.messages[0].recipients == list(message.envelope.recipients)
    with SmtpSink(extensions=("8BITMIME",)) as sink:
        (outcome,) = deliver(sink, message)
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.6.7")


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n"])
def test_a_stray_byte_never_reaches_the_server(body: bytes) -> None:
    with SmtpSink() as sink:
        target = target_for(sink.port)
        with pytest.raises(MessageError):
            deliver_one(target, queued(), body)
        assert verdicts(deliver_one(target, queued(), BODY)) == ["delivered"]
        target.close()
    assert [message.data for message in sink.messages] == [BODY]


def test_a_message_that_breaks_off_is_not_ended_with_a_dot() -> None:
    def body() -> Iterator[bytes]:
        yield BODY
        raise StoreCorrupt("the body file is missing")

    with SmtpSink() as sink:
        target = target_for(sink.port)
        with pytest.raises(StoreCorrupt):
            deliver_one(target, queued(), body)
    assert sink.messages == []


def test_a_connection_is_kept_over_messages_whatever_became_of_them() -> None:
    replies = iter([None, "550 5.1.1 unknown", None, None])

    def answer(command: str) -> str | None:
        return next(replies) if command.startswith("RCPT") else None

    with SmtpSink(answer) as sink:
        target = target_for(sink.port)
        outcomes = [deliver_one(target, queued(), BODY)[0].verdict for _ in range(4)]
        target.close()
    assert [str(verdict) for verdict in outcomes] == ["delivered", "refused", "delivered", "delivered"]
    assert sink.connection_count == 1
    assert sink.commands.count("RSET") == 1


def test_a_connection_carries_a_bounded_number_of_messages() -> None:
    with SmtpSink() as sink:
        target = target_for(sink.port, message_count=2)
        for _ in range(5):
            deliver_one(target, queued(), BODY)
        target.close()
    assert (sink.connection_count, len(sink.messages)) == (3, 5)


@pytest.mark.parametrize("reply", [DROP, "421 4.4.2 idle too long"])
def test_a_kept_connection_that_is_gone_is_replaced_once(reply: str) -> None:
    mails = iter([None, reply, None])

    def answer(command: str) -> str | None:
        return next(mails) if command.startswith("MAIL") else None

    with SmtpSink(answer) as sink:
        target = target_for(sink.port)
        for _ in range(2):
            assert deliver_one(target, queued(), BODY)[0].verdict is Verdict.DELIVERED
        target.close()
    assert (sink.connection_count, len(sink.messages)) == (2, 2)


def test_a_fresh_connection_that_breaks_is_not_tried_for_ever() -> None:
    with SmtpSink(say(MAIL=DROP)) as sink:
        assert verdicts(deliver(sink, queued())) == ["deferred"]
    assert sink.connection_count == 1


@pytest.mark.parametrize(
    "reply",
    ["250-two\r\n251 codes", "2500 digits", "250x", "\N{SNOWMAN}", "250 " + "x" * 9000, "250-a\r\n" * 300],
)
def test_what_is_no_reply_ends_the_connection(reply: str) -> None:
    with SmtpSink(say(RCPT=reply)) as sink:
        (outcome,) = deliver(sink, queued())
    assert outcome.verdict is Verdict.DEFERRED
    assert sink.messages == []


def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    release = threading.Event()

    def answer(command: str) -> str | None:
        if command.startswith("RCPT"):
            release.wait(60)
        return None

    with SmtpSink(answer) as sink:
        target = target_for(sink.port, reply_seconds=1.5 * slowness())
        (outcome,) = deliver_one(target, queued(), BODY)
        release.set()
    assert (outcome.verdict, outcome.status) == (Verdict.DEFERRED, "4.4.2")


def test_a_connection_attempt_that_hangs_ends() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        with pytest.raises(TargetDown):
            deliver_one(target_for(port, connect_seconds=0.2, reply_seconds=0.2), queued(), BODY)
        for one in waiting:
            one.close()


def test_a_name_that_is_no_host_name_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="host name"):
        SmtpTarget(SmtpTargetSettings(TcpPlace("127.0.0.1", 25), "not a name"))


def test_extensions_are_read_in_any_case() -> None:
    with SmtpSink(extensions=[extension.lower() for extension in ALL_EXTENSIONS]) as sink:
        deliver(sink, queued(is_8bit=True, is_smtputf8=True))
    assert sink.messages[0].mail == f"MAIL FROM:<alice@a.test> SIZE={len(BODY)} BODY=8BITMIME SMTPUTF8"


def jobs(*messages: QueuedMessage) -> list[Job]:
    return [Job(message, lambda: iter([BODY])) for message in messages]


def test_the_next_message_is_offered_with_the_end_of_the_last() -> None:
    with SmtpSink() as sink:
        target = target_for(sink.port)
        outcomes = deliver_all(target, jobs(queued(), queued(sender="carol@a.test"), queued(sender="")))
        target.close()
        # Nobody waits for the answer to it.
        wait_until(lambda: "QUIT" in sink.commands, 60, "QUIT")
    assert [verdicts(one) for one in outcomes] == [["delivered"]] * 3
    assert [message.mail for message in sink.messages] == [
        f"MAIL FROM:<{sender}> SIZE={len(BODY)}" for sender in ("alice@a.test", "carol@a.test", "")
    ]
    # The content and its dot come first in the piece, which the sink counts from its first command on.
    assert [group for group in sink.groups if group] == [
        ["EHLO b.test"],
        ["MAIL FROM:<alice@a.test> SIZE=24", "RCPT TO:<bob@b.test>", "DATA"],
        ["MAIL FROM:<carol@a.test> SIZE=24", "RCPT TO:<bob@b.test>", "DATA"],
        ["MAIL FROM:<> SIZE=24", "RCPT TO:<bob@b.test>", "DATA"],
        ["QUIT"],
    ]


def test_a_refusal_in_a_row_of_messages_concerns_its_own_message() -> None:
    replies = iter([None, "550 5.1.1 unknown", None, None])
    ends = iter([None, "554 5.6.0 no", None])

    def answer(command: str) -> str | None:
        return next(replies) if command.startswith("RCPT") else next(ends) if command == "." else None

    with SmtpSink(answer) as sink:
        target = target_for(sink.port)
        outcomes = deliver_all(target, jobs(queued(), queued(), queued(), queued()))
        target.close()
    assert [verdicts(one) for one in outcomes] == [["delivered"], ["refused"], ["refused"], ["delivered"]]
    assert sink.connection_count == 1
    assert len(sink.messages) == 2


@pytest.mark.parametrize("verb", [".", "DATA", "RCPT"])
def test_a_message_that_makes_a_server_hang_up_harms_no_other_in_its_row(verb: str) -> None:
    poison, is_poison = "eve@a.test", False

    def answer(command: str) -> str | None:
        nonlocal is_poison
        if command.startswith("MAIL"):
            is_poison = poison in command
        return DROP if is_poison and command.split(" ", maxsplit=1)[0] == verb else None

    with SmtpSink(answer) as sink:
        target = target_for(sink.port)
        outcomes = deliver_all(target, jobs(queued(), queued(sender=poison), queued(), queued()))
        target.close()
    assert [verdicts(one) for one in outcomes] == [["delivered"], ["deferred"], ["delivered"], ["delivered"]]
    assert [one[0].is_cut for one in outcomes] == [False, True, False, False]
    assert len(sink.messages) == 3


def test_a_body_that_breaks_off_in_a_row_is_not_ended_and_the_next_is_not_begun() -> None:
    def broken() -> Iterator[bytes]:
        yield BODY
        raise StoreCorrupt("body file x is missing")

    with SmtpSink() as sink:
        target = target_for(sink.port)
        found = target.deliver(iter([*jobs(queued()), Job(queued(), broken), *jobs(queued())]))
        assert verdicts(list(next(found))) == ["delivered"]
        with pytest.raises(StoreCorrupt):
            next(found)
        assert [verdicts(one) for one in deliver_all(target, jobs(queued()))] == [["delivered"]]
        target.close()
    assert len(sink.messages) == 2


def test_a_row_of_messages_keeps_to_the_number_that_a_connection_carries() -> None:
    with SmtpSink() as sink:
        target = target_for(sink.port, message_count=2)
        assert len(deliver_all(target, jobs(*[queued()] * 5))) == 5
        target.close()
        # Nobody waits for the answer to the last ones.
        wait_until(lambda: sink.commands.count("QUIT") == 3, 60, "QUIT on each connection")
    assert sink.connection_count == 3
    assert len(sink.messages) == 5


def test_an_lmtp_server_answers_for_each_recipient() -> None:
    def answer(command: str) -> str | None:
        return {"RCPT TO:<carl@b.test>": "550 5.1.1 unknown", ". dora@b.test": "452 4.2.2 full"}.get(command)

    with SmtpSink(answer, is_lmtp=True) as sink:
        target = target_for(sink.port, is_lmtp=True)
        outcomes = deliver_all(target, jobs(queued(recipients=RECIPIENTS), queued(recipients=RECIPIENTS[:1])))
        target.close()
    assert [verdicts(one) for one in outcomes] == [["delivered", "refused", "deferred"], ["delivered"]]
    assert outcomes[0][2].status == "4.2.2"
    assert sink.commands[0] == "LHLO b.test"
    assert [message.recipients for message in sink.messages] == [[RECIPIENTS[0]], [RECIPIENTS[0]]]


def test_an_lmtp_server_that_hangs_up_between_its_answers_has_answered_for_some() -> None:
    with SmtpSink({". carl@b.test": DROP}.get, is_lmtp=True) as sink:
        (outcomes,) = deliver_all(target_for(sink.port, is_lmtp=True), jobs(queued(recipients=RECIPIENTS)))
    assert verdicts(outcomes) == ["delivered", "deferred", "deferred"]
    assert [outcome.is_cut for outcome in outcomes] == [False, True, True]
    assert "may be delivered twice" in outcomes[2].text


def test_a_server_that_knows_no_lmtp_is_down() -> None:
    with SmtpSink() as sink, pytest.raises(TargetDown, match=r"500 5\.5\.1"):
        deliver_all(target_for(sink.port, is_lmtp=True), jobs(queued()))
    assert sink.messages == []


def test_lmtp_goes_over_a_unix_socket_as_well(place: Path) -> None:
    with SmtpSink(is_lmtp=True, path=place / "lmtp") as sink:
        target = SmtpTarget(SmtpTargetSettings(UnixPlace(str(place / "lmtp")), "b.test", is_lmtp=True))
        outcomes = deliver_all(target, jobs(queued(recipients=RECIPIENTS)))
        target.close()
    assert [verdicts(one) for one in outcomes] == [["delivered"] * 3]
    assert sink.messages[0].data == BODY


def test_a_unix_socket_that_is_not_there_is_down(place: Path) -> None:
    target = SmtpTarget(SmtpTargetSettings(UnixPlace(str(place / "none")), "b.test", is_lmtp=True))
    with pytest.raises(TargetDown, match=r"cannot connect to .*none: No such file"):
        deliver_all(target, jobs(queued()))
