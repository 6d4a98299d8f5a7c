"""Two nodes without a daemon: every step is a command."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, mail, pair

Pair = tuple[GatewayNode, GatewayNode]
ALICE, BOB = "alice@a.test", "bob@b.test"


def make_pair(place: Path, *options: str) -> Pair:
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, *options)
    return a, b


def steps(a: GatewayNode, b: GatewayNode, stick: Path) -> None:
    a.carry_to(b, stick)
    b.run("toss")
    b.run("deliver")


def test_mails_go_from_the_pipe_to_the_maildir_unchanged(place: Path) -> None:
    """What was handed in comes out byte for byte behind the trace lines, and both queues say so."""
    a, b = make_pair(place)
    bodies = [
        mail(1, ALICE, BOB),
        mail(2, ALICE, BOB, ".dot\n..dots\n.\n\nFrom the start\n" + "x" * 3000 + "\n"),
        "Subject: 8 bit ä\n\nschön\n".encode(),
        mail(4, ALICE, BOB, "y" * 300_000 + "\n"),
    ]
    for body in bodies:
        assert a.send(ALICE, [BOB], body).out.startswith("2.0.0 queued as ")
    assert a.states() == ["queued"] * 4
    steps(a, b, place / "stick")
    mails = b.mails()
    assert len(mails) == 4
    for body in bodies:
        found = [content for content in mails if content.endswith(body)]
        assert len(found) == 1
        assert found[0].startswith(f"Return-Path: <{ALICE}>\nDelivered-To: {BOB}\n".encode())
    assert a.states() == ["sent"] * 4
    assert b.states() == ["delivered"] * 4
    assert not a.packets(b.id)
    assert not b.packets(a.id, "rx")


def test_one_batch_holds_them_all_and_each_step_done_again_changes_nothing(place: Path) -> None:
    """Three mails are one packet, and repeating every step delivers nothing twice."""
    a, b = make_pair(place)
    for number in range(3):
        a.send(ALICE, [BOB], mail(number, ALICE, BOB))
    assert "3 messages in 1 packets" in a.run("flush").out
    for _ in range(2):
        steps(a, b, place / "stick")
    assert len(b.mails()) == 3
    assert b.states() == ["delivered"] * 3


def test_a_packet_that_comes_twice_is_delivered_once(place: Path) -> None:
    """Two carriers that bring the same packet cost nothing but the carrying."""
    a, b = make_pair(place)
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    stick = place / "stick"
    stick.mkdir()
    a.run("xfer", "--mkdir", str(stick))
    for _ in range(2):
        b.run("xfer", "--keep", str(stick))
        b.run("toss")
        b.run("deliver")
    assert len(b.mails()) == 1
    assert b.states() == ["delivered"]


@pytest.mark.parametrize("form", ["sendmail", "bsmtp", "gateway"])
def test_every_form_brings_senders_and_recipients(place: Path, form: str) -> None:
    """The envelope arrives whole in each form: several recipients, the null sender, a quoted address."""
    a, b = make_pair(place, "--understands", form)
    b.set_toml("smtp", "max_hops = 20\n")
    everybody = ["one@b.test", "two@b.test", '"three and four"@b.test']
    a.send("", everybody, mail(1, "", "one@b.test"))
    a.send(ALICE, ["one@b.test"], mail(2, ALICE, "one@b.test"))
    steps(a, b, place / "stick")
    received = [(m["sender"], sorted(r["recipient"] for r in m["recipients"])) for m in b.queue("--all")]
    assert sorted(received) == [("", sorted(everybody)), (ALICE, ["one@b.test"])]
    assert b.states() == ["delivered"] * 4


def test_mail_for_somebody_who_is_not_delivered_there_is_dead_with_a_reason(place: Path) -> None:
    """A neighbour can't use us to reach others: the mail is kept as a dead letter that says why."""
    a, b = make_pair(place)
    a.config_path.write_text(
        a.config_path.read_text() + '\n[[route]]\npattern = "elsewhere.test"\nnode = "b"\n'
    )
    a.send(ALICE, ["x@elsewhere.test"], mail(1, ALICE, "x@elsewhere.test"))
    steps(a, b, place / "stick")
    (message,) = b.queue()
    (recipient,) = message["recipients"]
    assert recipient["state"] == "dead"
    assert recipient["status"] == "5.7.1"
    shown = b.run("queue", "show", message["id"]).out
    assert "5.7.1 relay not permitted: no route for this recipient" in shown
    assert b.run("queue", "show", "--body", message["id"]).out.endswith("hello\r\n")


def test_a_relay_of_ours_passes_on_what_it_cannot_read(place: Path) -> None:
    """Mail goes through a node in the middle, which tosses the outer packet and sees no mail."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    relay = GatewayNode(place / "r", "r.test")
    pair(a, relay)
    pair(b, relay)
    a.accept(b, "--via", "r")
    b.accept(a, "--via", "r")
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.carry_to(relay, place / "stick")
    assert "1 packets done" in relay.run("toss").out
    assert relay.queue("--all") == []
    relay.carry_to(b, place / "other-stick")
    b.run("toss")
    b.run("deliver")
    (content,) = b.mails()
    assert content.endswith(mail(1, ALICE, BOB))


def test_a_daemon_on_one_end_alone_gives_the_same_result(place: Path) -> None:
    """It makes no difference whether a step is a command or the daemon's."""
    a, b = make_pair(place)
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    with b.serving():
        a.carry_to(b, place / "stick")
        (content,) = b.wait_for_mails(1)
    assert content.endswith(mail(1, ALICE, BOB))
    b.wait_for_states(["delivered"])


Spoil = Callable[[GatewayNode], None]


def spoil_route(node: GatewayNode) -> None:
    node.config_path.write_text(node.config_path.read_text().replace('node = "b"', 'node = "nobody"'))


def spoil_key(node: GatewayNode) -> None:
    node.set_toml("batch", "max_mesages = 3\n")


def spoil_keys(node: GatewayNode) -> None:
    node.nncp_path.write_text(node.nncp_path.read_text().replace("exchprv", "exchpriv"))


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (
            spoil_route,
            ("gateway.toml: route[1].node: 'nobody' is not a neighbour; allowed: a name in neigh",),
        ),
        (spoil_key, ("gateway.toml: batch.max_mesages: is not a key", "did you mean max_messages?")),
        (spoil_keys, ("nncp.hjson: self.exchprv",)),
    ],
)
def test_a_broken_configuration_keeps_the_mail_and_says_what_is_wrong(
    place: Path, spoil: Spoil, parts: tuple[str, ...]
) -> None:
    """With a broken configuration a pipe tells the mail server to keep the mail, and where to look."""
    a, _ = make_pair(place)
    spoil(a)
    done = a.run("send", "-f", ALICE, "--", BOB, stdin=mail(1, ALICE, BOB), is_checked=False)
    assert done.status == 75
    assert done.out.startswith("4.3.5 ")
    checked = a.run("check", is_checked=False)
    assert checked.status == 78
    for part in parts:
        assert part in done.out
        assert part in checked.err
