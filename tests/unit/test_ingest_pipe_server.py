"""The endpoint for local programs: what it answers, and what is left when a program goes away."""

import logging
import os
import stat
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.durable import Disk
from gateway.handover import frames
from gateway.msgqueue.entry import Role
from gateway.msgqueue.store import INLINE_BODY_BYTES
from tests.support.handing_in import PipeCaller, PipeEndpoint
from tests.support.messages import NODE_A
from tests.support.processes import slowness, wait_until

ALICE, BOB = "alice@a.test", "bob@b.test"
MAIL = b"Message-ID: <1@x>\nDate: x\nFrom: x\nSubject: x\n\nhello\n"
KEPT = MAIL.replace(b"\n", b"\r\n")
BATCH = b"MAIL FROM:<alice@a.test>\nRCPT TO:<bob@b.test>\nDATA\n" + MAIL + b".\n"
LARGE = MAIL + b"0123456789\n" * (INLINE_BODY_BYTES // 5)


@pytest.fixture
def endpoint(place: Path) -> Generator[PipeEndpoint]:
    with PipeEndpoint(place / "state") as running:
        yield running


def send(endpoint: PipeEndpoint, content: bytes = MAIL) -> tuple[int, str]:
    """Hand one message in, as any program does."""
    with endpoint.connect() as caller:
        assert caller.ask("send", "-f", ALICE, "--", BOB) == (frames.GO, b"")
        caller.send(*(content[at : at + 99_999] for at in range(0, len(content), 99_999)), b"")
        return caller.end()


def wait_until_idle(endpoint: PipeEndpoint) -> None:
    wait_until(lambda: endpoint.server.connections_count == 0, 60, "the end of all conversations")


def assert_nothing_is_left(endpoint: PipeEndpoint) -> None:
    wait_until_idle(endpoint)
    assert endpoint.kept() == []
    assert endpoint.leftovers() == []
    assert send(endpoint)[0] == 0


def test_status_0_means_that_it_is_in_the_queue(endpoint: PipeEndpoint) -> None:
    status, said = send(endpoint)
    (kept,) = endpoint.kept()
    assert (status, said) == (0, f"2.0.0 queued as {kept.view.id}\n")
    assert kept.content == KEPT
    assert kept.view.origin.startswith("local user ")


def test_only_our_user_and_group_may_connect(endpoint: PipeEndpoint) -> None:
    status = (endpoint.directory / frames.SOCKET_NAME).stat()
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


@pytest.mark.parametrize("content", [LARGE, b"", b"x" * (INLINE_BODY_BYTES + 1)])
def test_a_body_of_any_size_comes_in_whole(endpoint: PipeEndpoint, content: bytes) -> None:
    assert send(endpoint, content)[0] == 0
    expected = content.replace(b"\n", b"\r\n")
    assert endpoint.kept()[0].content.removesuffix(b"\r\n") == expected.removesuffix(b"\r\n")
    assert endpoint.leftovers() == []


def test_sendmail_is_silent_when_all_is_well(endpoint: PipeEndpoint) -> None:
    with endpoint.connect() as caller:
        assert caller.ask("sendmail", "-t", "-i")[0] == frames.GO
        caller.send(b"To: bob@b.test\n" + MAIL, b"")
        assert caller.end() == (0, "")


@pytest.mark.parametrize(
    ("words", "node", "status", "text"),
    [
        (("rmail", "x@nowhere.test"), "", 77, "5.7.1 'x@nowhere.test': relay not permitted"),
        (("rmail", "never@b.test"), "", 67, "5.1.1 'never@b.test': no such person"),
        (("rmail", BOB, "later@b.test"), "", 75, "4.2.1 'later@b.test': on holiday"),
        (("rmail", "x@gone.test"), "", 75, "4.7.1 unknown node 'gone'"),
        (("sendmail", "-bp"), "", 75, "4.5.4 -bp is not offered"),
        (("uux", "-", "bob!rnews"), "", 75, "4.3.5 news is not taken here"),
        (("mailq",), "", 75, "4.5.4 'mailq' is no command"),
        (("receive", "rsmtp"), "", 75, "nncp-gateway: NNCP_SENDER is not set"),
        (("rsmtp",), "x", 75, "nncp-gateway: NNCP_SENDER: "),
    ],
)
def test_what_can_not_be_done_is_told_before_the_body_is_asked_for(
    endpoint: PipeEndpoint, words: tuple[str, ...], node: str, status: int, text: str
) -> None:
    with endpoint.connect() as caller:
        kind, said = caller.ask(*words, node=node)
        assert kind == frames.ERR
        assert said.decode().startswith(text)
        assert caller.end() == (status, "")
    assert_nothing_is_left(endpoint)


@pytest.mark.parametrize(
    ("words", "content", "status", "text"),
    [
        (("send", "-f", ALICE, BOB), b"a\0b\n", 65, "5.6.0 NUL"),
        (("sendmail", "-t"), b"Subject: x\n\n", 65, "5.5.1 "),
        (("rsmtp",), BATCH[:-2], 75, "4.6.0 "),
        (("rsmtp",), BATCH.replace(b"bob", b"never"), 67, "5.1.1 "),
    ],
)
def test_what_is_wrong_with_a_message_is_told(
    endpoint: PipeEndpoint, words: tuple[str, ...], content: bytes, status: int, text: str
) -> None:
    with endpoint.connect() as caller:
        assert caller.ask(*words)[0] == frames.GO
        caller.send(content, b"")
        ended, said = caller.end()
    assert (ended, said[: len(text)]) == (status, text)
    assert_nothing_is_left(endpoint)


def test_a_message_that_is_too_large_is_told_while_it_comes(place: Path) -> None:
    with PipeEndpoint(place / "state", max_message_bytes=100_000) as endpoint:
        with endpoint.connect() as caller:
            assert caller.ask("send", "-f", ALICE, BOB)[0] == frames.GO
            caller.send(b"x" * 200_000, b"y" * 200_000)
            assert caller.end() == (65, "5.3.4 the message is larger than 100000 bytes\n")
        assert_nothing_is_left(endpoint)


@pytest.mark.parametrize("handle", ["sendmail", "rmail", "rsmtp"])
def test_a_tosser_hands_in_what_a_neighbour_sent(endpoint: PipeEndpoint, handle: str) -> None:
    front = {"sendmail": b"Return-Path: <alice@a.test>\n", "rmail": b"From alice@a.test Fri\n"}
    content = BATCH if handle == "rsmtp" else front[handle] + MAIL
    with endpoint.connect() as caller:
        arguments = () if handle == "rsmtp" else (BOB,)
        assert caller.ask("receive", handle, *arguments, node=NODE_A.text)[0] == frames.GO
        caller.send(content, b"")
        assert caller.end() == (0, "")
    (kept,) = endpoint.kept()
    assert (kept.view.role, kept.view.sender, kept.content) == (Role.INBOX, ALICE, KEPT)
    assert endpoint.leftovers() == []


def test_a_tossed_payload_that_is_cut_short_stays_with_the_tosser(endpoint: PipeEndpoint) -> None:
    with endpoint.connect() as caller:
        assert caller.ask("receive", "rsmtp", node=NODE_A.text)[0] == frames.GO
        caller.send(BATCH[:-2], b"")
        assert caller.end()[0] == 75
    assert_nothing_is_left(endpoint)


@pytest.mark.parametrize(
    ("words", "node", "content"),
    [
        (("send", "-f", ALICE, BOB, "eve@a.test"), "", LARGE),
        (("sendmail", "-t"), "", b"To: bob@b.test\n" + LARGE),
        (("rmail", BOB), "", b"From x@y Fri\n" + LARGE),
        (("rsmtp",), "", BATCH),
        (("receive", "rsmtp"), NODE_A.text, BATCH),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_program_that_dies_on_the_way_leaves_nothing(
    endpoint: PipeEndpoint, words: tuple[str, ...], node: str, content: bytes, share: float
) -> None:
    with endpoint.connect() as caller:
        assert caller.ask(*words, node=node)[0] == frames.GO
        raw = b"".join(
            frames.encode_piece(content[at : at + 50_000]) for at in range(0, len(content), 50_000)
        )
        caller.link.sendall(raw[: int(len(raw) * share)])
    assert_nothing_is_left(endpoint)


REQUEST = frames.encode_request(b"send", b"", [b"-f", b"a@a.test", b"bob@b.test"], is_terminal=False)


def test_a_program_that_dies_before_it_hears_has_its_mail_taken(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    committing, gone = threading.Event(), threading.Event()

    def hook(step: str, _path: Path) -> None:
        if step == "commit":
            committing.set()
            gone.wait(60)

    with PipeEndpoint(place, disk=Disk(is_syncing=False, hook=hook)) as endpoint:
        with endpoint.connect() as caller:
            caller.link.sendall(REQUEST)
            caller.send(b"Subject: x\n\n", b"")
            assert committing.wait(60)
            # That it has not read what it was told makes the end of the connection an error for us.
        for _ in range(3):
            endpoint.ask(lambda: None)
        gone.set()
        endpoint.stop()
        assert len(endpoint.kept()) == 1
    assert "internal error" not in caplog.text


@pytest.mark.parametrize("cut", range(0, len(REQUEST), 5))
def test_a_program_that_dies_in_its_request_is_forgotten(endpoint: PipeEndpoint, cut: int) -> None:
    with endpoint.connect() as caller:
        caller.link.sendall(REQUEST[:cut])
    assert_nothing_is_left(endpoint)


@pytest.mark.parametrize(
    "raw",
    [
        b"\0" * 100,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        frames.MAGIC.replace(b"1", b"2") + REQUEST[len(frames.MAGIC) :],
        frames.MAGIC + (frames.REQUEST_LIMIT_BYTES + 1).to_bytes(4, "big"),
        frames.MAGIC + b"\xff\xff\xff\xff",
        frames.MAGIC + frames.encode_piece(b""),
        frames.MAGIC + frames.encode_piece(b"send"),
        frames.MAGIC + frames.encode_piece(b"\0\0\0x"),
    ],
)
def test_what_is_no_request_gets_no_answer(endpoint: PipeEndpoint, raw: bytes) -> None:
    with endpoint.connect() as caller:
        caller.link.sendall(raw)
        assert caller.answer() == (b"", b"")
    assert_nothing_is_left(endpoint)


def test_a_piece_of_a_giant_is_refused(endpoint: PipeEndpoint) -> None:
    with endpoint.connect() as caller:
        assert caller.ask("send", "-f", ALICE, BOB)[0] == frames.GO
        caller.link.sendall(b"\xff\xff\xff\xff" + b"x" * 1000)
        assert caller.end()[0] == 75
    assert_nothing_is_left(endpoint)


def test_words_that_are_no_text_are_refused_as_addresses(endpoint: PipeEndpoint) -> None:
    with endpoint.connect() as caller:
        request = frames.encode_request(b"rmail", b"", [b"\xff\xfe@b.test"], is_terminal=False)
        caller.link.sendall(request)
        assert caller.end()[0] == 65
    assert_nothing_is_left(endpoint)


def test_one_too_many_is_told_to_come_again(place: Path) -> None:
    with PipeEndpoint(place / "state", max_connections=2) as endpoint:
        with endpoint.connect() as first, endpoint.connect() as second:
            assert first.ask("send", "-f", ALICE, BOB)[0] == frames.GO
            assert second.ask("send", "-f", ALICE, BOB)[0] == frames.GO
            with endpoint.connect() as third:
                assert third.end() == (75, "4.3.2 too many programs hand mail in, try again later\n")
            first.send(MAIL, b"")
            assert first.end()[0] == 0
        wait_until_idle(endpoint)
        assert send(endpoint)[0] == 0


@pytest.mark.parametrize("limit", ["idle_seconds", "data_seconds"])
def test_a_program_that_is_too_slow_is_told_to_come_again(place: Path, limit: str) -> None:
    limits: dict[str, Any] = {limit: 1.5 * slowness()}
    with PipeEndpoint(place / "state", **limits) as endpoint:
        with endpoint.connect() as caller:
            assert caller.ask("send", "-f", ALICE, BOB)[0] == frames.GO
            caller.send(MAIL)
            assert caller.end() == (75, "4.4.2 the message took too long\n")
        assert_nothing_is_left(endpoint)


def test_a_program_that_says_nothing_is_sent_away(place: Path) -> None:
    with PipeEndpoint(place / "state", idle_seconds=0.2) as endpoint:
        with endpoint.connect() as caller:
            assert caller.answer() == (b"", b"")
        assert_nothing_is_left(endpoint)


def test_many_at_once_share_the_disk(endpoint: PipeEndpoint) -> None:
    callers: list[PipeCaller] = [endpoint.connect() for _ in range(50)]
    for caller in callers:
        assert caller.ask("send", "-f", ALICE, BOB)[0] == frames.GO
    for caller in callers:
        caller.send(MAIL, b"")
    assert [caller.end()[0] for caller in callers] == [0] * 50
    for caller in callers:
        caller.link.close()
    assert len(endpoint.kept()) == 50


def test_a_stop_waits_for_a_body_that_is_on_its_way(endpoint: PipeEndpoint) -> None:
    with endpoint.connect() as busy, endpoint.connect() as idle:
        assert busy.ask("send", "-f", ALICE, BOB)[0] == frames.GO
        busy.send(MAIL)
        stopping = threading.Thread(target=endpoint.stop)
        stopping.start()
        assert idle.answer() == (b"", b"")
        busy.send(b"")
        assert busy.end()[0] == 0
        stopping.join(60)
    assert [kept.content for kept in endpoint.kept()] == [KEPT]


@pytest.mark.parametrize("words", [("send", "-f", ALICE, BOB), ("rsmtp",)])
def test_a_stop_does_not_wait_for_ever(place: Path, words: tuple[str, ...]) -> None:
    with PipeEndpoint(place / "state", stop_seconds=0.2) as endpoint:
        with endpoint.connect() as caller:
            caller.ask(*words)
            caller.send(LARGE)
            endpoint.stop()
            assert caller.end()[0] == -1
        assert endpoint.kept() == []
        assert endpoint.leftovers() == []


def test_smtp_is_spoken_through_the_socket(endpoint: PipeEndpoint) -> None:
    with endpoint.connect() as caller:
        assert caller.ask("sendmail", "-bs") == (frames.SMTP, b"")
        lines = caller.link.makefile("rb")
        assert lines.readline().startswith(b"220 mail.a.test ")
        for command, code in (
            (b"HELO x\r\n", b"250"),
            (b"MAIL FROM:<alice@a.test>\r\n", b"250"),
            (b"RCPT TO:<x@nowhere.test>\r\n", b"550"),
            (b"RCPT TO:<bob@b.test>\r\n", b"250"),
            (b"DATA\r\n", b"354"),
            (KEPT + b".\r\n", b"250"),
            (b"QUIT\r\n", b"221"),
        ):
            caller.link.sendall(command)
            assert lines.readline().startswith(code)
        assert lines.readline() == b""
        lines.close()
    wait_until_idle(endpoint)
    (kept,) = endpoint.kept()
    assert (kept.content, kept.recipients) == (KEPT, (BOB,))
    assert kept.received.startswith(b"Received: from unknown (HELO x)") or b"from x" in kept.received
    assert kept.view.origin.startswith("local user ")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", b"421 4.3.2 "),
        (b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n", b"354 "),
    ],
)
def test_a_stop_ends_smtp_sessions(place: Path, said: bytes, told: bytes) -> None:
    with PipeEndpoint(place / "state", stop_seconds=0.2) as endpoint:
        with endpoint.connect() as caller:
            assert caller.ask("sendmail", "-bs")[0] == frames.SMTP
            lines = caller.link.makefile("rb")
            assert lines.readline().startswith(b"220 ")
            answers = []
            for command in said.splitlines(keepends=True):
                caller.link.sendall(command)
                answers.append(lines.readline())
            endpoint.stop()
            answers += [] if said else [lines.readline()]
            assert answers[-1].startswith(told)
            assert lines.read() == b""
            lines.close()
        assert endpoint.kept() == []


def test_a_bug_is_logged_and_no_mail_bounces(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    def hook(step: str, path: Path) -> None:
        if step == "create" and "bodies" in path.parts:
            raise ZeroDivisionError("not on purpose")

    with PipeEndpoint(place / "state", disk=Disk(is_syncing=False, hook=hook)) as endpoint:
        with caplog.at_level(logging.ERROR):
            assert send(endpoint, LARGE) == (75, "4.3.0 internal error: ZeroDivisionError\n")
        assert "not on purpose" in caplog.text
        assert_nothing_is_left(endpoint)


def test_a_full_disk_is_a_reason_to_try_again(endpoint: PipeEndpoint) -> None:
    endpoint.queue.reserve_bytes = 1 << 60
    assert send(endpoint)[0] == 75
    assert send(endpoint, LARGE)[0] == 75
    endpoint.queue.reserve_bytes = 0
    assert_nothing_is_left(endpoint)


def test_what_is_refused_stands_in_the_mail_log(
    endpoint: PipeEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway.mail"):
        with endpoint.connect() as caller:
            caller.ask("rmail", "never@b.test")
            caller.end()
        send(endpoint)
    refused, received = (record.getMessage() for record in caplog.records if record.name == "gateway.mail")
    assert refused.startswith('event=refused client="local user ')
    assert "status=5.1.1" in refused
    assert received.startswith("event=received id=")
    assert 'client="local user ' in received
