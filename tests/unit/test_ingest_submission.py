"""Submission: who may log in, how, and what happens to those who guess."""

import logging
import os
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ingest.door import WAITING_LIMIT_COUNT
from gateway.ingest.guard import Guard
from gateway.routing.access import AccessList
from gateway.routing.table import Local, Rule, Table
from tests.support.certificates import make_certificate
from tests.support.endpoint import HOSTNAME, Client, stuffed
from tests.support.submission import USERS, SubmissionEndpoint, base64_of, plain, trusting

MESSAGE = b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <1@a.test>\r\nSubject: x\r\n\r\nhello\r\n"
RIGHT = plain("alice", USERS["alice"])
WRONG = plain("alice", "looking-glass")


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[SubmissionEndpoint]:
    with SubmissionEndpoint(tmp_path) as running:
        yield running


@pytest.fixture
def local(tmp_path: Path) -> Iterator[SubmissionEndpoint]:
    """An endpoint without TLS, for programs of this machine."""
    with SubmissionEndpoint(tmp_path, is_tls=False, door={"is_cleartext_local": True}) as running:
        yield running


def offered(client: Client) -> list[str]:
    code, text = client.command("EHLO client.test")
    assert code == 250
    return text.split("\n")[1:]


def test_a_password_is_offered_in_tls_only(endpoint: SubmissionEndpoint) -> None:
    with endpoint.client() as client:
        assert "STARTTLS" in offered(client)
        assert not [line for line in offered(client) if line.startswith("AUTH")]
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 538
        assert client.command("AUTH LOGIN")[0] == 538
        assert client.command("MAIL FROM:<alice@a.test>") == (530, "5.7.0 send STARTTLS first, then AUTH")
    with endpoint.secured(user=None) as client:
        assert "AUTH PLAIN LOGIN" in offered(client)
        assert "STARTTLS" not in offered(client)
        assert client.command("STARTTLS")[0] == 503


def test_nothing_is_taken_before_auth(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured(user=None) as client:
        client.send(b"MAIL FROM:<alice@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n")
        assert client.answers(3) == [530, 503, 503]
        assert client.command("VRFY alice")[0] == 252
    assert endpoint.kept() == []


def test_an_address_that_may_relay_elsewhere_permits_nothing_here(tmp_path: Path) -> None:
    with (
        SubmissionEndpoint(tmp_path, relay_from=AccessList()) as endpoint,
        endpoint.secured(user=None) as client,
    ):
        assert client.command("MAIL FROM:<alice@a.test>")[0] == 530


@pytest.mark.parametrize("name", USERS)
def test_plain_with_and_without_a_first_response(endpoint: SubmissionEndpoint, name: str) -> None:
    response = plain(name, USERS[name])
    with endpoint.secured(user=None) as client:
        assert client.command(f"auth plain {response}") == (235, "2.7.0 welcome")
    with endpoint.secured(user=None) as client:
        assert client.command("AUTH PLAIN") == (334, "")
        assert client.command(response)[0] == 235


@pytest.mark.parametrize("name", USERS)
def test_login_with_and_without_a_first_response(endpoint: SubmissionEndpoint, name: str) -> None:
    with endpoint.secured(user=None) as client:
        assert client.command("AUTH LOGIN") == (334, base64_of("Username:"))
        assert client.command(base64_of(name)) == (334, base64_of("Password:"))
        assert client.command(base64_of(USERS[name]))[0] == 235
    with endpoint.secured(user=None) as client:
        assert client.command(f"AUTH LOGIN {base64_of(name)}") == (334, base64_of("Password:"))
        assert client.command(base64_of(USERS[name]))[0] == 235


def test_a_password_in_another_normal_form_is_the_same(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured(user=None) as client:
        decomposed = USERS["bob@b.test"].replace("ä", "a\N{COMBINING DIAERESIS}")
        assert decomposed != USERS["bob@b.test"]
        assert client.command(f"AUTH PLAIN {plain('bob@b.test', decomposed)}")[0] == 235


def test_a_user_may_relay_and_the_trace_says_how_it_came(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured() as client:
        assert client.mail(MESSAGE, "alice@a.test", "bob@b.test")[0] == 250
        assert client.command("MAIL FROM:<ä@a.test> SMTPUTF8 AUTH=<>")[0] == 250
        assert client.command("RCPT TO:<bob@b.test>")[0] == 250
        assert client.command("RCPT TO:<x@elsewhere.test>")[0] == 550
        assert client.command("DATA")[0] == 354
        assert client.content(stuffed(MESSAGE))[0] == 250
    first, second = endpoint.kept()
    assert b" with ESMTPSA id " in first.received
    assert b" with UTF8SMTPSA id " in second.received
    assert first.content == second.content == MESSAGE
    assert first.view.origin == "user alice at 127.0.0.1"


def test_auth_is_for_once_and_before_mail(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured() as client:
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 503
        assert client.command("MAIL FROM:<alice@a.test>")[0] == 250
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 503
    with endpoint.secured(user=None) as client:
        assert client.command("HELO client.test")[0] == 250
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 503


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [
        ("AUTH", 504, "5.5.4"),
        ("AUTH CRAM-MD5", 504, "5.5.4"),
        ("AUTH PLAIN !!!!", 501, "5.5.2"),
        ("AUTH PLAIN ä", 501, "5.5.2"),
        ("AUTH PLAIN =", 501, "5.5.2"),
        (f"AUTH PLAIN {base64_of(b'no separators')}", 501, "5.5.2"),
        (f"AUTH PLAIN {base64_of(bytes([0, 255, 0, 255]))}", 501, "5.5.2"),
        (f"AUTH PLAIN {RIGHT} {RIGHT}", 501, "5.5.2"),
        (f"AUTH PLAIN {plain('alice', USERS['alice'], 'bob@b.test')}", 501, "5.7.8"),
        (f"AUTH PLAIN {WRONG}", 535, "5.7.8"),
        (f"AUTH PLAIN {plain('alice', '')}", 535, "5.7.8"),
        (f"AUTH PLAIN {plain('', '')}", 535, "5.7.8"),
        (f"AUTH PLAIN {plain('ALICE', USERS['alice'])}", 535, "5.7.8"),
        (f"AUTH PLAIN {plain('nobody', USERS['alice'])}", 535, "5.7.8"),
    ],
)
def test_what_is_not_right_is_refused(
    endpoint: SubmissionEndpoint, line: str, code: int, status: str
) -> None:
    with endpoint.secured(user=None) as client:
        got, text = client.command(line)
        assert (got, text.split()[0]) == (code, status)
        assert client.command("MAIL FROM:<alice@a.test>")[0] == 530
        assert client.command(f"AUTH PLAIN {plain('alice', USERS['alice'], 'alice')}")[0] == 235


def test_a_client_may_think_better_of_it(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured(user=None) as client:
        assert client.command("AUTH LOGIN")[0] == 334
        assert client.command("*") == (501, "5.7.0 cancelled")
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235


def test_a_client_that_does_not_wait_for_the_answer_is_sent_away(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured(user=None) as client:
        client.send(f"AUTH PLAIN {RIGHT}\r\nMAIL FROM:<alice@a.test>\r\n".encode())
        assert client.answer()[0] == 554
        assert client.is_closed()


def test_what_was_sent_in_clear_never_counts_as_said_in_tls(endpoint: SubmissionEndpoint) -> None:
    with endpoint.client() as client:
        client.send(b"STARTTLS\r\nNOOP\r\n")
        assert client.answer()[0] == 554
        assert client.is_closed()
    with endpoint.client() as client:
        assert client.command("STARTTLS")[0] == 220
        client.send(b"EHLO client.test\r\nMAIL FROM:<evil@a.test>\r\n")
        # What follows is an alert of TLS at most, never an answer of SMTP.
        assert not re.search(rb"\b[25]\d\d ", _rest(client.socket))
    assert endpoint.kept() == []


def _rest(connected: socket.socket) -> bytes:
    data = b""
    try:
        while piece := connected.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_what_was_said_before_tls_is_forgotten(endpoint: SubmissionEndpoint) -> None:
    with endpoint.client() as client:
        assert client.command("STARTTLS now")[0] == 501
        assert client.command("STARTTLS")[0] == 220
        client.secure(trusting(endpoint.files))
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 503
        assert client.command("EHLO client.test")[0] == 250
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235


def test_old_tls_is_refused(endpoint: SubmissionEndpoint) -> None:
    context = trusting(endpoint.files)
    with pytest.deprecated_call():
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with endpoint.client() as client:
        assert client.command("STARTTLS")[0] == 220
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            client.secure(context)
        client.socket.close()


def test_a_connection_may_begin_with_tls(tmp_path: Path) -> None:
    with SubmissionEndpoint(tmp_path, listen=(), listen_tls=(("127.0.0.1", 0),)) as endpoint:
        with Client(endpoint.port) as client:
            client.secure(trusting(endpoint.files))
            assert client.answer()[0] == 220
            assert {"AUTH PLAIN LOGIN"} <= set(offered(client))
            assert "STARTTLS" not in offered(client)
            assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235
            assert client.mail(MESSAGE)[0] == 250
            assert client.command("QUIT")[0] == 221
        with Client(endpoint.port) as client:
            client.send(b"EHLO client.test\r\n")
            assert b"250" not in _rest(client.socket)
        (kept,) = endpoint.kept()
    assert b" with ESMTPSA id " in kept.received


def test_a_changed_certificate_counts_for_the_next_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anywhere = (("127.0.0.1", 0),)
    with SubmissionEndpoint(tmp_path, listen=anywhere, listen_tls=anywhere) as endpoint:
        old = trusting(endpoint.files)
        with endpoint.secured() as before:
            renewed = make_certificate(tmp_path, stem="new")
            os.replace(renewed.certificate, endpoint.files.certificate)  # noqa: PTH105 - both ends of one act
            with caplog.at_level(logging.ERROR):
                _check_tls(endpoint.server.ports[1], old)
            assert "the certificate stays as it was" in caplog.text
            os.replace(renewed.key, endpoint.files.key)  # noqa: PTH105
            new = trusting(endpoint.files)
            for port in endpoint.server.ports[1:]:
                _check_tls(port, new)
                with pytest.raises(ssl.SSLCertVerificationError):
                    _check_tls(port, old)
            with endpoint.secured() as client:
                assert client.mail(MESSAGE)[0] == 250
            assert before.mail(MESSAGE)[0] == 250


def _check_tls(port: int, context: ssl.SSLContext) -> None:
    with Client(port) as client:
        try:
            client.secure(context)
        except ssl.SSLError:
            client.socket.close()
            raise
        assert client.answer()[0] == 220


def test_a_password_in_clear_is_taken_from_this_machine_where_that_is_allowed(
    local: SubmissionEndpoint,
) -> None:
    with local.client() as client:
        assert {"AUTH PLAIN LOGIN"} <= set(offered(client))
        assert "STARTTLS" not in offered(client)
        assert client.command("STARTTLS")[0] == 502
        assert client.command("MAIL FROM:<alice@a.test>") == (530, "5.7.0 authentication required")
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235
        assert client.mail(MESSAGE)[0] == 250
    assert b" with ESMTPA id " in local.kept()[0].received


def test_who_logged_in_in_clear_logs_in_again_in_tls(tmp_path: Path) -> None:
    with (
        SubmissionEndpoint(tmp_path, door={"is_cleartext_local": True}) as endpoint,
        endpoint.client() as client,
    ):
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235
        assert client.command("STARTTLS")[0] == 220
        client.secure(trusting(endpoint.files))
        assert client.command("EHLO client.test")[0] == 250
        assert client.command("MAIL FROM:<alice@a.test>")[0] == 530
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235


def test_who_fails_is_sent_away_and_each_failure_is_logged(
    endpoint: SubmissionEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"), endpoint.secured(user=None) as client:
        for _ in range(2):
            assert client.command(f"AUTH PLAIN {WRONG}")[0] == 535
        assert client.command(f"AUTH PLAIN {plain('nobody', 'x')}")[0] == 535
        assert client.answer()[0] == 421
        assert client.is_closed()
    lines = [record.getMessage() for record in caplog.records if record.name == "gateway.mail"]
    assert lines == [
        f'event=auth-failed client=127.0.0.1 status=5.7.8 text="name or password is wrong" user={user}'
        f" failures={number}"
        for number, user in enumerate(["alice", "alice", "nobody"], 1)
    ]


def test_who_fails_too_often_is_not_listened_to_for_a_while(tmp_path: Path) -> None:
    now = [0.0]
    guard = Guard(4, 900, clock=lambda: now[0])
    with SubmissionEndpoint(tmp_path, guard=guard) as endpoint:
        waiting = endpoint.secured(user=None)
        for _ in range(2):
            with endpoint.secured(user=None) as client:
                assert client.command(f"AUTH PLAIN {WRONG}")[0] == 535
                assert client.command(f"AUTH PLAIN {WRONG}")[0] == 535
        with endpoint.client(is_greeted=False) as client:
            assert client.answer()[0] == 421
            assert client.is_closed()
        with waiting:
            # Not even with the right password: else one could go on guessing here.
            assert waiting.command(f"AUTH PLAIN {RIGHT}")[0] == 421
        now[0] = 901.0
        with endpoint.secured() as client:
            assert client.mail(MESSAGE)[0] == 250


def test_who_fails_waits_longer_each_time(tmp_path: Path) -> None:
    with SubmissionEndpoint(tmp_path, door={"failure_seconds": 0.2}) as endpoint:
        times = []
        with endpoint.secured(user=None) as client:
            for _ in range(2):
                begin = endpoint.ask(endpoint.loop.time)
                assert client.command(f"AUTH PLAIN {WRONG}")[0] == 535
                times.append(endpoint.ask(endpoint.loop.time) - begin)
    assert times[0] >= 0.2
    assert times[1] >= 0.4


def test_a_stop_does_not_wait_for_those_who_wait(tmp_path: Path) -> None:
    with (
        SubmissionEndpoint(tmp_path, stop_seconds=0.1, door={"failure_seconds": 3600.0}) as endpoint,
        endpoint.secured(user=None) as client,
    ):
        client.send(f"AUTH PLAIN {WRONG}\r\n".encode())
        endpoint.call(endpoint.server.stop())
        assert endpoint.server.connections_count == 0


def test_a_password_that_was_changed_counts_at_once(endpoint: SubmissionEndpoint) -> None:
    with endpoint.secured(user=None) as client:
        endpoint.set_users({"alice": "through the glass"})
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 535
        assert client.command(f"AUTH PLAIN {plain('alice', 'through the glass')}")[0] == 235


def test_a_file_of_passwords_that_is_broken_lets_nobody_in_for_now(
    endpoint: SubmissionEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.passwords_path.write_text("alice:wonderland\n")
    with endpoint.secured(user=None) as client:
        assert client.command(f"AUTH PLAIN {RIGHT}") == (454, "4.7.0 nobody can log in now, try again later")
    assert "wonderland" not in caplog.text
    endpoint.passwords_path.unlink()
    with endpoint.secured(user=None) as client:
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 535


def test_too_many_that_wait_are_told_to_come_again(endpoint: SubmissionEndpoint) -> None:
    endpoint.door.waiting_count = WAITING_LIMIT_COUNT
    with endpoint.secured(user=None) as client:
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 454
        endpoint.door.waiting_count = 0
        assert client.command(f"AUTH PLAIN {RIGHT}")[0] == 235


def test_a_user_with_a_list_of_senders_sends_as_none_else(tmp_path: Path) -> None:
    allowed = Table.from_rules([Rule("alice@a.test", Local()), Rule(".alice.test", Local())])
    with SubmissionEndpoint(tmp_path, door={"senders": {"alice": allowed}}) as endpoint:
        with endpoint.secured() as client:
            code, text = client.command("MAIL FROM:<bob@a.test>")
            assert (code, text) == (553, "5.7.1 alice may not send as 'bob@a.test'")
            for sender in ("alice@a.test", "any@list.alice.test", ""):
                assert client.mail(MESSAGE, sender)[0] == 250
        with endpoint.secured(user="bob@b.test") as client:
            assert client.mail(MESSAGE, "anybody@elsewhere.test")[0] == 250


@pytest.mark.parametrize(
    ("header", "added"),
    [
        (b"Date: x\r\nMessage-ID: <y>\r\n", []),
        (b"Subject: x\r\nMessage-Id : <y>\r\n", [b"Date"]),
        (b"date: x\r\n", [b"Message-ID"]),
        (b"Subject: Date: Message-ID:\r\n Date: x\r\n", [b"Date", b"Message-ID"]),
        (b"", [b"Date", b"Message-ID"]),
    ],
)
def test_what_a_message_lacks_is_added_and_nothing_else_changed(
    endpoint: SubmissionEndpoint, header: bytes, added: list[bytes]
) -> None:
    message = header + b"\r\nDate: in the body\r\n"
    with endpoint.secured() as client:
        assert client.mail(message, "alice@a.test", "bob@b.test", "eve@here.test")[0] == 250
    kept = endpoint.kept()
    fronts = {each.content.removesuffix(message) for each in kept}
    assert len(kept) == 2
    (front,) = fronts
    assert [line.partition(b":")[0] for line in front.splitlines()] == added
    for each in kept:
        message_id = each.view.message_id
        assert message_id == "<y>" or message_id.endswith(f"@{HOSTNAME}>")
