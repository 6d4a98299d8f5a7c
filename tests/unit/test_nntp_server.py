import base64
import tracemalloc

import pytest

from gateway.errors import LocalProtocolError
from gateway.nntp.events import (
    Access,
    ArticleReceived,
    ArticleRefused,
    AuthenticationRequested,
    CheckRequested,
    DateRequested,
    DialogueLimits,
    Event,
    IhaveRequested,
    PostRequested,
    Stored,
    TlsRequested,
    Transfer,
    Wanted,
)
from gateway.nntp.server import ServerDialogue, ServerSettings, one_line

FEEDER = Access(may_feed=True)
ALL = Access(may_feed=True, may_read=True, may_post=True)
DATA = b"A: b\r\n\r\n.dot\r\n"
SENT = b"A: b\r\n\r\n..dot\r\n.\r\n"


def dialogue(
    access: Access = FEEDER, *, is_tls_offered: bool = False, is_auth_offered: bool = False
) -> ServerDialogue:
    settings = ServerSettings("us.test", is_tls_offered=is_tls_offered, is_auth_offered=is_auth_offered)
    return ServerDialogue(settings, access)


def limited(limits: DialogueLimits) -> ServerDialogue:
    return ServerDialogue(ServerSettings("us.test", limits), FEEDER)


def said(server: ServerDialogue, data: bytes) -> list[str]:
    """What is answered to commands that need nobody else."""
    assert server.receive_data(data) == []
    return server.data_to_send().decode().splitlines()


@pytest.mark.parametrize(
    ("access", "status"),
    [(FEEDER, b"200"), (ALL, b"200"), (Access(may_read=True), b"201"), (Access(), b"200")],
)
def test_greeting_tells_readers_whether_they_may_post(access: Access, status: bytes) -> None:
    server = dialogue(access)
    server.greet()
    assert server.data_to_send() == status + b" us.test nncp-gateway ready\r\n"


def test_deep_pipeline_is_answered_in_order_whatever_comes_first() -> None:
    server = dialogue()
    # As innfeed and innxmit send it: several commands and articles in one write.
    wire = b"MODE STREAM\r\nCHECK <1@a>\r\nTAKETHIS <2@a>\r\n" + SENT + b"check <3@a>\r\n"
    assert server.receive_data(wire) == [
        CheckRequested(1, "<1@a>"),
        ArticleReceived(2, Transfer.TAKETHIS, "<2@a>", DATA),
        CheckRequested(3, "<3@a>"),
    ]
    assert server.data_to_send() == b"203 streaming permitted\r\n"
    server.answer_check(3, Wanted.LATER)
    server.answer_article(2, Stored.YES)
    assert server.data_to_send() == b""
    server.answer_check(1, Wanted.NO)
    assert server.data_to_send() == b"438 <1@a>\r\n239 <2@a>\r\n431 <3@a>\r\n"


@pytest.mark.parametrize(
    ("stored", "line"),
    [(Stored.YES, b"239 <1@a>"), (Stored.NO, b"439 <1@a> why not"), (Stored.LATER, b"400 why not")],
)
def test_takethis_has_no_later_but_the_end_of_the_connection(stored: Stored, line: bytes) -> None:
    server = dialogue()
    server.receive_data(b"TAKETHIS <1@a>\r\n" + SENT + b"CHECK <2@a>\r\n")
    server.answer_check(2, Wanted.YES)
    server.answer_article(1, stored, "" if stored is Stored.YES else "why\r\nnot")
    is_last = stored is Stored.LATER
    assert server.data_to_send() == line + (b"\r\n" if is_last else b"\r\n238 <2@a>\r\n")
    assert server.is_closing == is_last
    assert server.receive_data(b"CHECK <3@a>\r\n") == ([] if is_last else [CheckRequested(3, "<3@a>")])


@pytest.mark.parametrize(
    ("stored", "line"),
    [(Stored.YES, b"235 <1@a>"), (Stored.NO, b"437 <1@a>"), (Stored.LATER, b"436 <1@a>")],
)
def test_ihave_is_held_until_it_is_known_whether_it_is_wanted(stored: Stored, line: bytes) -> None:
    server = dialogue()
    # rnews sends lower case; what stands behind it is the article, however early it comes.
    assert server.receive_data(b"ihave <1@a>\r\n.") == [IhaveRequested(1, "<1@a>")]
    assert not server.wants_data
    server.answer_ihave(1, Wanted.YES)
    assert server.data_to_send() == b"335 <1@a> send it\r\n"
    assert server.receive_data(b"") == []
    (event,) = server.receive_data(b".dot\r\n.\r\nquit\r\n")
    assert event == ArticleReceived(2, Transfer.IHAVE, "<1@a>", b".dot\r\n")
    server.answer_article(2, stored)
    assert server.data_to_send() == line + b"\r\n205 bye\r\n"
    assert server.is_closing


@pytest.mark.parametrize(("wanted", "status"), [(Wanted.NO, b"435"), (Wanted.LATER, b"436")])
def test_ihave_that_is_not_wanted_goes_on_with_commands(wanted: Wanted, status: bytes) -> None:
    server = dialogue()
    server.receive_data(b"IHAVE <1@a>\r\nDATE\r\n")
    server.answer_ihave(1, wanted)
    assert server.receive_data(b"") == [DateRequested(2)]
    server.answer_date(2, 0.0)
    first, second = server.data_to_send().splitlines()
    assert first.startswith(status + b" <1@a>")
    assert second == b"111 19700101000000"


def test_post() -> None:
    server = dialogue(ALL)
    assert server.receive_data(b"post\r\n") == [PostRequested(1)]
    server.answer_post(1, None)
    assert server.receive_data(SENT) == [ArticleReceived(2, Transfer.POST, "", DATA)]
    server.answer_article(2, Stored.NO, "no such newsgroup here")
    server.receive_data(b"POST\r\n")
    server.answer_post(3, "not now")
    assert server.data_to_send() == b"340 send it\r\n441 no such newsgroup here\r\n440 not now\r\n"
    assert said(dialogue(), b"POST\r\n") == ["440 posting is not allowed"]


def test_article_over_the_limit_is_read_to_its_end_and_refused() -> None:
    server = limited(DialogueLimits(article_bytes=20))
    wire = b"TAKETHIS <1@a>\r\n" + b"x" * 30 + b"\r\n.\r\nTAKETHIS <2@a>\r\n" + b"x" * 18 + b"\r\n.\r\n"
    refused, received = server.receive_data(wire)
    assert refused == ArticleRefused(Transfer.TAKETHIS, "<1@a>", "439 <1@a> 32 bytes; allowed: 20")
    assert received == ArticleReceived(1, Transfer.TAKETHIS, "<2@a>", b"x" * 18 + b"\r\n")
    assert server.data_to_send() == b"439 <1@a> 32 bytes; allowed: 20\r\n"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"TAKETHIS nonsense", b"439 nonsense no Message-ID"),
        (b"TAKETHIS", b"501 syntax error"),
        (b"TAKETHIS <1@a> x", b"501 syntax error"),
        (b"TAKETHIS <" + b"1" * 600 + b"@a>", b"501 syntax error"),
        (b"TAKETHIS <" + b"1" * 20_000 + b"@a>", b"501 syntax error"),
    ],
)
def test_article_behind_a_bad_takethis_is_not_taken_for_commands(command: bytes, answer: bytes) -> None:
    server = dialogue()
    (event,) = server.receive_data(command + b"\r\nQUIT\r\n.\r\n")
    assert isinstance(event, ArticleRefused)
    assert server.data_to_send() == answer + b"\r\n"
    assert not server.is_closing


def test_article_ends_at_nothing_but_its_final_dot() -> None:
    server = dialogue()
    tricks = b"\n.\n\r\n.\n\n.\r\n\r.\r\n.\r\r\n..\r\n"
    (event,) = server.receive_data(b"TAKETHIS <1@a>\r\n" + tricks + b".\r\n")
    assert isinstance(event, ArticleReceived)
    assert event.data == tricks.replace(b"\r\n.", b"\r\n")


@pytest.mark.parametrize("article", [b".\r\n", b"..\r\n.\r\n", b"\r\n.\r\n"])
def test_empty_and_dotted_articles(article: bytes) -> None:
    server = dialogue()
    # A line feed alone ends a command as well.
    (event,) = server.receive_data(b"TAKETHIS <1@a>\n" + article)
    assert isinstance(event, ArticleReceived)
    assert event.data == {b".\r\n": b"", b"..\r\n.\r\n": b".\r\n", b"\r\n.\r\n": b"\r\n"}[article]


def test_many_unanswered_commands_stop_the_reading() -> None:
    server = limited(DialogueLimits(unanswered_count=2))
    wire = b"".join(b"CHECK <%d@a>\r\n" % number for number in range(5))
    assert [event.ticket for event in server.receive_data(wire) if isinstance(event, CheckRequested)] == [
        1,
        2,
    ]
    assert not server.wants_data
    server.answer_check(2, Wanted.YES)
    assert server.receive_data(b"") == [CheckRequested(3, "<2@a>")]


def test_many_unanswered_bytes_stop_the_reading() -> None:
    server = limited(DialogueLimits(unanswered_bytes=20))
    wire = b"".join(b"TAKETHIS <%d@a>\r\n%b" % (number, SENT) for number in range(5))
    assert len(server.receive_data(wire)) == 2
    assert not server.wants_data
    server.answer_article(1, Stored.YES)
    assert len(server.receive_data(b"")) == 1


def test_who_only_asks_for_help_is_not_answered_before_that_can_be_sent() -> None:
    server = dialogue()
    wire = b"HELP\r\n" * 10_000
    assert server.receive_data(wire) == []
    assert not server.wants_data
    size_bytes = len(first := server.data_to_send())
    assert size_bytes < 300_000
    for _ in range(200):
        server.receive_data(b"")
        size_bytes += len(server.data_to_send())
    help_bytes = first.index(b"\r\n.\r\n") + len(b"\r\n.\r\n")
    assert size_bytes == 10_000 * help_bytes


def test_article_that_comes_byte_by_byte_takes_its_own_size() -> None:
    server = dialogue()
    server.receive_data(b"TAKETHIS <1@a>\r\n")
    tracemalloc.start()
    try:
        for _ in range(10_000):
            server.receive_data(b"x")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    (event,) = server.receive_data(b"\r\n.\r\n")
    assert isinstance(event, ArticleReceived)
    assert event.data == b"x" * 10_000 + b"\r\n"


def test_commands_that_are_none() -> None:
    server = dialogue(ALL)
    assert said(server, b"FOO\r\n\r\nMODE\r\nMODE FOO\r\nCHECK\r\nCHECK x\r\nIHAVE x\r\nSTARTTLS\r\n") == [
        *["500 what?"] * 2,
        *["501 syntax error"] * 3,
        "438 x no Message-ID",
        "435 x no Message-ID",
        "502 TLS is not for this connection, or begun",
    ]
    assert said(server, b"x" * 511 + b"\r\n" + b"\xff\r\n" + b"y" * 100_000 + b"\r\n") == [
        "501 the line is too long",
        "500 what?",
        "501 the line is too long",
    ]


def test_too_many_errors_end_the_connection() -> None:
    server = limited(DialogueLimits(error_count=2))
    assert said(server, b"FOO\r\n" * 9) == ["500 what?"] * 3 + ["400 too many errors"]
    assert server.is_closing


def test_who_may_not_feed_can_not() -> None:
    server = dialogue(Access(may_read=True))
    (event,) = server.receive_data(
        b"CHECK <1@a>\r\nIHAVE <1@a>\r\nMODE STREAM\r\nTAKETHIS <1@a>\r\nQUIT\r\n.\r\n"
    )
    assert event == ArticleRefused(Transfer.TAKETHIS, "<1@a>", "502 not permitted")
    assert server.data_to_send().splitlines() == [b"502 not permitted"] * 4
    assert said(dialogue(), b"GROUP a\r\nMODE READER\r\n") == ["502 not permitted"] * 2


def test_mode_reader() -> None:
    assert said(dialogue(ALL), b"mode reader\r\n") == ["200 reader, posting allowed"]
    assert said(dialogue(Access(may_read=True)), b"mode reader\r\n") == ["201 reader, no posting"]


def test_capabilities_are_what_the_client_can_use_now() -> None:
    assert said(dialogue(), b"CAPABILITIES\r\n") == [
        *("101 capabilities follow", "VERSION 2", "IMPLEMENTATION nncp-gateway", "IHAVE", "STREAMING", "."),
    ]
    server = dialogue(Access(may_read=True, may_post=True), is_tls_offered=True, is_auth_offered=True)
    lines = said(server, b"CAPABILITIES\r\n")
    assert {"AUTHINFO", "STARTTLS", "POST", "READER", "OVER MSGID", "HDR"} <= set(lines)
    assert not {"IHAVE", "SASL PLAIN", "NEWNEWS"} & set(lines)


def test_help_is_a_block() -> None:
    lines = said(dialogue(), b"HELP\r\n")
    assert lines[0].startswith("100")
    assert lines[-1] == "."


def test_password_is_not_taken_in_the_clear() -> None:
    server = dialogue(Access(), is_auth_offered=True)
    assert said(server, b"AUTHINFO USER a\r\nGROUP x\r\nPOST\r\n") == [
        "483 TLS is needed first",
        *["480 authentication required"] * 2,
    ]


def tls(access: Access = Access()) -> ServerDialogue:  # noqa: B008 - a value
    settings = ServerSettings("us.test", is_auth_offered=True, is_tls_offered=True)
    return ServerDialogue(settings, access, is_tls=True)


def plain(*parts: str) -> bytes:
    return base64.b64encode("\0".join(parts).encode())


@pytest.mark.parametrize(
    "wire",
    [
        b"AUTHINFO USER al ice\r\nauthinfo pass s e\r\n",
        b"AUTHINFO SASL PLAIN " + plain("", "al ice", "s e") + b"\r\n",
        b"AUTHINFO SASL PLAIN\r\n" + plain("al ice", "al ice", "s e") + b"\r\n",
    ],
)
def test_who_says_their_password_may_do_more(wire: bytes) -> None:
    server = tls()
    (event,) = server.receive_data(wire + b"POST\r\n")
    assert isinstance(event, AuthenticationRequested)
    assert (event.name, event.password) == ("al ice", "s e")
    assert "s e" not in repr(event)
    server.answer_authentication(event.ticket, ALL)
    assert server.receive_data(b"") == [PostRequested(2)]
    server.answer_post(2, "x")
    assert said(server, b"AUTHINFO USER a\r\n")[-1].startswith("502")


def test_wrong_password_changes_nothing() -> None:
    server = tls()
    server.receive_data(b"AUTHINFO USER a\r\nAUTHINFO PASS b\r\n")
    server.answer_authentication(1, None)
    assert said(server, b"POST\r\n") == [
        *("381 password required", "481 wrong name or password", "480 authentication required"),
    ]


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"AUTHINFO", "501"),
        (b"AUTHINFO FOO x", "501"),
        (b"AUTHINFO USER", "501"),
        (b"AUTHINFO PASS x", "482"),
        (b"AUTHINFO SASL GSSAPI", "503"),
        (b"AUTHINFO SASL PLAIN x y", "503"),
        (b"AUTHINFO SASL PLAIN \xff", "482"),
        (b"AUTHINFO SASL PLAIN =", "481"),
        (b"AUTHINFO SASL PLAIN AGE=", "481"),
        (b"AUTHINFO SASL PLAIN " + plain("root", "a", "b"), "481"),
        (b"AUTHINFO SASL PLAIN\r\n*", "481"),
        (b"AUTHINFO SASL PLAIN\r\n" + b"A" * 13_000, "481"),
    ],
)
def test_what_proves_nothing(wire: bytes, status: str) -> None:
    server = tls()
    assert said(server, wire + b"\r\n")[-1][:3] == status
    assert said(server, b"AUTHINFO USER a\r\n") == ["381 password required"]


def test_what_was_sent_in_the_clear_behind_starttls_is_forgotten() -> None:
    server = dialogue(Access(), is_tls_offered=True, is_auth_offered=True)
    assert server.receive_data(b"STARTTLS\r\nAUTHINFO USER evil\r\n") == [TlsRequested(1)]
    assert server.data_to_send() == b"382 begin TLS\r\n"
    assert not server.wants_data
    server.tls_started()
    assert said(server, b"AUTHINFO PASS x\r\nSTARTTLS\r\n") == [
        *("482 AUTHINFO USER comes first", "502 TLS is not for this connection, or begun"),
    ]


def test_stop_answers_what_was_asked_and_says_why() -> None:
    server = dialogue()
    server.receive_data(b"CHECK <1@a>\r\nTAKETHIS <2@a>\r\nhalf an arti")
    server.close("400 shutting down")
    server.close("400 shutting down twice")
    assert server.receive_data(b"cle\r\n.\r\nDATE\r\n") == []
    assert server.data_to_send() == b""
    server.answer_check(1, Wanted.YES)
    assert server.data_to_send() == b"238 <1@a>\r\n400 shutting down\r\n"
    assert server.is_closing


def test_client_that_has_gone_is_told_nothing_more() -> None:
    server = dialogue()
    server.close(None)
    assert server.data_to_send() == b""
    assert server.is_closing


def test_what_can_not_be_served_just_now() -> None:
    server = dialogue(ALL)
    server.receive_data(b"POST\r\n")
    server.unavailable(1, "disk\nfull")
    assert said(server, b"QUIT\r\n") == ["403 disk full", "205 bye"]


def test_each_command_is_answered_once_and_by_its_own_method() -> None:
    server = dialogue()
    events: list[Event] = server.receive_data(b"CHECK <1@a>\r\n")
    assert events == [CheckRequested(1, "<1@a>")]
    with pytest.raises(LocalProtocolError):
        server.answer_article(1, Stored.YES)
    server.answer_check(1, Wanted.YES)
    with pytest.raises(LocalProtocolError):
        server.answer_check(1, Wanted.YES)
    with pytest.raises(LocalProtocolError):
        server.answer_check(7, Wanted.YES)


def test_text_of_an_answer_is_one_line() -> None:
    assert one_line("a\r\nb\0 \u2028c\x85ö ") == "a b  \u2028c ö"
