"""What a person decides about mail in the queue of a daemon that runs."""

import json
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, mail, pair
from tests.support.processes import wait_until

ALICE, BOB, CAROL = "alice@a.test", "bob@b.test", "carol@c.test"
Nodes = tuple[GatewayNode, GatewayNode, GatewayNode]


@pytest.fixture
def nodes(place: Path) -> Nodes:
    """Node a with a thin link to b and a wide one to c; b takes no more than 1 KiB from a without asking."""
    a, b, c = (GatewayNode(place / name, f"{name}.test") for name in "abc")
    pair(a, b, "--understands", "gateway")
    pair(a, c)
    a.set_toml("neighbour.b", "max_message_bytes = 2048\n")
    toml = a.config_path.read_text()
    a.config_path.write_text(toml.replace("max_age_seconds = 60.0", "max_age_seconds = 0.5"))
    return a, b, c


def large(number: int, recipient: str = BOB) -> bytes:
    return mail(number, ALICE, recipient, "x" * 4000 + "\n")


def test_the_daemon_tells_of_a_large_message_and_sends_it_when_it_is_released(
    place: Path, nodes: Nodes
) -> None:
    """Sender and operator hear of it once; small mail goes on meanwhile; what was released arrives whole."""
    a, b, _ = nodes
    with a.serving(), b.serving():
        a.submit(ALICE, [BOB], large(1))
        a.submit(ALICE, [BOB], mail(2, ALICE, BOB))
        told = a.wait_for_mails(1)
        assert any(b"Subject: Held mail (a person decides)" in raw for raw in told)
        a.carry_to(b, place / "stick")
        (first,) = b.wait_for_mails(1)
        assert first.endswith(mail(2, ALICE, BOB))
        (message,) = a.queue("--state", "held")
        assert a.run("queue", "release", message["id"]).out.endswith("1 done\n")
        a.wait_for_states(["sent", "sent", "delivered"])
        a.carry_to(b, place / "stick")
        assert any(raw.endswith(large(1)) for raw in b.wait_for_mails(2))
    assert "Traceback" not in a.log_text() + b.log_text()


def test_the_operator_hears_of_what_was_held_while_nobody_looked(nodes: Nodes) -> None:
    """A daemon that starts tells the operator in one mail of all that is held; restarted, of nothing."""
    a, _, _ = nodes
    for number in range(3):
        a.send(ALICE, [BOB], large(number))
    with a.serving():
        mails = a.wait_for_mails(4)
    (told,) = [raw for raw in mails if b"X-Original-To: postmaster@a.test" in raw]
    assert b"Subject: 3 messages are held at mail.a.test: too large for the link" in told
    assert all(message["id"].encode() in told for message in a.queue("--state", "held"))
    with a.serving():
        a.submit(ALICE, [ALICE], mail(9, ALICE, ALICE))
        assert len(a.wait_for_mails(5)) == 5


def test_a_person_moves_gives_up_drops_and_replays_beside_the_daemon(place: Path, nodes: Nodes) -> None:
    """Every decision takes effect at once in the daemon that runs, without a restart."""
    a, b, c = nodes
    with a.serving():
        for number in (1, 2, 3):
            a.submit(ALICE, [BOB], large(number))
        ids = [message["id"] for message in a.queue("--state", "held")]
        assert len(ids) == 3
        a.run("queue", "move", "--to-node", "c", ids[0])
        a.run("queue", "expire", ids[1])
        a.run("queue", "drop", ids[2])
        wait_until(lambda: len(a.packets(c.id)) == 1, 60, "the packet for c", explain=a.log_text)
        bounce = b"Subject: Undelivered mail returned to sender"
        wait_until(lambda: any(bounce in raw for raw in a.mails()), 60, "the bounce", explain=a.log_text)
        assert [message["recipients"][0]["state"] for message in a.queue("--all", *ids)] == [
            "sent",
            "dead",
            "dropped",
        ]
        a.run("queue", "replay", ids[1])
        a.run("flush", "b")
        wait_until(lambda: len(a.packets(b.id)) == 1, 60, "the packet for b", explain=a.log_text)
    a.carry_to(b, place / "stick")
    b.run("toss")
    b.run("deliver")
    assert [raw.endswith(large(2)) for raw in b.mails()] == [True]
    assert "Traceback" not in a.log_text()


def test_large_mail_from_a_neighbour_waits_at_the_far_side_and_its_sender_is_told_there(
    place: Path, nodes: Nodes
) -> None:
    """The notice reaches the sender through the gateway; the message, once released, its mailbox."""
    a, b, _ = nodes
    b.set_toml("neighbour.a", "hold_receive_bytes = 1024\n")
    a.send(ALICE, [BOB], mail(1, ALICE, BOB, "x" * 1500 + "\n"))
    with b.serving():
        a.carry_to(b, place / "there")
        wait_until(lambda: b.states("--outbox"), 60, "the notice", explain=b.log_text)
        b.carry_to(a, place / "back")
        a.run("toss")
        a.run("deliver")
        (notice,) = a.mails()
        assert b"Subject: Held mail (a person decides)" in notice
        assert b"Reporting-MTA: dns;mail.b.test" in notice
        (held,) = json.loads(b.run("queue", "release", "--inbox", "--all", "--json").out)
        assert (held["before"], held["after"]) == ("held", "queued")
        wait_until(
            lambda: any(raw.endswith(b"x" * 1500 + b"\n") for raw in b.mails()),
            60,
            "the message in its mailbox",
            explain=b.log_text,
        )
