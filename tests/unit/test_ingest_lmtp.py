"""LMTP: one answer for each recipient that was accepted, whatever happens."""

import grp
import logging
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.errors import StoreError
from gateway.ingest.unix_socket import UnixSocket
from gateway.msgqueue.entry import Role
from gateway.routing.access import AccessList
from tests.support.endpoint import HOSTNAME, Client, LmtpEndpoint, stuffed

MESSAGE = b"Message-ID: <1@a.test>\r\nSubject: x\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"x" * 2000 + b"\r\n"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[LmtpEndpoint]:
    with LmtpEndpoint(tmp_path, max_recipients=3, max_message_bytes=1500) as running:
        yield running


@pytest.fixture
def client(endpoint: LmtpEndpoint) -> Iterator[Client]:
    with endpoint.client() as connected:
        yield connected


def test_lhlo_greets_and_nothing_else_does(endpoint: LmtpEndpoint) -> None:
    with endpoint.client(is_greeted=False) as client:
        assert client.answer() == (220, f"{HOSTNAME} LMTP nncp-gateway")
        assert client.command("MAIL FROM:<a@a.test>") == (503, "5.5.1 send LHLO first")
        for line in ("EHLO client.test", "HELO client.test"):
            assert client.command(line)[0] == 500
        assert client.command("LHLO") == (501, "5.5.4 allowed: LHLO and your host name")
        code, text = client.command("LHLO client.test")
    offered = ["SIZE 1500", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "MT-PRIORITY", "DELIVERBY"]
    assert (code, text.split("\n")) == (250, [HOSTNAME, *offered, "ENHANCEDSTATUSCODES"])


def test_each_recipient_has_an_answer(endpoint: LmtpEndpoint, client: Client) -> None:
    client.begin("alice@a.test", "bob@b.test", "eve@here.test", "carl@b.test")
    client.send(stuffed(MESSAGE))
    answers = [client.answer() for _ in range(3)]
    assert len({text for _, text in answers}) == 1
    assert all(code == 250 and text.startswith("2.0.0 Ok: queued as ") for code, text in answers)
    assert client.command("NOOP")[0] == 250
    here, away = endpoint.kept(Role.INBOX)[0], endpoint.kept(Role.OUTBOX)[0]
    assert (here.recipients, away.recipients) == (("eve@here.test",), ("bob@b.test", "carl@b.test"))
    assert {here.content, away.content} == {MESSAGE}
    assert b" with LMTP id " in here.received


def test_a_recipient_that_was_refused_has_no_second_answer(endpoint: LmtpEndpoint, client: Client) -> None:
    client.send(
        b"MAIL FROM:<a@a.test>\r\nRCPT TO:<bob@b.test>\r\n"
        b"RCPT TO:<never@b.test>\r\nRCPT TO:<x@nowhere.test>\r\n"
        b"RCPT TO:<later@b.test>\r\nRCPT TO:<carl@b.test>\r\nDATA\r\n"
    )
    assert client.answers(7) == [250, 250, 550, 550, 450, 250, 354]
    client.send(stuffed(MESSAGE) + b"QUIT\r\n")
    assert client.answers(3) == [250, 250, 221]
    assert endpoint.kept()[0].recipients == ("bob@b.test", "carl@b.test")


def test_a_recipient_that_is_named_twice_has_two_answers_and_one_copy(
    endpoint: LmtpEndpoint, client: Client
) -> None:
    client.begin("a@a.test", "bob@b.test", "bob@B.TEST", "bob@b.test")
    client.send(stuffed(MESSAGE) + b"NOOP\r\n")
    assert [text[:5] for _, text in (client.answer() for _ in range(4))] == ["2.0.0"] * 4
    assert endpoint.kept()[0].recipients == ("bob@b.test",)


def test_data_without_a_recipient_is_out_of_order(client: Client) -> None:
    client.send(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<never@b.test>\r\nDATA\r\n")
    assert client.answers(3) == [250, 550, 503]
    assert client.command("RSET")[0] == 250


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (b"x\ny\r\n.\r\n", 554, "5.6.0"),
        (b"x\0y\r\n.\r\n", 554, "5.6.0"),
        (stuffed(LARGE), 552, "5.3.4"),
        (stuffed(b"Received: x\r\n" * 51 + MESSAGE), 554, "5.4.6"),
    ],
)
def test_content_that_is_refused_is_refused_for_each_recipient(
    endpoint: LmtpEndpoint, client: Client, content: bytes, code: int, status: str
) -> None:
    client.begin("a@a.test", "bob@b.test", "carl@b.test")
    client.send(content)
    assert [(got, text.split()[0]) for got, text in (client.answer() for _ in range(2))] == [
        (code, status)
    ] * 2
    client.begin("a@a.test", "bob@b.test", "carl@b.test")
    client.send(stuffed(MESSAGE))
    assert client.answers(2) == [250, 250]
    assert len(endpoint.kept()) == 1


@pytest.mark.parametrize(
    ("fault", "status"), [(StoreError("no disk"), "4.3.0"), (ZeroDivisionError("a bug of ours"), "4.3.0")]
)
def test_a_fault_of_ours_is_told_for_each_recipient_and_the_session_goes_on(
    tmp_path: Path, fault: Exception, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    is_broken = True

    def hook(step: str, _path: Path) -> None:
        if step == "commit" and is_broken:
            raise fault

    with (
        LmtpEndpoint(tmp_path, disk=Disk(is_syncing=False, hook=hook)) as endpoint,
        endpoint.client() as client,
    ):
        client.begin("a@a.test", "bob@b.test", "eve@here.test")
        client.send(stuffed(MESSAGE))
        answers = [client.answer() for _ in range(2)]
        assert [(code, text.split()[0]) for code, text in answers] == [(451, status)] * 2
        is_broken = False
        client.begin("a@a.test", "bob@b.test", "eve@here.test")
        client.send(stuffed(MESSAGE))
        assert client.answers(2) == [250, 250]
        assert len(endpoint.kept()) == 2
    is_logged = any(record.exc_info for record in caplog.records if record.levelno >= logging.ERROR)
    assert is_logged == isinstance(fault, ZeroDivisionError)


def test_whoever_is_not_permitted_is_refused_at_rcpt(tmp_path: Path) -> None:
    with LmtpEndpoint(tmp_path, relay_from=AccessList(())) as endpoint, endpoint.client() as client:
        client.send(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n")
        assert client.answers(3) == [250, 550, 503]


def test_whoever_may_open_the_socket_may_hand_mail_in(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "lmtp", 0o600)
    with LmtpEndpoint(tmp_path, listen=(), unix=place, relay_from=AccessList(())) as endpoint:
        mode = stat.S_IMODE(place.path.stat().st_mode)
        # The user's name is looked up for the first connection alone.
        for _ in range(2):
            with endpoint.client() as client:
                client.begin("a@a.test", "bob@b.test")
                client.send(stuffed(MESSAGE))
                assert client.answers(1) == [250]
        kept = endpoint.kept()
    assert mode == 0o600
    user = f"local user {pwd.getpwuid(os.geteuid()).pw_name}"
    assert [message.view.origin for message in kept] == [user, user]
    assert kept[0].received.startswith(b"Received: from client.test\r\n\tby gw.a.test with LMTP id ")
    assert not place.path.exists()


def test_a_socket_has_the_group_it_is_told(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    place = UnixSocket(tmp_path / "lmtp", 0o620, group)
    with LmtpEndpoint(tmp_path, listen=(), unix=place):
        found = place.path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o620, os.getegid())


def test_utf8_is_named_in_the_trace(endpoint: LmtpEndpoint, client: Client) -> None:
    assert client.command("MAIL FROM:<ä@a.test> SMTPUTF8")[0] == 250
    assert client.command("RCPT TO:<bob@b.test>")[0] == 250
    assert client.command("DATA")[0] == 354
    assert client.content(stuffed(MESSAGE))[0] == 250
    assert b" with UTF8LMTP id " in endpoint.kept()[0].received
