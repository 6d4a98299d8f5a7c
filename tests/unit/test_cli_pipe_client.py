"""The client: what it says to the daemon, when it does without, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.handover import frames
from gateway.handover.frames import EXIT, GO, OUT, SMTP, encode_answer
from tests.support.handing_in import PipeEndpoint
from tests.support.peers import PROJECT
from tests.support.pipe_client import CLIENT_SECONDS, client_argv, daemon, read_body, read_request, run_client
from tests.support.processes import interruptible_children, wait_until

BOB = "bob@b.test"
LARGE = b"0123456789\n" * 300_000
ALLOWED = {
    *("gateway", "gateway.cli", "gateway.cli.pipe_client", "gateway.handover", "gateway.handover.frames"),
    *("_socket", "fcntl", "posix", "select"),
}
GONE = b"4.3.0 rmail: OSError: the daemon let us in and went away\n"
BROKEN = b"4.3.0 the daemon ended before it answered\n"


def test_it_imports_next_to_nothing() -> None:
    code = (
        f"import sys; before = set(sys.modules); sys.path.insert(0, {str(PROJECT)!r});"
        "import gateway.cli.pipe_client; print(*sorted(set(sys.modules) - before))"
    )
    argv = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(argv, capture_output=True, check=True, text=True)
    assert set(done.stdout.split()) <= ALLOWED


def test_what_it_hands_in_is_in_the_queue(place: Path) -> None:
    with PipeEndpoint(place / "state") as endpoint:
        done = run_client(place / "state", "sendmail", "-i", BOB, stdin=b"Subject: x\n\n.\nhello\n")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        (kept,) = endpoint.kept()
        assert kept.content.endswith(b"\r\n\r\n.\r\nhello\r\n")
        done = run_client(place / "state", "send", "-f", "<>", "--", BOB, stdin=LARGE)
        assert done.returncode == 0
        assert done.stdout.startswith(b"2.0.0 queued as ")
        assert endpoint.kept()[1].content == LARGE.replace(b"\n", b"\r\n")


def test_a_refusal_is_told_on_standard_error(place: Path) -> None:
    with PipeEndpoint(place / "state", max_message_bytes=100_000) as endpoint:
        done = run_client(place / "state", "rmail", "never@b.test", stdin=LARGE)
        assert (done.returncode, done.stdout) == (67, b"")
        assert done.stderr == b"5.1.1 'never@b.test': no such person\n"
        done = run_client(place / "state", "rmail", BOB, stdin=LARGE)
        assert (done.returncode, done.stderr[:6]) == (65, b"5.3.4 ")
        assert endpoint.kept() == []


def test_words_and_environment_reach_the_daemon_as_they_are(place: Path) -> None:
    asked: list[object] = []

    def work(link: socket.socket) -> None:
        asked.append(read_request(link))
        link.sendall(encode_answer(GO))
        asked.append(read_body(link))
        link.sendall(encode_answer(OUT, b"said\n") + encode_answer(EXIT, b"\x07"))

    with daemon(place, work):
        done = run_client(place, "uux", "-", "", b"\xff\xfe", stdin=LARGE, environ={"NNCP_SENDER": "node"})
    assert asked == [(b"uux", b"node", [b"-", b"", b"\xff\xfe"], False), LARGE]
    assert (done.returncode, done.stdout, done.stderr) == (7, b"said\n", b"")


def test_without_a_daemon_the_whole_program_gets_the_untouched_input(place: Path) -> None:
    done = run_client(place, "sendmail", "-t", "-f", "", stdin=LARGE)
    assert (done.returncode, done.stdout) == (67, b"direct sendmail -t -f \n" + LARGE)


def test_a_daemon_that_was_killed_is_done_without(place: Path) -> None:
    with PipeEndpoint(place / "state"):
        """It leaves its socket behind."""
    assert (place / "state" / frames.SOCKET_NAME).exists()
    assert run_client(place / "state", "rmail", BOB, stdin=b"x").stdout == f"direct rmail {BOB}\nx".encode()


@pytest.mark.parametrize(
    "said", [b"", b"Z", encode_answer(b"Z"), encode_answer(GO)[:3], encode_answer(OUT, b"x")]
)
@pytest.mark.parametrize("content", [b"", b"x" * 50_000])
def test_a_daemon_that_does_not_say_go_is_done_without(place: Path, said: bytes, content: bytes) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(said)

    with daemon(place, work):
        done = run_client(place, "rmail", BOB, stdin=content)
    assert done.returncode == 67
    assert done.stdout.endswith(f"direct rmail {BOB}\n".encode() + content)


@pytest.mark.parametrize("content", [b"", b"x" * 50_000])
def test_a_daemon_that_closes_unheard_is_done_without(place: Path, content: bytes) -> None:
    with daemon(place, lambda _link: None):
        done = run_client(place, "rmail", BOB, stdin=content)
    assert (done.returncode, done.stdout) == (67, f"direct rmail {BOB}\n".encode() + content)


def test_what_can_not_be_put_back_stays_with_the_mail_server(place: Path) -> None:
    with daemon(place, lambda _link: None):
        done = run_client(place, "rmail", BOB, stdin=LARGE)
    assert (done.returncode, done.stdout, done.stderr) == (75, b"", GONE)


def test_input_that_is_late_goes_behind_the_request(place: Path) -> None:
    with PipeEndpoint(place / "state") as endpoint:
        argv = client_argv(place / "state", "send", ["-f", "", BOB])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            assert child.stdin is not None
            wait_until(lambda: endpoint.server.connections_count, 60, "the client")
            child.stdin.write(b"late\n")
            child.stdin.close()
            assert child.wait(CLIENT_SECONDS) == 0
        assert endpoint.kept()[0].content == b"late\r\n"


def test_a_request_too_long_for_a_daemon_is_done_without(place: Path) -> None:
    words = ["x" * 100_000] * 6
    with PipeEndpoint(place / "state"):
        assert run_client(place / "state", "rmail", *words).returncode == 67


@pytest.mark.parametrize("taken", ["nothing", "a part", "all"])
@pytest.mark.parametrize("said", [b"", b"X", encode_answer(EXIT), encode_answer(b"Z", b"\0")])
def test_once_told_to_go_on_only_an_answer_counts(place: Path, taken: str, said: bytes) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(encode_answer(GO))
        if taken == "a part":
            link.recv(1000)
        elif taken == "all":
            read_body(link)
        link.sendall(said)

    with daemon(place, work):
        done = run_client(place, "rmail", BOB, stdin=LARGE)
    assert (done.returncode, done.stdout, done.stderr) == (75, b"", BROKEN)


def test_an_answer_without_end_is_75(place: Path) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(encode_answer(GO))
        read_body(link)
        link.sendall(OUT + b"\xff\xff\xff\xff")

    with daemon(place, work):
        done = run_client(place, "rmail", BOB)
    assert done.returncode == 75
    assert done.stderr.startswith(b"4.3.0 ")


def test_a_refusal_stops_the_body(place: Path) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(encode_answer(GO))
        link.recv(1000)
        link.sendall(encode_answer(frames.ERR, b"5.3.4 too large\n") + encode_answer(EXIT, b"\x41"))

    with daemon(place, work):
        done = run_client(place, "rmail", BOB, stdin=LARGE * 10)
    assert (done.returncode, done.stderr) == (65, b"5.3.4 too large\n")


def test_a_program_that_is_not_there_is_75(place: Path) -> None:
    done = run_client(place, "rmail", BOB, direct=["/nonexistent/nncp-gateway"])
    assert done.returncode == 75
    assert done.stderr.startswith(b"4.3.0 /nonexistent/nncp-gateway: ")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        *((f"exit {known}", known) for known in (0, 65, 67, 75, 77)),
        ("exit 1", 75),
        ("exit 127", 75),
        ("kill -9 $$", 75),
    ],
)
def test_a_program_that_breaks_down_never_bounces_mail(place: Path, ending: str, status: int) -> None:
    assert run_client(place, "rmail", BOB, direct=["/bin/sh", "-c", ending]).returncode == status


def test_the_deliverer_gets_no_mail_from_itself(place: Path) -> None:
    with PipeEndpoint(place / "state") as endpoint:
        done = run_client(place / "state", "sendmail", BOB, environ={frames.LOOP_VARIABLE: "1"})
        assert done.returncode == 75
        assert b"deliver" in done.stderr
        assert endpoint.kept() == []


def test_a_deep_state_directory_is_reached(place: Path) -> None:
    deep = place / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir()
    with PipeEndpoint(deep) as endpoint:
        assert run_client(deep, "rmail", BOB, stdin=b"x\n").returncode == 0
        assert len(endpoint.kept()) == 1


@pytest.mark.parametrize(("closed", "status"), [(0, 75), (1, 0), (2, 0)])
def test_closed_descriptors_change_nothing_but_for_the_input(place: Path, closed: int, status: int) -> None:
    with PipeEndpoint(place / "state") as endpoint:
        argv = client_argv(place / "state", "send", ["-f", "", BOB])
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {closed}<&-', "sh", *argv],
            input=b"hello\n",
            check=False,
            timeout=CLIENT_SECONDS,
            capture_output=True,
        )
        assert done.returncode == status
        assert len(endpoint.kept()) == (0 if status else 1)
        assert endpoint.leftovers() == []


def test_an_interrupt_is_75_and_leaves_nothing(place: Path) -> None:
    with interruptible_children(), PipeEndpoint(place / "state") as endpoint:
        argv = client_argv(place / "state", "send", ["-f", "", BOB])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdin is not None
            child.stdin.write(LARGE)
            child.stdin.flush()
            child.send_signal(signal.SIGINT)
            assert child.wait(CLIENT_SECONDS) == 75
        assert endpoint.kept() == []


def smtp(place: Path, said: bytes) -> subprocess.CompletedProcess[bytes]:
    return run_client(place, "sendmail", "-bs", stdin=said)


def test_smtp_is_carried_both_ways(place: Path) -> None:
    with PipeEndpoint(place / "state") as endpoint:
        argv = client_argv(place / "state", "sendmail", ["-bs"])
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline().startswith(b"220 ")
            body = LARGE.replace(b"\n", b"\r\n")
            for command, codes in (
                (b"EHLO x\r\n", [b"250-"] * 5 + [b"250 "]),
                (b"MAIL FROM:<a@a.test>\r\nRCPT TO:<bob@b.test>\r\nDATA\r\n", [b"250 ", b"250 ", b"354 "]),
                (body + b".\r\n", [b"250 "]),
                (b"QUIT\r\n", [b"221 "]),
            ):
                child.stdin.write(command)
                child.stdin.flush()
                got: list[bytes] = []
                while len(got) < len(codes) or got[-1][3:] == b"-":
                    got.append(child.stdout.readline()[:4])
                assert got[-1] == codes[-1]
            assert child.wait(CLIENT_SECONDS) == 0
        assert endpoint.kept()[0].content == body


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (b"220 x\r\n221 2.0.0 Bye\r\n", 0),
        (b"220 x\r\n250 x\r\n", 75),
        (b"220 x\r\n421 4.3.2 shutting down\r\n", 75),
        (b"", 75),
    ],
)
def test_a_session_that_the_daemon_breaks_off_is_75(place: Path, answers: bytes, status: int) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(encode_answer(SMTP) + answers)

    with daemon(place, work):
        read_end, write_end = os.pipe()
        argv = client_argv(place, "sendmail", ["-bs"])
        with subprocess.Popen(argv, stdin=read_end, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            os.close(read_end)
            out, err = child.communicate(timeout=CLIENT_SECONDS)
            os.close(write_end)
    assert (child.returncode, out) == (status, answers)
    assert err == (BROKEN if status else b"")


def test_a_session_that_the_program_ends_is_0(place: Path) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(encode_answer(SMTP) + b"220 x\r\n")
        while link.recv(1000):
            """Until it has said all."""

    with daemon(place, work):
        assert smtp(place, b"NOOP\r\n").returncode == 0


def test_much_in_both_directions_at_once_does_not_block(place: Path) -> None:
    def work(link: socket.socket) -> None:
        read_request(link)
        link.sendall(encode_answer(SMTP))
        sending = threading.Thread(target=lambda: link.sendall(LARGE))
        # It reads only once half of what it has to say is gone.
        sending.start()
        received = 0
        while data := link.recv(1 << 16):
            received += len(data)
        sending.join(CLIENT_SECONDS)
        link.sendall(b"got %d\n" % received)

    with daemon(place, work):
        done = smtp(place, LARGE)
    assert done.returncode == 0
    assert done.stdout == LARGE + b"got %d\n" % len(LARGE)
