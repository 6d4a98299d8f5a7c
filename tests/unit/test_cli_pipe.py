"""``pipe``: the commands for mail, done without a daemon."""

import subprocess
from pathlib import Path

import pytest

from gateway.handover.frames import LOOP_VARIABLE
from tests.support.gateways import MODULE, Done, GatewayNode, mail, pair, run_here

ALICE, BOB = "alice@a.test", "bob@b.test"


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[GatewayNode, GatewayNode]:
    a, b = GatewayNode(tmp_path / "a", "a.test"), GatewayNode(tmp_path / "b", "b.test")
    pair(a, b)
    return a, b


def pipe(node: GatewayNode, *words: str, stdin: bytes = b"", **environ: str) -> Done:
    return run_here(["-c", str(node.config_path), "pipe", *words], stdin, environ)


def test_each_command_puts_its_message_in_the_queue(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    batch = f"MAIL FROM:<{ALICE}>\nRCPT TO:<{BOB}>\nDATA\n".encode() + mail(3, ALICE, BOB) + b".\n"
    for words, stdin in (
        (("sendmail", "-i", "-f", ALICE, "--", BOB), mail(1, ALICE, BOB)),
        (("rmail", BOB), b"From alice@a.test Fri\n" + mail(2, ALICE, BOB)),
        (("rsmtp",), batch),
        (("uux", "-", "-r", f"-a{ALICE}", "b!rmail", BOB), mail(4, ALICE, BOB)),
    ):
        done = pipe(a, *words, stdin=stdin)
        assert (done.status, done.out, done.err) == (0, "", "")
    messages = a.queue("--outbox")
    assert [message["sender"] for message in messages] == [ALICE] * 4
    assert [message["message_id"] for message in messages] == [f"<{number}@test>" for number in range(1, 5)]


@pytest.mark.parametrize(
    ("words", "stdin", "status", "text"),
    [
        (("sendmail", "-bp"), b"", 75, "4.5.4 -bp is not offered"),
        (("sendmail", "-t"), b"Subject: x\n\n", 65, "5.5.1 the header names no recipient"),
        (("rmail", "x@nowhere.test"), b"x\n", 77, "5.7.1 "),
        (("rsmtp",), b"no batch\n", 75, "4.6.0 "),
        (("uux", "-", "nobody!rmail", BOB), b"x\n", 75, "4.7.1 "),
        (("uux", "-", "b!rnews"), b"x\n", 75, "4.3.5 news is not taken here"),
        (("mailq",), b"", 75, "4.5.4 'mailq' is no command"),
        ((), b"", 75, "4.5.4 Missing argument"),
    ],
)
def test_a_mail_server_is_told_why(
    nodes: tuple[GatewayNode, GatewayNode], words: tuple[str, ...], stdin: bytes, status: int, text: str
) -> None:
    a, _ = nodes
    done = pipe(a, *words, stdin=stdin)
    assert done.status == status
    assert (done.out + done.err).startswith(text)
    assert a.queue("--all") == []


def test_a_broken_configuration_is_75(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    a.config_path.write_text("[smtp\n")
    done = pipe(a, "sendmail", BOB, stdin=b"x\n")
    assert (done.status, done.out[:5]) == (75, "4.3.5")


def test_under_a_tosser_the_names_are_handles(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, b = nodes
    payload = f"Return-Path: <{ALICE}>\n".encode() + mail(1, ALICE, BOB)
    assert pipe(b, "sendmail", BOB, stdin=payload, NNCP_SENDER=a.id).status == 0
    (message,) = b.queue("--inbox")
    assert (message["sender"], message["origin_node"]) == (ALICE, "a")
    assert pipe(b, "sendmail", BOB, stdin=payload[:-1], NNCP_SENDER=a.id).status == 75


def test_the_deliverer_gets_no_mail_from_itself(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    done = pipe(a, "sendmail", BOB, stdin=b"x\n", **{LOOP_VARIABLE: "1"})
    assert done.status == 75
    assert "called it to deliver" in done.out
    assert a.queue("--all") == []


def test_smtp_is_spoken_on_standard_input_and_output(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    a, _ = nodes
    argv = [*MODULE, "-c", str(a.config_path), "pipe", "sendmail", "-bs"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline().startswith(b"220 ")
        for command, code in (
            ("HELO x", b"250"),
            (f"MAIL FROM:<{ALICE}>", b"250"),
            ("RCPT TO:<x@nowhere.test>", b"550"),
            (f"RCPT TO:<{BOB}>", b"250"),
            ("DATA", b"354"),
            ("hello\r\n.", b"250"),
            ("QUIT", b"221"),
        ):
            child.stdin.write(f"{command}\r\n".encode())
            child.stdin.flush()
            assert child.stdout.readline().startswith(code)
        assert child.wait(60) == 0
    (message,) = a.queue()
    assert message["origin"].startswith("local user ")


def test_help_names_the_commands() -> None:
    done = run_here(["pipe", "--help"])
    assert done.status == 0
    assert "sendmail, rmail, rsmtp, rnews or uux" in " ".join(done.out.split())
