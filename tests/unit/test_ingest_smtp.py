"""The SMTP commands."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.message.envelope import MailOptions, Notify, RecipientOptions, Return
from gateway.msgqueue.entry import Form, Role
from gateway.msgqueue.inbox import Inbox
from gateway.msgqueue.outbox import Outbox
from gateway.routing.access import AccessList
from tests.support.endpoint import HOSTNAME, Client, Endpoint, stuffed
from tests.support.processes import wait_until

MESSAGE = b"Message-ID: <1@a.test>\r\nSubject: x\r\n\r\nhello\r\n"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with Endpoint(
        tmp_path, max_message_bytes=4 << 20, max_inflight_bytes=8 << 20, max_recipients=3
    ) as running:
        yield running


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Client]:
    with endpoint.client() as connected:
        yield connected


def _narrow(directory: Path) -> Endpoint:
    return Endpoint(directory, max_message_bytes=1_000_000, max_inflight_bytes=1_000_000)


def _refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.mail"]
    return [line for line in lines if line.startswith("event=refused")]


def test_ehlo_says_what_is_offered_and_nothing_else(endpoint: Endpoint) -> None:
    with endpoint.client(is_greeted=False) as client:
        assert client.answer() == (220, f"{HOSTNAME} ESMTP nncp-gateway")
        code, text = client.command("EHLO client.test")
    offered = [f"SIZE {4 << 20}", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "MT-PRIORITY", "DELIVERBY"]
    assert (code, text.split("\n")) == (250, [HOSTNAME, *offered, "ENHANCEDSTATUSCODES"])


def test_helo_takes_mail_without_extensions(endpoint: Endpoint) -> None:
    with endpoint.client(is_greeted=False) as client:
        client.answer()
        assert client.command("helo client.test") == (250, HOSTNAME)
        assert client.command("MAIL FROM:<a@a.test> SIZE=1")[0] == 555
        assert client.command("MAIL FROM:<a@a.test> BODY=7BIT")[0] == 555
        assert client.command("MAIL FROM:<a@a.test> RET=FULL")[0] == 555
        assert client.command("MAIL FROM:<a@a.test>")[0] == 250
        assert client.command("RCPT TO:<bob@b.test> NOTIFY=NEVER")[0] == 555
        assert client.command("RSET")[0] == 250
        assert client.mail(MESSAGE)[0] == 250
    assert b" with SMTP id " in endpoint.kept()[0].received


@pytest.mark.parametrize("line", ["EHLO", "EHLO ", "HELO", "EHLO a\x01b", "EHLO " + "x" * 256])
def test_greeting_needs_a_name(endpoint: Endpoint, line: str) -> None:
    with endpoint.client(is_greeted=False) as client:
        client.answer()
        assert client.command(line)[0] == 501
        assert client.command("MAIL FROM:<a@a.test>") == (503, "5.5.1 send EHLO or HELO first")


def test_message_is_in_the_queue_when_250_is_said(endpoint: Endpoint, client: Client) -> None:
    code, text = client.mail(MESSAGE)
    (kept,) = endpoint.kept(Role.OUTBOX)
    assert (code, text) == (250, f"2.0.0 Ok: queued as {kept.view.id}")
    assert (kept.view.sender, kept.recipients, kept.content) == ("alice@a.test", ("bob@b.test",), MESSAGE)
    assert (kept.view.message_id, kept.is_8bit, kept.is_smtputf8) == ("<1@a.test>", False, False)
    assert b" with ESMTP id " in kept.received


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\n",
        b"no header at all\r\n",
        b"\r\nno header, empty line\r\n",
        b"Subject: header only\r\n",
        b".\r\n..\r\n.x\r\nx.\r\n.\r\n",
        b"From alice Sat Jan 1 00:00:00 2000\r\nSubject: x\r\n\r\nFrom here\r\n",
        b"Subject: \xe9\xff\r\n\r\n\x80\x01\x1b\x7f\xfe\r\n",
        b"Subject: long\r\n\r\n" + b"y" * 100_000 + b"\r\n",
        b"Subject: lines\r\n\r\n" + b"z" * 999 + b"\r\n" + b"z" * 3000 + b"\r\n",
    ],
)
def test_content_is_kept_as_it_came(endpoint: Endpoint, client: Client, message: bytes) -> None:
    assert client.mail(message)[0] == 250
    assert endpoint.kept()[0].content == message


def test_null_sender_is_kept_as_empty(endpoint: Endpoint, client: Client) -> None:
    assert client.mail(MESSAGE, "")[0] == 250
    assert endpoint.kept()[0].view.sender == ""


def test_nested_mail_is_refused_after_the_null_sender_too(client: Client) -> None:
    assert client.command("MAIL FROM:<>")[0] == 250
    assert client.command("MAIL FROM:<>")[0] == 503
    assert client.command("RSET")[0] == 250
    assert client.command("MAIL FROM:<>")[0] == 250


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [
        ("MAIL", 501, "5.5.4"),
        ("MAIL TO:<a@a.test>", 501, "5.5.4"),
        ("MAIL FROM:", 501, "5.1.7"),
        ("MAIL FROM:a@a.test", 501, "5.1.7"),
        ("MAIL FROM:<a@a.test", 501, "5.1.7"),
        ("MAIL FROM:<a b@a.test>", 501, "5.1.7"),
        ("MAIL FROM:<a@>", 501, "5.1.7"),
        ("MAIL FROM:<" + "a" * 300 + "@a.test>", 501, "5.1.7"),
        ("MAIL FROM:<a@a.test> RET=NONE", 501, "5.5.4"),
        ("MAIL FROM:<a@a.test> ENVID=a+0Ab", 501, "5.5.4"),
        ("MAIL FROM:<a@a.test> MT-PRIORITY=10", 501, "5.5.4"),
        ("MAIL FROM:<a@a.test> BY=0;R", 501, "5.5.4"),
        ("MAIL FROM:<a@a.test> NOTIFY=NEVER", 555, "5.5.4"),
        ("MAIL FROM:<a@a.test> HOLDFOR=1", 555, "5.5.4"),
        ("MAIL FROM:<a@a.test> AUTH=<>", 555, "5.5.4"),
        ("MAIL FROM:<a@a.test> BODY=BINARYMIME", 501, "5.5.4"),
        (f"MAIL FROM:<a@a.test> SIZE={(4 << 20) + 1}", 552, "5.3.4"),
        ("MAIL FROM:<ä@a.test>", 553, "5.6.7"),
        (b"MAIL FROM:<\xe4@a.test>", 501, "5.1.7"),
        (b"MAIL FROM:<a\0b@a.test>", 501, "5.1.7"),
    ],
)
def test_bad_sender_is_refused(client: Client, line: str | bytes, code: int, status: str) -> None:
    got, text = client.command(line)
    assert (got, text.split()[0]) == (code, status)
    assert client.command("RCPT TO:<bob@b.test>")[0] == 503


def test_what_a_sender_asks_for_is_kept_with_the_message(endpoint: Endpoint, client: Client) -> None:
    mail = "MAIL FROM:<ä@a.test> SMTPUTF8 RET=hdrs ENVID=a+2Bb MT-PRIORITY=7 BY=3600;RT SIZE=10"
    assert client.command(mail)[0] == 250
    assert client.command("RCPT TO:<bob@b.test> NOTIFY=success,delay ORCPT=utf-8;ä@b.test")[0] == 250
    assert client.command("RCPT TO:<eve@here.test>  NOTIFY=NEVER")[0] == 250
    assert client.command("RCPT TO:<carl@b.test>")[0] == 250
    assert client.command("DATA")[0] == 354
    assert client.content(stuffed(MESSAGE))[0] == 250
    (here,) = Inbox(endpoint.queue).due(10)
    lane = Outbox(endpoint.queue).lanes()[0].lane
    batch = Outbox(endpoint.queue).claim(lane, Form.GATEWAY, max_count=1, max_bytes=1, first_hop=lane.node)
    assert batch is not None
    (away,) = Outbox(endpoint.queue).messages_of(batch.id)
    assert here.envelope.recipient_options == {"eve@here.test": RecipientOptions(frozenset({Notify.NEVER}))}
    assert away.envelope.recipient_options == {
        "bob@b.test": RecipientOptions(frozenset({Notify.SUCCESS, Notify.DELAY}), "utf-8;ä@b.test")
    }
    for envelope in (here.envelope, away.envelope):
        deliver_by = envelope.options.deliver_by
        assert deliver_by is not None
        assert 3500 < deliver_by.seconds <= 3600
        assert replace(envelope.options, deliver_by=None) == MailOptions("a+2Bb", Return.HEADERS, 7)


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [
        ("RCPT", 501, "5.5.4"),
        ("RCPT FROM:<a@b.test>", 501, "5.5.4"),
        ("RCPT TO:<>", 501, "5.1.3"),
        ("RCPT TO:a@b.test", 501, "5.1.3"),
        ("RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY", 501, "5.5.4"),
        ("RCPT TO:<a@b.test> ORCPT=a@b.test", 501, "5.5.4"),
        ("RCPT TO:<a@b.test> ORCPT=rfc822;a+0D+0AX:@b.test", 501, "5.5.4"),
        ("RCPT TO:<a@b.test> ORCPT=utf-8;ä@b.test", 501, "5.5.4"),
        ("RCPT TO:<a@b.test> NOTIFY=DELAY NOTIFY=DELAY", 501, "5.5.4"),
        ("RCPT TO:<a@b.test> RET=FULL", 555, "5.5.4"),
        ("RCPT TO:<a@elsewhere.test>", 550, "5.7.1"),
        ("RCPT TO:<a%b.test@elsewhere.test>", 550, "5.7.1"),
        ("RCPT TO:<never@b.test>", 550, "5.1.1"),
        ("RCPT TO:<later@b.test>", 450, "4.2.1"),
        ("RCPT TO:<a@gone.test>", 451, "4.3.5"),
        ("RCPT TO:<ä@b.test>", 553, "5.6.7"),
    ],
)
def test_bad_recipient_is_refused(client: Client, line: str, code: int, status: str) -> None:
    assert client.command("MAIL FROM:<a@a.test>")[0] == 250
    got, text = client.command(line)
    assert (got, text.split()[0]) == (code, status)
    assert client.command("DATA") == (554, "5.5.1 no valid recipients")


def test_one_bad_recipient_does_not_stop_the_others(endpoint: Endpoint, client: Client) -> None:
    client.command("MAIL FROM:<a@a.test>")
    codes = [client.command(f"RCPT TO:<{name}@b.test>")[0] for name in ("one", "never", "two")]
    assert codes == [250, 550, 250]
    client.command("DATA")
    assert client.content(b".\r\n")[0] == 250
    assert endpoint.kept()[0].recipients == ("one@b.test", "two@b.test")


def test_repeated_recipient_gets_one_copy(endpoint: Endpoint, client: Client) -> None:
    assert client.mail(MESSAGE, "a@a.test", "x@b.test", "x@B.TEST", "X@b.test")[0] == 250
    assert endpoint.kept()[0].recipients == ("x@b.test", "X@b.test")


def test_too_many_recipients_are_asked_to_come_later(endpoint: Endpoint, client: Client) -> None:
    client.command("MAIL FROM:<a@a.test>")
    codes = [client.command(f"RCPT TO:<r{number}@b.test>") for number in range(4)]
    assert [code for code, _ in codes] == [250, 250, 250, 452]
    assert codes[3][1].startswith("4.5.3 ")
    assert client.command("RCPT TO:<r0@b.test>")[0] == 250
    client.command("DATA")
    assert client.content(b".\r\n")[0] == 250
    assert len(endpoint.kept()[0].recipients) == 3


def test_source_route_is_dropped(endpoint: Endpoint, client: Client) -> None:
    assert client.mail(MESSAGE, "a@a.test", "@relay.test:bob@b.test")[0] == 250
    assert endpoint.kept()[0].recipients == ("bob@b.test",)


def test_postmaster_without_a_domain_is_ours(endpoint: Endpoint, client: Client) -> None:
    assert client.mail(MESSAGE, "", "Postmaster")[0] == 250
    assert endpoint.kept(Role.INBOX)[0].recipients == (f"Postmaster@{HOSTNAME}",)


def test_mail_for_here_and_for_a_node_is_split(endpoint: Endpoint, client: Client) -> None:
    code, text = client.mail(MESSAGE, "a@a.test", "eve@here.test", "bob@b.test")
    ids = [endpoint.kept(role)[0].view.id for role in (Role.INBOX, Role.OUTBOX)]
    assert (code, text.split()[-2:]) == (250, ids)


def test_smtputf8_opens_addresses(endpoint: Endpoint, client: Client) -> None:
    assert client.command("MAIL FROM:<ä@a.test> SMTPUTF8 BODY=8BITMIME")[0] == 250
    assert client.command("RCPT TO:<ö@bücher.test>")[0] == 250
    assert client.command("DATA")[0] == 354
    assert client.content("Subject: ü\r\n\r\n.\r\n".encode())[0] == 250
    (kept,) = endpoint.kept()
    assert (kept.view.sender, kept.recipients) == ("ä@a.test", ("ö@bücher.test",))
    assert (kept.is_8bit, kept.is_smtputf8) == (True, True)
    assert b" with UTF8SMTP id " in kept.received


def test_8bitmime_is_kept(endpoint: Endpoint, client: Client) -> None:
    for parameters, content in ((" BODY=8BITMIME", b"a\r\n"), (" BODY=7BIT", b"a\r\n"), ("", b"\xe4\r\n")):
        assert client.command(f"MAIL FROM:<a@a.test>{parameters}")[0] == 250
        assert client.command("RCPT TO:<bob@b.test>")[0] == 250
        assert client.command("DATA")[0] == 354
        assert client.content(content + b".\r\n")[0] == 250
    assert [kept.is_8bit for kept in endpoint.kept()] == [True, False, True]


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\n.\r",
        b"\r.\n",
        b"\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\0\r\n.\0\r\n",
    ],
)
def test_nothing_but_crlf_dot_crlf_ends_a_message(endpoint: Endpoint, client: Client, end: bytes) -> None:
    client.begin()
    smuggled = (
        b"MAIL FROM:<evil@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
    )
    code, text = client.content(b"Subject: x\r\n\r\nhello" + end + smuggled)
    assert (code, text.split()[0]) == (554, "5.6.0")
    assert client.command("NOOP") == (250, "2.0.0 Ok")
    assert endpoint.kept() == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a\rb\r\n", "bare CR at offset 1"),
        (b"ab\n", "bare LF at offset 2"),
        (b"abc\0\r\n", "NUL at offset 3"),
    ],
)
def test_stray_bytes_are_named(
    client: Client, content: bytes, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.mail")
    client.begin("a@a.test", "x@b.test", "y@b.test")
    code, text = client.content(content + b"\r\n.\r\n")
    assert (code, text.split()[0]) == (554, "5.6.0")
    assert what in text
    refusals = _refusals(caplog)
    assert ["to=x@b.test" in refusals[0].split(), "to=y@b.test" in refusals[1].split()] == [True, True]
    assert all(what in line for line in refusals)


def test_message_over_the_limit_is_refused_and_the_session_goes_on(
    endpoint: Endpoint, client: Client
) -> None:
    client.begin()
    code, text = client.content(b"x" * (5 << 20) + b"\r\n.\r\n")
    assert (code, text.split()[0]) == (552, "5.3.4")
    assert client.mail(MESSAGE)[0] == 250
    assert [kept.content for kept in endpoint.kept()] == [MESSAGE]


def test_size_may_lie_in_both_directions(endpoint: Endpoint, client: Client) -> None:
    for size_bytes in (1, 3 << 20):
        assert client.command(f"MAIL FROM:<a@a.test> SIZE={size_bytes}")[0] == 250
        assert client.command("RCPT TO:<bob@b.test>")[0] == 250
        assert client.command("DATA")[0] == 354
        assert client.content(b"y" * 300_000 + b"\r\n.\r\n")[0] == 250
    assert [len(kept.content) for kept in endpoint.kept()] == [300_002] * 2
    assert endpoint.ask(lambda: endpoint.server.inflight_bytes) == 0


def test_too_many_hops_are_a_loop(endpoint: Endpoint, client: Client) -> None:
    assert client.mail(b"Received: by x\r\n" * 50 + b"\r\n")[0] == 250
    code, text = client.mail(b"Received: by x\r\n" * 51 + b"\r\n")
    assert (code, text.split()[0]) == (554, "5.4.6")
    assert len(endpoint.kept()) == 1


def test_free_space_reserve_asks_to_come_later(tmp_path: Path) -> None:
    with Endpoint(tmp_path, reserve_bytes=1 << 60) as endpoint, endpoint.client() as client:
        for line in ("MAIL FROM:<a@a.test>", "MAIL FROM:<a@a.test> SIZE=10"):
            code, text = client.command(line)
            assert (code, text.split()[0]) == (452, "4.3.1")


def test_free_space_that_goes_while_the_message_comes(endpoint: Endpoint, client: Client) -> None:
    client.begin()
    endpoint.queue.reserve_bytes = 1 << 60
    code, text = client.content(b"x\r\n.\r\n")
    assert (code, text.split()[0]) == (452, "4.3.1")
    endpoint.queue.reserve_bytes = 0
    assert client.mail(MESSAGE)[0] == 250
    assert [kept.content for kept in endpoint.kept()] == [MESSAGE]


def test_bytes_in_flight_are_capped(tmp_path: Path) -> None:
    with _narrow(tmp_path) as endpoint, endpoint.client() as one, endpoint.client() as two:
        assert one.command("MAIL FROM:<a@a.test> SIZE=700000")[0] == 250
        code, text = two.command("MAIL FROM:<a@a.test> SIZE=700000")
        assert (code, text.split()[0]) == (452, "4.3.1")
        assert one.command("RSET")[0] == 250
        two.begin()
        two.send(b"x" * 700_000)
        wait_until(
            lambda: endpoint.ask(lambda: endpoint.server.inflight_bytes) == 700_000,
            20,
            "700,000 bytes in flight",
        )
        one.begin()
        assert one.content(b"y" * 400_000 + b"\r\n.\r\n")[0] == 452
        assert two.content(b"\r\n.\r\n")[0] == 250
        one.begin()
        assert one.content(b"y" * 400_000 + b"\r\n.\r\n")[0] == 250
        assert endpoint.ask(lambda: endpoint.server.inflight_bytes) == 0
        assert [len(kept.content) for kept in endpoint.kept()] == [700_002, 400_002]


def test_client_that_goes_gives_its_room_back(tmp_path: Path) -> None:
    with _narrow(tmp_path) as endpoint:
        with endpoint.client() as client:
            assert client.command("MAIL FROM:<a@a.test> SIZE=1000000")[0] == 250
            client.reset()
        wait_until(lambda: endpoint.ask(lambda: endpoint.server.inflight_bytes) == 0, 60, "room given back")


def test_stranger_relays_nothing_and_holds_no_room(tmp_path: Path) -> None:
    strangers = AccessList.parse(["192.0.2.0/24"])
    with Endpoint(tmp_path, relay_from=strangers, max_errors=3) as endpoint, endpoint.client() as client:
        assert client.command("MAIL FROM:<a@a.test> SIZE=1000000")[0] == 250
        assert endpoint.ask(lambda: endpoint.server.inflight_bytes) == 0
        for recipient in ("bob@b.test", "eve@here.test"):
            assert client.command(f"RCPT TO:<{recipient}>") == (
                550,
                "5.7.1 relay not permitted for your address",
            )
        assert client.command("DATA")[0] == 554
        assert client.answer()[0] == 421
        assert client.is_closed()


def test_refusals_are_in_the_mail_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.mail")
    client.command("MAIL FROM:<a b@a.test>")
    client.command("MAIL FROM:<a@a.test>")
    client.command("RCPT TO:<x@elsewhere.test>")
    bad_sender, no_relay = _refusals(caplog)
    assert "status=5.1.7" in bad_sender
    assert {"from=a@a.test", "to=x@elsewhere.test", "client=127.0.0.1", "status=5.7.1"} <= set(
        no_relay.split()
    )


def test_small_commands(client: Client) -> None:
    wanted = [
        ("NOOP", 250, "2.0.0"),
        ("noop with words", 250, "2.0.0"),
        ("VRFY bob", 252, "2.5.0"),
        ("VRFY", 501, "5.5.4"),
        ("EXPN list", 502, "5.5.1"),
        ("HELP", 214, "2.0.0"),
        ("RSET", 250, "2.0.0"),
        ("RSET now", 501, "5.5.4"),
        ("DATA", 503, "5.5.1"),
        ("RCPT TO:<bob@b.test>", 503, "5.5.1"),
        ("STARTTLS", 502, "5.5.1"),
        ("AUTH PLAIN AGEAYg==", 502, "5.5.1"),
        ("BDAT 5 LAST", 502, "5.5.1"),
        ("XYZZY", 500, "5.5.2"),
        ("", 500, "5.5.2"),
    ]
    for line, code, status in wanted:
        got, text = client.command(line)
        assert (got, text.split()[0]) == (code, status), line
    assert client.command("QUIT") == (221, "2.0.0 Bye")
    assert client.is_closed()


def test_data_takes_no_argument(client: Client) -> None:
    client.command("MAIL FROM:<a@a.test>")
    client.command("RCPT TO:<bob@b.test>")
    assert client.command("DATA now")[0] == 501
    assert client.command("DATA")[0] == 354
    assert client.content(b".\r\n")[0] == 250


def test_ehlo_and_rset_forget_the_message_begun(client: Client) -> None:
    for line in ("EHLO again.test", "HELO again.test", "RSET"):
        assert client.command("MAIL FROM:<a@a.test>")[0] == 250
        assert client.command("RCPT TO:<bob@b.test>")[0] == 250
        assert client.command(line)[0] == 250
        assert client.command("DATA")[0] == 503


def test_each_message_starts_anew(endpoint: Endpoint, client: Client) -> None:
    assert client.mail(MESSAGE, "a@a.test", "one@b.test")[0] == 250
    assert client.command("RCPT TO:<two@b.test>")[0] == 503
    assert client.mail(MESSAGE, "", "two@b.test")[0] == 250
    assert [kept.recipients for kept in endpoint.kept()] == [("one@b.test",), ("two@b.test",)]


def test_web_browser_is_sent_away(endpoint: Endpoint) -> None:
    with endpoint.client(is_greeted=False) as client:
        client.answer()
        assert client.command("POST / HTTP/1.1")[0] == 421
        assert client.is_closed()


def test_client_with_too_many_errors_is_sent_away(tmp_path: Path) -> None:
    with Endpoint(tmp_path, max_errors=3) as endpoint, endpoint.client() as client:
        assert [client.command("XYZZY")[0] for _ in range(2)] == [500, 500]
        assert client.mail(MESSAGE)[0] == 250
        assert [client.command("XYZZY")[0] for _ in range(3)] == [500, 500, 500]
        assert client.answer() == (421, "4.7.0 too many errors, closing")
        assert client.is_closed()


def test_client_that_only_keeps_the_line_busy_is_sent_away(tmp_path: Path) -> None:
    with Endpoint(tmp_path, max_errors=2, max_idle_commands=5) as endpoint, endpoint.client() as client:
        client.send(b"NOOP\r\n" * 10)
        assert client.answers(7) == [250] * 6 + [421]
        assert client.is_closed()
