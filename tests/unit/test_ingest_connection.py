"""One connection: what is overridden of aiosmtpd, command lines, pipelining, time limits, ends."""

import contextlib
import logging
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import aiosmtpd.smtp
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.ingest.connection import INPUT_LIMIT_BYTES, LINE_LIMIT_BYTES, SmtpConnection
from gateway.ingest.smtp import SmtpSession
from tests.support.endpoint import Client, Endpoint, stuffed
from tests.support.processes import slowness, wait_until

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"
GROUP = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with Endpoint(tmp_path) as running:
        yield running


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Client]:
    with endpoint.client() as connected:
        yield connected


def _only_session(endpoint: Endpoint) -> SmtpConnection:
    (session,) = endpoint.server._services.sessions
    return session


@pytest.mark.parametrize(
    "name",
    [
        *("__init__", "_handle_client", "_reset_timeout", "_set_post_data_state", "_timeout_cb", "push"),
        *("connection_lost", "connection_made", "data_received", "eof_received"),
        *("pause_writing", "resume_writing"),
        *("smtp_DATA", "smtp_EHLO", "smtp_EXPN", "smtp_HELO", "smtp_HELP", "smtp_MAIL", "smtp_NOOP"),
        *("smtp_QUIT", "smtp_RCPT", "smtp_RSET", "smtp_VRFY"),
    ],
)
def test_overridden_method_is_one_of_aiosmtpd(name: str) -> None:
    assert hasattr(SMTP, name)
    assert getattr(SmtpSession, name) is not getattr(SMTP, name)


def test_pinned_version_is_the_one_that_was_read() -> None:
    assert aiosmtpd.smtp.__version__ == "1.4.6"


def test_what_is_kept_of_aiosmtpd_needs_nothing_that_its_constructor_makes(
    endpoint: Endpoint, client: Client
) -> None:
    session = _only_session(endpoint)
    assert isinstance(session, SMTP)
    assert isinstance(session.session, Session)
    assert session.session.loop is session.loop is endpoint.loop
    assert isinstance(session.envelope, Envelope)
    assert not hasattr(session, "_stream_reader")
    assert not hasattr(session, "_auth_methods")
    assert client.command("NOOP")[0] == 250


def test_limits_of_the_class_do_not_grow_with_each_ehlo(client: Client) -> None:
    before = dict(SMTP.command_size_limits)
    for _ in range(4):
        assert client.command("EHLO client.test")[0] == 250
    assert dict(SMTP.command_size_limits) == before


def test_pushed_answers_wait_in_the_same_line(endpoint: Endpoint, client: Client) -> None:
    session = _only_session(endpoint)
    endpoint.call(session.push("250-2.0.0 one"))
    endpoint.call(session.push(b"250 2.0.0 two"))
    assert client.command("NOOP") == (250, "2.0.0 one\n2.0.0 two")
    assert client.answer() == (250, "2.0.0 Ok")


def test_pipelined_commands_are_answered_together(client: Client) -> None:
    client.send(GROUP)
    assert client.answers(3) == [250, 250, 354]
    client.send(stuffed(MESSAGE) + b"MAIL FROM:<>\r\nRCPT TO:<bob@b.test>\r\nRSET\r\nQUIT\r\n")
    assert client.answers(5) == [250, 250, 250, 250, 221]
    assert client.is_closed()


def test_answers_of_a_group_go_out_in_one_write(client: Client) -> None:
    client.send(GROUP)
    select.select([client.socket], [], [], 20)
    assert (
        client.socket.recv(1 << 16)
        == b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
    )


def test_answers_do_not_wait_for_each_other_in_the_network(endpoint: Endpoint, client: Client) -> None:
    assert client.command("NOOP")[0] == 250
    transport = _only_session(endpoint).transport
    assert transport is not None
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_session_that_arrives_byte_by_byte(endpoint: Endpoint, client: Client) -> None:
    for raw, wanted in ((GROUP, [250, 250, 354]), (stuffed(MESSAGE), [250])):
        for byte in raw:
            client.send(bytes([byte]))
        assert client.answers(len(wanted)) == wanted
    assert [kept.content for kept in endpoint.kept()] == [MESSAGE]


@pytest.mark.parametrize("greeting", [b"EHLO c.test\r\n", b"HELO c.test\r\n"])
def test_commands_before_the_answer_to_the_greeting_are_refused(endpoint: Endpoint, greeting: bytes) -> None:
    with endpoint.client(is_greeted=False) as client:
        client.send(greeting + GROUP)
        assert client.answers(2) == [220, 554]
        assert client.is_closed()


def test_content_before_the_answer_to_data_is_refused(endpoint: Endpoint, client: Client) -> None:
    client.send(GROUP + stuffed(MESSAGE))
    assert client.answers(3) == [250, 250, 554]
    assert client.is_closed()
    assert endpoint.kept() == []


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"\n", b"\r\r\n"])
def test_command_ends_in_crlf(client: Client, line: bytes) -> None:
    client.send(line)
    code, text = client.answer()
    assert (code, text.split()[0]) == (500, "5.5.2")
    assert client.command("NOOP")[0] == 250


def test_command_of_the_longest_length_is_taken(client: Client) -> None:
    assert client.command("NOOP " + "x" * (LINE_LIMIT_BYTES - 7))[0] == 250
    code, text = client.command("NOOP " + "x" * (LINE_LIMIT_BYTES - 6))
    assert (code, text.split()[0]) == (500, "5.5.2")
    assert client.command("NOOP")[0] == 250


def test_endless_command_is_not_held(endpoint: Endpoint, client: Client) -> None:
    session = _only_session(endpoint)
    client.send(b"x" * (1 << 20))
    wait_until(lambda: session._read_bytes > 1 << 20, 60, "a megabyte read")
    assert len(session._ahead) <= 3 * INPUT_LIMIT_BYTES
    client.send(b"\r\n")
    assert client.answer()[0] == 500
    assert client.command("NOOP")[0] == 250


def test_idle_client_is_sent_away(tmp_path: Path) -> None:
    with Endpoint(tmp_path, idle_seconds=0.1) as endpoint, endpoint.client(is_greeted=False) as client:
        assert client.answer()[0] == 220
        assert client.answer() == (421, "4.4.2 timeout, closing")
        assert client.is_closed()


@pytest.mark.parametrize("begun", [b"NOO", GROUP, GROUP[:-1]])
def test_client_that_stops_in_the_middle_is_sent_away(tmp_path: Path, begun: bytes) -> None:
    with Endpoint(tmp_path, idle_seconds=1.5 * slowness()) as endpoint, endpoint.client() as client:
        client.send(begun)
        assert (421, "4.4.2 timeout, closing") in iter(client.answer, (0, ""))
        wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of the session")


def test_client_that_stops_within_a_message_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.mail")
    with Endpoint(tmp_path, idle_seconds=1.5 * slowness()) as endpoint, endpoint.client() as client:
        client.begin()
        assert client.content(b"Subject: half") == (421, "4.4.2 timeout, closing")
        wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of the session")
        assert endpoint.kept() == []
        assert endpoint.server.inflight_bytes == 0
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gateway.mail"]
    assert {"event=refused", "to=bob@b.test", "status=4.4.2"} <= set(line.split())


def test_message_may_not_trickle_for_ever(tmp_path: Path) -> None:
    with Endpoint(tmp_path, data_seconds=0.1 * slowness()) as endpoint, endpoint.client() as client:
        client.begin()
        while not select.select([client.socket], [], [], 0.01)[0]:
            client.send(b"x")
        assert client.answer()[0] == 421
        assert endpoint.kept() == []


def test_client_that_keeps_sending_keeps_its_time(tmp_path: Path) -> None:
    idle_seconds = 2 * slowness()
    with Endpoint(tmp_path, idle_seconds=idle_seconds) as endpoint, endpoint.client() as client:
        begin = endpoint.loop.time()
        client.begin()
        while endpoint.loop.time() < begin + 1.75 * idle_seconds:
            client.send(b"x")
            assert not select.select([client.socket], [], [], 0.05)[0]
        assert client.content(b"\r\n.\r\n")[0] == 250


def test_client_that_reads_no_answers_is_cut_off(tmp_path: Path) -> None:
    with Endpoint(tmp_path, idle_seconds=1.5 * slowness()) as endpoint, endpoint.client() as client:
        client.send(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<bob@b.test>\r\n")

        def flood() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client.send(b"RCPT TO:<bob@b.test>\r\n" * 10_000)

        thread = threading.Thread(target=flood)
        thread.start()
        wait_until(lambda: not thread.is_alive(), 60, "the end of the connection")
        wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of the session")


def test_half_closed_connection_still_gets_its_answers(endpoint: Endpoint, client: Client) -> None:
    client.send(GROUP)
    assert client.answers(3) == [250, 250, 354]
    client.send(stuffed(MESSAGE))
    client.socket.shutdown(socket.SHUT_WR)
    assert client.answers(1) == [250]
    assert client.is_closed()
    assert [kept.content for kept in endpoint.kept()] == [MESSAGE]


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("sent", [b"", b"NOO", b"MAIL FROM:<a@a.test>\r\n", GROUP, GROUP[:-3]])
def test_client_that_leaves_leaves_nothing_behind(endpoint: Endpoint, sent: bytes, *, is_reset: bool) -> None:
    client = endpoint.client()
    client.send(sent)
    client.answers(sent.count(b"\n"))
    if is_reset:
        client.reset()
    else:
        client.close()
    wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of the session")
    assert endpoint.kept() == []


def test_message_whose_client_left_after_its_end_is_queued(endpoint: Endpoint, client: Client) -> None:
    client.begin()
    client.send(stuffed(MESSAGE))
    client.close()
    wait_until(endpoint.kept, 60, "the message in the queue")
    wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of the session")
    assert [kept.content for kept in endpoint.kept()] == [MESSAGE]


def test_bug_is_answered_as_temporary_and_logged(
    endpoint: Endpoint, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_route: object) -> None:
        raise ZeroDivisionError

    endpoint.server._services.find_choices = broken  # type: ignore[assignment]
    client.command("MAIL FROM:<a@a.test>")
    assert client.command("RCPT TO:<bob@b.test>") == (421, "4.3.0 internal error, closing")
    assert client.is_closed()
    assert "ZeroDivisionError" in caplog.text
