import pytest

from gateway.errors import LocalProtocolError
from gateway.nntp.feeder import (
    ArticleWanted,
    FeedClosed,
    FeedDialogue,
    FeedEvent,
    FeedOutcome,
    FeedReady,
    FeedResult,
    FeedSettings,
)

DATA = b"A: b\r\n\r\n.dot\r\n"
SENT = b"A: b\r\n\r\n..dot\r\n.\r\n"


def connected(*, is_streaming: bool = True, **settings: bool | int) -> FeedDialogue:
    feed = FeedDialogue(FeedSettings(**settings))  # type: ignore[arg-type]
    assert feed.receive_data(b"200 ready\r\n") == []
    assert feed.data_to_send() == b"MODE STREAM\r\n"
    reply = b"203 go\r\n" if is_streaming else b"500 what?\r\n"
    assert feed.receive_data(reply) == [FeedReady(is_streaming)]
    return feed


def outcome(number: int, result: FeedResult, code: int, text: str = "x") -> FeedOutcome:
    return FeedOutcome(f"<{number}@a>", result, code, text)


def refused(*, is_streaming: bool = True) -> FeedDialogue:
    """A peer that has refused the article 1, and gave no reason."""
    feed = connected(is_streaming=is_streaming)
    feed.offer("<1@a>")
    feed.receive_data(b"238 <1@a>\r\n" if is_streaming else b"335 x\r\n")
    feed.send_article("<1@a>", DATA)
    feed.data_to_send()
    assert feed.receive_data(b"439 <1@a> x\r\n" if is_streaming else b"437 x\r\n") == []
    return feed


def is_there(feed: FeedDialogue, said: str) -> list[FeedEvent]:
    """Answer the question whether the article 1 is there."""
    assert feed.data_to_send() == b"STAT <1@a>\r\n"
    return feed.receive_data(f"{said}\r\n".encode())


@pytest.mark.parametrize(
    ("check", "transfer", "result"),
    [
        (438, None, FeedResult.DUPLICATE),
        (431, None, FeedResult.LATER),
        (238, 239, FeedResult.ACCEPTED),
        (238, 439, FeedResult.REJECTED),
    ],
)
def test_each_answer_of_streaming_is_one_outcome(
    check: int, transfer: int | None, result: FeedResult
) -> None:
    feed = connected()
    assert feed.offer("<1@a>") == []
    assert feed.data_to_send() == b"CHECK <1@a>\r\n"
    events = feed.receive_data(f"{check} <1@a> x\r\n".encode())
    if transfer is not None:
        assert events == [ArticleWanted("<1@a>")]
        feed.send_article("<1@a>", DATA)
        assert feed.data_to_send() == b"TAKETHIS <1@a>\r\n" + SENT
        events = feed.receive_data(f"{transfer} <1@a> x\r\n".encode())
    if result is FeedResult.REJECTED:
        events = is_there(feed, "430 no such article")
    assert events == [outcome(1, result, transfer or check)]
    assert feed.open_count == 0


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        (435, None, FeedResult.DUPLICATE),
        (436, None, FeedResult.LATER),
        (437, None, FeedResult.REJECTED),
        (335, 235, FeedResult.ACCEPTED),
        (335, 436, FeedResult.LATER),
        (335, 437, FeedResult.REJECTED),
    ],
)
def test_each_answer_of_ihave_is_one_outcome(first: int, second: int | None, result: FeedResult) -> None:
    feed = connected(is_streaming=False)
    assert feed.room_count == 1
    feed.offer("<1@a>")
    assert feed.room_count == 0
    assert feed.data_to_send() == b"IHAVE <1@a>\r\n"
    events = feed.receive_data(f"{first} x\r\n".encode())
    if second is not None:
        assert events == [ArticleWanted("<1@a>")]
        feed.send_article("<1@a>", DATA)
        assert feed.data_to_send() == SENT
        events = feed.receive_data(f"{second} x\r\n".encode())
    if result is FeedResult.REJECTED:
        assert feed.room_count == 0
        events = is_there(feed, "430 no such article")
    assert events == [outcome(1, result, second or first, "x")]
    assert feed.room_count == 1


def test_window_slides() -> None:
    feed = connected(window_count=3)
    for number in range(3):
        feed.offer(f"<{number}@a>")
    assert feed.room_count == 0
    with pytest.raises(LocalProtocolError):
        feed.offer("<9@a>")
    # Answers come in any order, and by name.
    assert feed.receive_data(b"438 <2@a> x\r\n238 <0@a>\r\n") == [
        outcome(2, FeedResult.DUPLICATE, 438),
        ArticleWanted("<0@a>"),
    ]
    assert feed.room_count == 1
    feed.offer("<3@a>")
    feed.send_article("<0@a>", b"no line end")
    assert feed.data_to_send().endswith(b"CHECK <3@a>\r\nTAKETHIS <0@a>\r\nno line end\r\n.\r\n")


def test_articles_are_sent_unasked_where_that_is_wanted() -> None:
    feed = connected(is_check_skipped=True)
    assert feed.offer("<1@a>") == [ArticleWanted("<1@a>")]
    feed.send_article("<1@a>", DATA)
    assert feed.data_to_send() == b"TAKETHIS <1@a>\r\n" + SENT
    assert feed.receive_data(b"439 <1@a> x\r\n") == []
    assert is_there(feed, "430 no such article") == [outcome(1, FeedResult.REJECTED, 439)]


@pytest.mark.parametrize(
    ("said", "is_known"),
    [("223 0 <1@a> status", True), ("223 0 <2@a> status", False), ("430 no", False), ("500 what?", False)],
)
@pytest.mark.parametrize("is_streaming", [True, False])
def test_what_is_refused_may_be_there(said: str, *, is_known: bool, is_streaming: bool) -> None:
    feed = refused(is_streaming=is_streaming)
    (event,) = is_there(feed, said)
    assert isinstance(event, FeedOutcome)
    assert event.result is (FeedResult.DUPLICATE if is_known else FeedResult.REJECTED)
    assert event.code == (439 if is_streaming else 437)
    assert feed.open_count == 0


@pytest.mark.parametrize("text", ["Duplicate", "duplicate article", "<1@a> Duplicate: it is here already"])
def test_a_refusal_that_says_why_needs_no_question(text: str) -> None:
    feed = connected(is_streaming=False)
    feed.offer("<1@a>")
    feed.data_to_send()
    assert feed.receive_data(f"437 {text}\r\n".encode()) == [outcome(1, FeedResult.DUPLICATE, 437, text)]
    assert feed.data_to_send() == b""


@pytest.mark.parametrize("said", ["480 log in", "500 what?", "502 not for you", "503 no"])
def test_a_peer_that_does_not_say_whether_it_has_an_article_is_not_asked_again(said: str) -> None:
    feed = refused()
    is_there(feed, said)
    assert not feed.is_closing
    for number in (2, 3):
        feed.offer(f"<{number}@a>")
        feed.receive_data(f"238 <{number}@a>\r\n".encode())
        feed.send_article(f"<{number}@a>", DATA)
    feed.data_to_send()
    assert feed.receive_data(b"439 <2@a> x\r\n") == [outcome(2, FeedResult.REJECTED, 439)]
    assert feed.data_to_send() == b""


def test_answers_about_refused_articles_keep_their_order_among_others() -> None:
    feed = connected(is_check_skipped=True)
    for number in range(4):
        feed.offer(f"<{number}@a>")
        feed.send_article(f"<{number}@a>", DATA)
    feed.data_to_send()
    assert feed.receive_data(b"439 <0@a> x\r\n439 <1@a> x\r\n") == []
    assert feed.data_to_send() == b"STAT <0@a>\r\nSTAT <1@a>\r\n"
    assert feed.receive_data(b"239 <2@a> x\r\n430 no\r\n223 0 <1@a>\r\n239 <3@a> x\r\n") == [
        outcome(2, FeedResult.ACCEPTED, 239),
        outcome(0, FeedResult.REJECTED, 439),
        outcome(1, FeedResult.DUPLICATE, 439),
        outcome(3, FeedResult.ACCEPTED, 239),
    ]


def test_what_was_refused_before_the_end_stays_refused() -> None:
    feed = refused()
    feed.offer("<2@a>")
    assert feed.receive_data(b"400 enough\r\n") == [
        outcome(1, FeedResult.REJECTED, 439),
        outcome(2, FeedResult.LATER, 400, "enough"),
        FeedClosed(400, "enough"),
    ]


@pytest.mark.parametrize("line", [b"400 <1@a> x", b"480 <1@a> x", b"503 <1@a> x", b"502 <1@a> x"])
def test_peer_that_takes_nothing_more_leaves_all_for_later(line: bytes) -> None:
    feed = connected()
    feed.offer("<1@a>")
    feed.offer("<2@a>")
    code = int(line[:3])
    assert feed.receive_data(line + b"\r\n239 <1@a>\r\n") == [
        outcome(1, FeedResult.LATER, code, "<1@a> x"),
        outcome(2, FeedResult.LATER, code, "<1@a> x"),
        FeedClosed(code, "<1@a> x"),
    ]
    assert feed.is_closing
    assert feed.connection_lost("gone") == []


def test_lost_connection_leaves_for_later_what_has_no_outcome_yet() -> None:
    feed = connected()
    for number in (1, 2, 3):
        feed.offer(f"<{number}@a>")
    feed.receive_data(b"438 <1@a> x\r\n238 <2@a>\r\n")
    assert feed.connection_lost("gone") == [
        outcome(2, FeedResult.LATER, 0, "gone"),
        outcome(3, FeedResult.LATER, 0, "gone"),
        FeedClosed(0, "gone"),
    ]


@pytest.mark.parametrize(
    "reply",
    [b"239 <2@a>\r\n", b"239 <1@a>\r\n", b"239\r\n", b"hello\r\n", b"999 <1@a>\r\n", b"2" * 5000, b"\r\n"],
)
def test_peer_that_does_not_speak_nntp_is_left_and_what_it_said_before_counts(reply: bytes) -> None:
    feed = connected()
    feed.offer("<0@a>")
    feed.offer("<1@a>")
    first, second, closed = feed.receive_data(b"438 <0@a> x\r\n" + reply)
    assert first == outcome(0, FeedResult.DUPLICATE, 438)
    assert isinstance(second, FeedOutcome)
    assert second.result is FeedResult.LATER
    assert isinstance(closed, FeedClosed)
    assert closed.text.isprintable()


def test_article_that_is_gone_meanwhile() -> None:
    feed = connected()
    feed.offer("<1@a>")
    feed.receive_data(b"238 <1@a>\r\n")
    assert feed.withdraw("<1@a>", "gone") == [outcome(1, FeedResult.LATER, 0, "gone")]
    assert not feed.is_closing
    lockstep = connected(is_streaming=False)
    lockstep.offer("<1@a>")
    lockstep.receive_data(b"335 x\r\n")
    assert lockstep.withdraw("<1@a>", "gone") == [
        outcome(1, FeedResult.LATER, 0, "gone"),
        FeedClosed(0, "gone"),
    ]


def test_quit_waits_for_the_last_answer() -> None:
    feed = connected()
    feed.offer("<1@a>")
    assert feed.quit() == []
    assert feed.room_count == 0
    feed.data_to_send()
    assert feed.receive_data(b"438 <1@a> x\r\n") == [
        outcome(1, FeedResult.DUPLICATE, 438),
        FeedClosed(0, "done"),
    ]
    assert feed.data_to_send() == b"QUIT\r\n"
    assert feed.is_closing


@pytest.mark.parametrize("greeting", [b"400 paused\r\n", b"502 no\r\n", b"garbage\r\n"])
def test_peer_that_does_not_want_us(greeting: bytes) -> None:
    feed = FeedDialogue()
    (event,) = feed.receive_data(greeting)
    assert isinstance(event, FeedClosed)
    assert feed.data_to_send() == b""


def test_peer_that_wants_a_password() -> None:
    feed = FeedDialogue(FeedSettings(is_streaming_wanted=False, name="us", password="secret"))
    assert "secret" not in repr(FeedSettings(password="secret"))
    feed.receive_data(b"201 ready\r\n")
    assert feed.data_to_send() == b"AUTHINFO USER us\r\n"
    feed.receive_data(b"381 go on\r\n")
    assert feed.data_to_send() == b"AUTHINFO PASS secret\r\n"
    assert feed.receive_data(b"281 welcome\r\n") == [FeedReady(is_streaming=False)]


@pytest.mark.parametrize("replies", [b"200 x\r\n482 x\r\n", b"200 x\r\n381 x\r\n481 x\r\n"])
def test_wrong_password_ends_the_connection(replies: bytes) -> None:
    feed = FeedDialogue(FeedSettings(name="us", password="x"))
    (event,) = feed.receive_data(replies)
    assert isinstance(event, FeedClosed)
    assert event.code in {481, 482}


@pytest.mark.parametrize("message_id", ["<1@a>", "no id", "<1@a>\r\nQUIT"])
def test_what_can_not_be_offered(message_id: str) -> None:
    feed = connected()
    feed.offer("<1@a>")
    with pytest.raises(LocalProtocolError):
        feed.offer(message_id)


def test_article_that_nobody_asked_for_is_not_sent() -> None:
    feed = connected()
    feed.offer("<1@a>")
    with pytest.raises(LocalProtocolError):
        feed.send_article("<1@a>", DATA)
    with pytest.raises(LocalProtocolError):
        feed.withdraw("<2@a>", "x")
