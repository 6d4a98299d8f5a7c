"""Whatever a server answers: every recipient has an outcome, and nothing is lost."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.deliver.outcome import of_exit, of_reply
from gateway.deliver.smtp import SmtpTarget, SmtpTargetSettings
from gateway.deliver.smtp_session import TcpPlace
from gateway.deliver.target import Job, TargetDown
from gateway.message.envelope import Envelope
from gateway.message.lines import dot_stuff
from gateway.msgqueue.entry import QueuedMessage, Verdict
from tests.support.delivering import deliver_one
from tests.support.smtp_sink import ALL_EXTENSIONS, DROP, SmtpSink

BODY = b"Subject: x\r\n\r\n.hello\r\n"
RECIPIENTS = ("bob@b.test", "carl@b.test", "dora@b.test")
DIGITS = {Verdict.DELIVERED: "2", Verdict.DEFERRED: "4", Verdict.REFUSED: "5"}

REPLIES = st.one_of(
    st.none(),
    st.sampled_from(
        ["250 ok", "251 2.1.5 so", "354 go on", "421 bye", "450 4.2.0 later", "550 5.1.1 no", DROP, "x"]
    ),
    st.integers(100, 999).map("{} said".format),
)


@settings(max_examples=60)
@given(
    replies=st.lists(REPLIES, max_size=12),
    extensions=st.one_of(st.none(), st.lists(st.sampled_from(ALL_EXTENSIONS), unique=True)),
)
def test_a_message_is_delivered_exactly_when_the_server_said_so(
    replies: list[str | None], extensions: list[str] | None
) -> None:
    left = iter(replies)
    message = QueuedMessage(1, "id", Envelope("", RECIPIENTS), (1, 2, 3), len(BODY), "", "a", 0.0, 0)
    with SmtpSink(lambda _: next(left, None), extensions or None) as sink:
        # A made-up 354 in the wrong place makes the server wait for what never comes.
        target = SmtpTarget(
            SmtpTargetSettings(
                TcpPlace("127.0.0.1", sink.port), "mx.b.test", reply_seconds=0.2, final_seconds=0.2
            )
        )
        with contextlib.closing(target), contextlib.suppress(TargetDown):
            outcomes = deliver_one(target, message, BODY)
            assert [outcome.status[0] for outcome in outcomes] == [
                DIGITS[outcome.verdict] for outcome in outcomes
            ]
            delivered = [
                recipient
                for recipient, outcome in zip(RECIPIENTS, outcomes, strict=True)
                if outcome.verdict is Verdict.DELIVERED
            ]
            if delivered:
                assert sink.messages[0].recipients == delivered
                assert sink.messages[0].data == dot_stuff(BODY)


@given(code=st.integers(200, 599), lines=st.lists(st.text(max_size=80), max_size=4))
def test_any_reply_has_an_outcome(code: int, lines: list[str]) -> None:
    outcome = of_reply("mx:25", code, lines)
    assert outcome.status.startswith(DIGITS[outcome.verdict])
    assert outcome.text.isprintable()


@given(exit_status=st.integers(-64, 255), output=st.binary(max_size=200))
def test_any_end_of_a_command_has_an_outcome(exit_status: int, output: bytes) -> None:
    outcome = of_exit("sendmail", exit_status, output)
    assert outcome.status.startswith(DIGITS[outcome.verdict])
    assert (outcome.verdict is Verdict.DELIVERED) == (exit_status == 0)
    assert outcome.text.isprintable()


@settings(max_examples=60)
@given(
    replies=st.lists(REPLIES, max_size=30),
    extensions=st.lists(st.sampled_from(ALL_EXTENSIONS), unique=True),
    is_lmtp=st.booleans(),
)
def test_each_of_a_row_of_messages_is_delivered_exactly_when_the_server_said_so(
    *, replies: list[str | None], extensions: list[str], is_lmtp: bool
) -> None:
    left = iter(replies)
    senders = [f"user{number}@a.test" for number in range(4)]
    row = [
        Job(
            QueuedMessage(seq, "id", Envelope(sender, RECIPIENTS), (1, 2, 3), len(BODY), "", "a", 0.0, 0),
            lambda: iter([BODY]),
        )
        for seq, sender in enumerate(senders)
    ]
    answered: dict[str, set[str]] = {}
    with SmtpSink(lambda _: next(left, None), extensions, is_lmtp=is_lmtp) as sink:
        target = SmtpTarget(
            SmtpTargetSettings(
                TcpPlace("127.0.0.1", sink.port),
                "mx.b.test",
                is_lmtp=is_lmtp,
                reply_seconds=0.2,
                final_seconds=0.2,
            )
        )
        with contextlib.closing(target), contextlib.suppress(TargetDown):
            for sender, outcomes in zip(senders, target.deliver(iter(row)), strict=False):
                answered[sender] = {
                    recipient
                    for recipient, outcome in zip(RECIPIENTS, outcomes, strict=True)
                    if outcome.verdict is Verdict.DELIVERED
                }
    taken: dict[str, set[str]] = {}
    for message in sink.messages:
        taken.setdefault(message.mail.partition(">")[0].removeprefix("MAIL FROM:<"), set()).update(
            message.recipients
        )
    for sender, recipients in answered.items():
        assert recipients <= taken.get(sender, set())
    assert all(message.data == dot_stuff(BODY) for message in sink.messages)
