"""Two nodes with a daemon on each: the same results as by hand, a clean stop, and nothing lost at a kill."""

import contextlib
import signal
import smtplib
import socket
import threading
from pathlib import Path

import pytest

from tests.support.gateways import MODULE, GatewayNode, clean_environ, mail, pair, run_child
from tests.support.processes import Running, wait_until

ALICE, BOB = "alice@a.test", "bob@b.test"


@pytest.fixture
def nodes(place: Path) -> tuple[GatewayNode, GatewayNode]:
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    return a, b


def test_mail_handed_in_by_smtp_arrives_in_the_maildir(
    place: Path, nodes: tuple[GatewayNode, GatewayNode]
) -> None:
    """The daemons do every step but the carrying, in both directions, and the mail is unchanged."""
    a, b = nodes
    there, back = mail(1, ALICE, BOB, ".dot\nschön\n"), mail(2, BOB, ALICE)
    with a.serving() as first, b.serving() as second:
        a.submit(ALICE, [BOB], there)
        b.submit(BOB, [ALICE], back)
        a.carry_to(b, place / "stick")
        b.carry_to(a, place / "stick")
        assert b.wait_for_mails(1)[0].endswith(there)
        assert a.wait_for_mails(1)[0].endswith(back)
        for node in nodes:
            node.wait_for_states(["sent", "delivered"])
        assert first.stop() == 0
        assert second.stop() == 0
    assert "Traceback" not in a.log_text() + b.log_text()


def test_the_age_of_a_batch_alone_closes_it(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    """Nobody flushes: the daemon makes the packet once the oldest mail has waited long enough."""
    a, b = nodes
    a.config_path.write_text(
        a.config_path.read_text().replace("max_age_seconds = 60.0", "max_age_seconds = 0.5")
    )
    with a.serving():
        a.submit(ALICE, [BOB], mail(1, ALICE, BOB))
        a.submit(ALICE, [BOB], mail(2, ALICE, BOB))
        a.wait_for_states(["sent", "sent"])
        assert len(a.packets(b.id)) in {1, 2}


def test_mail_for_ourselves_never_leaves(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    """A recipient in our own domain is delivered here, without a packet."""
    a, _ = nodes
    with a.serving():
        a.submit(BOB, [ALICE], mail(1, BOB, ALICE))
        assert a.wait_for_mails(1)[0].endswith(mail(1, BOB, ALICE))


def test_other_processes_wake_the_daemon(place: Path, nodes: tuple[GatewayNode, GatewayNode]) -> None:
    """A mail from a pipe and a packet from a stick are dealt with at once, not at the next rescan."""
    a, b = nodes
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    b.set_toml("toss", "interval_seconds = 3600.0\n")
    with b.serving():
        a.carry_to(b, place / "stick")
        b.wait_for_mails(1)
        b.send(ALICE, [BOB], mail(2, ALICE, BOB))
        b.wait_for_mails(2)


def test_flush_beside_a_daemon_ends_when_the_packets_are_made(
    nodes: tuple[GatewayNode, GatewayNode],
) -> None:
    """Whoever makes the packet, it is in the spool when the command has ended."""
    a, b = nodes
    with a.serving():
        for number in range(5):
            a.submit(ALICE, [BOB], mail(number, ALICE, BOB))
            a.run("flush", "b")
            assert a.states() == ["sent"] * (number + 1)
    assert 1 <= len(a.packets(b.id)) <= 5


def test_a_second_daemon_on_one_state_directory_is_refused(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    """It says so and ends, and the first goes on."""
    a, _ = nodes
    with a.serving() as first:
        done = a.run("serve", is_checked=False, is_child=True)
        assert done.status == 75
        assert "is served already" in done.err
        assert first.returncode is None
        a.submit(ALICE, [BOB], mail(1, ALICE, BOB))


def test_a_port_that_is_taken_is_said_with_file_key_and_address(
    nodes: tuple[GatewayNode, GatewayNode],
) -> None:
    """The daemon does not start, and names the key and the address."""
    a, _ = nodes
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        toml = a.config_path.read_text()
        a.config_path.write_text(toml.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        done = a.run("serve", is_checked=False, is_child=True)
    assert done.status == 78
    assert "smtp.listen" in done.err
    assert f"127.0.0.1:{port}" in done.err


def test_a_stop_takes_no_more_mail_and_leaves_what_waits_in_the_queue(
    nodes: tuple[GatewayNode, GatewayNode],
) -> None:
    """SIGTERM ends open sessions with 421, exit status 0; nothing that was taken is lost."""
    a, _ = nodes
    with a.serving() as daemon:
        a.submit(ALICE, [BOB], mail(1, ALICE, BOB))
        with contextlib.closing(smtplib.SMTP("127.0.0.1", a.port(), timeout=60)) as idle:
            idle.ehlo()
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(60) == 0
            with contextlib.suppress(smtplib.SMTPServerDisconnected):
                assert idle.noop()[0] == 421
    assert a.log_text().rstrip().endswith("stopped")
    assert a.states() == ["queued"]


def test_a_second_signal_ends_the_daemon_at_once(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    """While a handler keeps the toss busy, the first signal waits for it and the second does not."""
    a, b = nodes
    started = b.home / "started"
    config = b.nncp_path.read_text()
    b.nncp_path.write_text(config.replace(
        "exec: {", f'exec: {{\n        slow: ["/bin/sh", "-c", "echo $$ > {started}; exec sleep 600"]', 1,
    ))  # fmt: skip
    make_packet(a, "b", "slow")
    a.carry_to(b, b.home / "stick")
    with b.serving() as daemon:
        wait_until(started.exists, 60, "the slow handler")
        daemon.send_signal(signal.SIGTERM)
        wait_until(lambda: "waiting for toss to finish" in b.log_text(), 60, "the wait for the handler")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 1
    handler = int(started.read_text())
    wait_until(lambda: not Path(f"/proc/{handler}").exists(), 60, "the end of the handler")
    assert len(b.packets(a.id, "rx")) == 1


def make_packet(node: GatewayNode, to: str, handle: str) -> None:
    words = ("nncp", "exec", "-cfg", str(node.nncp_path), "-quiet", to, handle)
    assert run_child(words, b"payload").status == 0


class Sender(threading.Thread):
    """Hands mails in, one after the other, and remembers which were taken."""

    def __init__(self, node: GatewayNode, first: int, count: int) -> None:
        super().__init__()
        self.node = node
        self.numbers = range(first, first + count)
        self.taken: list[int] = []

    def run(self) -> None:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            for number in self.numbers:
                self.node.submit(ALICE, [BOB], mail(number, ALICE, BOB))
                self.taken.append(number)


def kill_while_sending(node: GatewayNode, daemon: Running, first: int) -> list[int]:
    """Kill a daemon while mail comes in; returns the numbers of the mails it answered 250 for."""
    senders = [Sender(node, first + 100 * i, 50) for i in range(3)]
    for sender in senders:
        sender.start()
    wait_until(lambda: sum(len(sender.taken) for sender in senders) >= 10, 60, "ten mails")
    daemon.kill_group()
    for sender in senders:
        sender.join(60)
    return [number for sender in senders for number in sender.taken]


def numbers_in(mails: list[bytes]) -> list[int]:
    return [int(content.partition(b"\nSubject: number ")[2].split(b"\n")[0]) for content in mails]


def test_killed_daemons_lose_nothing_that_was_taken(
    place: Path, nodes: tuple[GatewayNode, GatewayNode]
) -> None:
    """Kill -9 at any moment: every mail that got its 250 is delivered, exactly once."""
    a, b = nodes
    a.config_path.write_text(a.config_path.read_text().replace("max_messages = 1000", "max_messages = 3"))
    taken: list[int] = []
    for round_number in range(2):
        with a.serving() as daemon:
            taken += kill_while_sending(a, daemon, 1000 * round_number)
    a.carry_to(b, place / "stick")
    for count in (1, 5):
        with b.serving() as daemon:
            b.wait_for_mails(count)
            daemon.kill_group()
    with b.serving():
        b.wait_for_mails(len(taken))
        wait_until(lambda: "queued" not in b.states(), 60, "an empty inbox")
    found = numbers_in(b.mails())
    assert sorted(set(taken) - set(found)) == []
    assert len(found) == len(set(found))


def test_a_daemon_can_run_some_stages_alone(nodes: tuple[GatewayNode, GatewayNode]) -> None:
    """With --only the other stages are left to commands, and nothing listens without smtp."""
    a, _ = nodes
    a.config_path.write_text(a.config_path.read_text().replace("= 60.0", "= 0.0"))
    with a.serving("--only", "deliver"):
        a.send(ALICE, [BOB, ALICE], mail(1, ALICE, BOB))
        a.wait_for_mails(1)
        a.wait_for_states(["queued", "delivered"])
    assert "SMTP on" not in a.log_text()
    assert "ready: deliver\n" in a.log_text()


def test_readiness_is_told_to_the_service_manager(
    place: Path, nodes: tuple[GatewayNode, GatewayNode]
) -> None:
    """READY=1 comes once mail can be handed in, STOPPING=1 when the stop begins."""
    a, _ = nodes
    path = place / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(60)
        environ = clean_environ(NOTIFY_SOCKET=str(path))
        argv = [*MODULE, "-c", str(a.config_path), "serve"]
        with Running(argv, a.log_path, env=environ) as daemon:
            assert manager.recv(100) == b"READY=1"
            a.submit(ALICE, [BOB], mail(1, ALICE, BOB))
            daemon.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert daemon.wait(60) == 0
