"""Copies, lanes, several nodes and windows on real nodes, with Postfix in front and Go at the end."""

import subprocess
from pathlib import Path

from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, decode_header
from tests.support.gateways import GatewayNode, mail, pair
from tests.support.go_side import GoSide
from tests.support.peers import require, require_root, swaks
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until

ALICE, BOB, GAIL = "alice@a.test", "bob@b.test", "gail@g.test"
MANY = [f"somebody-{number}@g.test" for number in range(5)]
KEEP = """\
#!/bin/sh
/bin/cat >{home}/got.tmp
/bin/mv {home}/got.tmp {home}/got.bsmtp
"""


def letter(number: int, *fields: str, size: int = 10) -> bytes:
    """A message with LF line ends."""
    head = "".join(f"{field}\n" for field in (f"Subject: number {number}", *fields))
    return f"{head}\n".encode() + b"x" * 70 * (size // 70) + b"hello\n"


def nices(node: GatewayNode, other_id: str) -> list[int]:
    """The niceness of each packet for a neighbour."""
    return sorted(
        decode_header(path.read_bytes()[:ENCRYPTED_HEADER_BYTES]).nice for path in node.packets(other_id)
    )


def test_copies_of_one_mail_are_one_packet_for_a_go_node(place: Path) -> None:
    """A mail handed in once for each recipient runs the far handler once, and names nobody."""
    a, go = GatewayNode(place / "a", "a.test"), GoSide(place, "g")
    go.meet(a)
    for recipient in MANY:
        a.send(ALICE, [recipient], mail(1, ALICE, GAIL))
    a.send(ALICE, [GAIL], mail(2, ALICE, GAIL))
    stick = place / "stick"
    stick.mkdir()
    a.run("xfer", "--mkdir", str(stick))
    go.take(stick)
    got = {tuple(args): content for args, content in go.mails()}
    assert set(got) == {tuple(MANY), (GAIL,)}
    assert got[tuple(MANY)].endswith(mail(1, ALICE, GAIL))
    assert b"for <" not in got[tuple(MANY)]
    assert f"for <{GAIL}>".encode() in got[GAIL,]
    assert a.states() == ["sent"] * 6


def test_copies_that_postfix_makes_are_one_message_in_a_batch_that_go_unpacks(place: Path) -> None:
    """With one recipient a delivery, Postfix hands in five times what a stock node gets once, for five."""
    require_root()
    require("swaks")
    a, go = GatewayNode(place / "a", "a.test"), GoSide(place, "g")
    go.meet(a, "--understands", "bsmtp")
    keep = go.node.home / "keep"
    keep.write_text(KEEP.format(home=go.node.home))
    keep.chmod(0o755)
    go.node.set_exec("a", "rsmtp", [keep])
    stick = place / "stick"
    stick.mkdir()
    with PostfixInstance(place / "pa", "mx.a.test", ["a.test"]) as postfix, a.serving():
        postfix.set("relay_domains = g.test")
        postfix.set("smtp_destination_recipient_limit = 1")
        postfix.add_transport(f"g.test smtp:[127.0.0.1]:{a.port()}")
        assert swaks(postfix.port, ALICE, MANY, letter(1)).returncode == 0
        wait_until(lambda: len(a.states()) == len(MANY), 60, "the copies", explain=postfix.log_text)
        assert len(a.queue("--all")) == len(MANY)
        a.run("xfer", "--mkdir", str(stick))
    go.take(stick)
    batch = (go.node.home / "got.bsmtp").read_bytes()
    assert batch.count(b"\r\nDATA\r\n") == 1
    assert sorted(batch.partition(b"DATA\r\n")[0].split(b"\r\n")[2:-1]) == [
        b"RCPT TO:<%s>" % recipient.encode() for recipient in MANY
    ]
    assert batch.count(b"Subject: number 1\r\n") == 1
    ours = batch.partition(b"DATA\r\n")[2].partition(b"+0000\r\n")[0]
    assert ours.startswith(b"Received: from mx.a.test")
    assert b"for <" not in ours


def test_mail_waits_in_lanes_by_what_it_says_of_itself(place: Path) -> None:
    """Urgent mail, most mail, lists and large messages become packets of their own niceness."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, "--understands", "gateway")
    for number in range(2):
        a.send(ALICE, [BOB], letter(number))
        a.send(ALICE, [BOB], letter(2 + number, "Priority: urgent"))
        a.send(ALICE, [BOB], letter(4 + number, "Precedence: list"))
        a.send(ALICE, [BOB], letter(6 + number, size=300_000))
    with a.serving():
        wait_until(lambda: nices(a, b.id) == [192, 192], 60, "the large ones", explain=a.log_text)
        a.run("flush")
    assert nices(a, b.id) == [64, 96, 160, 192, 192]
    a.carry_to(b, place / "stick")
    b.run("toss")
    b.run("deliver")
    assert len(b.mails()) == 8


def test_of_several_nodes_one_gets_a_message_by_size_and_service(place: Path) -> None:
    """Small mail goes to the first node of a route, large mail to the second, all of it while one is away."""
    a, b, c = (GatewayNode(place / name, f"{name}.test") for name in "abc")
    for node in (b, c):
        pair(a, node, "--understands", "gateway")
        toml = node.config_path.read_text().replace("domains = [", 'domains = ["far.test", ')
        node.config_path.write_text(toml)
    a.config_path.write_text(
        f'{a.config_path.read_text()}\n[[route]]\npattern = "*.test"\nnodes = ["b", "c"]\nnice = "N"\n'
    )
    toml = a.config_path.read_text()
    a.set_toml("neighbour.b", "max_message_bytes = 10000\n")
    explained = a.run("route", "--size", "20000", "x@far.test").out
    assert explained.startswith("x@far.test: to node b, else c (rule *.test)\n")
    assert "message of 20000 bytes: to node c, niceness 160\n" in explained
    assert "node b: messages above 10000 bytes wait for a person\n" in explained
    a.send(ALICE, ["x@far.test"], letter(1))
    a.send(ALICE, ["x@far.test"], letter(2, size=20_000))
    a.config_path.write_text(toml)
    a.set_toml("neighbour.b", "in_service = false\n")
    a.send(ALICE, ["x@far.test"], letter(3))
    a.run("flush")
    assert (len(a.packets(b.id)), len(a.packets(c.id))) == (0, 1)
    a.config_path.write_text(toml)
    for node in (b, c):
        a.carry_to(node, place / "stick")
        node.run("toss")
        node.run("deliver")
    assert [b"Subject: number 1\n" in content for content in b.mails()] == [True]
    subjects = [line for content in c.mails() for line in content.splitlines() if line.startswith(b"Subject")]
    assert sorted(subjects) == [b"Subject: number 2", b"Subject: number 3"]


def test_nothing_is_batched_outside_a_window_but_a_carrier_takes_it(place: Path) -> None:
    """A daemon keeps mail for its window; a stick that comes before has it all the same."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, "--understands", "gateway")
    hour = int(subprocess.run(["date", "+%H"], capture_output=True, check=True, timeout=60).stdout)
    window = f"{(hour + 11) % 24:02}:00-{(hour + 12) % 24:02}:00"
    a.set_toml("neighbour.b", f'windows = ["{window}"]\nmax_age_seconds = 0\n')
    assert f"node b: windows {window}: closed now but for carriers, open in " in a.run("route", BOB).out
    with a.serving():
        a.submit(ALICE, [BOB], letter(1))
        a.run("batch")
        assert a.states() == ["queued"]
        a.carry_to(b, place / "stick")
    assert a.states() == ["sent"]
    assert len(b.packets(a.id, "rx")) == 1
