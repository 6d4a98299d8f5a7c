"""Sticks that keep their packets, and daemons that acknowledge what has arrived."""

from pathlib import Path

from tests.support.gateways import GatewayNode, mail, pair
from tests.support.processes import tail, wait_until

ALICE, BOB = "alice@a.test", "bob@b.test"


def test_a_mail_leaves_its_sender_when_the_other_daemon_has_acknowledged_it(place: Path) -> None:
    """Two sticks bring the same mail: it is delivered once, and its packet goes from both nodes."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    b.set_toml("toss", "is_ack_made = true\nis_seen_marked = true\ninterval_seconds = 0.1\n")
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    sticks = place / "stick-1", place / "stick-2"
    for stick in sticks:
        stick.mkdir()
        a.run("xfer", "--tx", "--mkdir", "--keep", str(stick))
    assert len(a.packets(b.id)) == 1
    with b.serving():
        b.run("xfer", "--rx", str(sticks[0]))
        wait_until(lambda: b.packets(a.id), 60, "an acknowledgement", explain=lambda: tail(b.log_path))
        b.wait_for_mails(1)
        b.run("xfer", "--rx", str(sticks[1]))
        b.run("xfer", "--tx", "--mkdir", str(sticks[1]))
    assert b.packets(a.id, "rx") == b.packets(a.id) == []
    a.run("xfer", "--rx", str(sticks[1]))
    a.run("toss")
    assert a.packets(b.id) == a.packets(b.id, "rx") == []
    assert len(b.mails()) == 1
