"""A hub between villages: what each may send through it, how reports come back, and how circles end."""

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import hjson
import pytest

from tests.support.gateways import GatewayNode, mail, pair
from tests.support.go_side import GoSide
from tests.support.mail_trace import without_trace
from tests.support.ports import free_port
from tests.support.smtp_sink import SmtpSink

ALICE, BOB, HUGO, GAIL = "alice@a.test", "bob@b.test", "hugo@h.test", "gail@g.test"


def route(node: GatewayNode, pattern: str, to: str) -> None:
    """Add a route to a neighbour."""
    toml = node.config_path.read_text()
    node.config_path.write_text(f'{toml}\n[[route]]\npattern = "{pattern}"\nnode = "{to}"\n')


def allow(hub: GatewayNode, neighbour: str, relay_to: Sequence[str], *more: str) -> None:
    """Say whom a neighbour may reach through the hub."""
    named = ", ".join(f'"{pattern}"' for pattern in relay_to)
    hub.set_toml(f"neighbour.{neighbour}", "".join(f"{line}\n" for line in (f"relay_to = [{named}]", *more)))


def carry(one: GatewayNode, other: GatewayNode, stick: Path) -> None:
    one.carry_to(other, stick)
    other.run("toss")
    other.run("deliver", is_checked=False)


def told(node: GatewayNode, recipient: str) -> tuple[str, str, str]:
    """State and status of the delivery to somebody, and whether its sender was told."""
    (found,) = [
        each
        for message in node.queue("--all")
        for each in message["recipients"]
        if each["recipient"] == recipient
    ]
    return found["state"], found["status"], found["told"]


class Star:
    """Two villages that know nothing but their hub."""

    def __init__(self, place: Path, understands: str = "gateway", *options_of_b: str) -> None:
        self.place = place
        self.a = GatewayNode(place / "a", "a.test")
        self.b = GatewayNode(place / "b", "b.test", *options_of_b)
        self.hub = GatewayNode(place / "h", "h.test")
        for village in (self.a, self.b):
            pair(village, self.hub, "--understands", understands)
            route(village, "*", "h")

    def carry(self, *way: GatewayNode) -> None:
        """Carry what waits along a way."""
        for number, (one, other) in enumerate(itertools.pairwise(way)):
            carry(one, other, self.place / f"stick-{one.name}-{number}")


@pytest.mark.parametrize("understands", ["sendmail", "gateway"])
def test_mail_goes_from_village_to_village_and_its_report_comes_back(place: Path, understands: str) -> None:
    """A relays to B through the hub, which changes nothing but the trace; what B refuses is told in A."""
    original = mail(1, ALICE, BOB)
    refused = "RCPT TO:<nobody@b.test>"
    with SmtpSink(lambda command: "550 5.1.1 no" if command.startswith(refused) else None) as sink:
        star = Star(place, understands, "--deliver", f"smtp:127.0.0.1:{sink.port}")
        allow(star.hub, "a", ["b.test"], 'senders = ["a.test"]')
        star.a.send(ALICE, [BOB, HUGO, "nobody@b.test"], original)
        star.carry(star.a, star.hub, star.b)
    (at_hub,), (message,) = star.hub.mails(), sink.messages
    at_b = message.data.replace(b"\r\n", b"\n")
    assert message.recipients == [BOB]
    assert without_trace(at_hub, original) == without_trace(at_b, original) == original
    assert [match.decode() for match in re.findall(rb"by (mail\.[abh]\.test) with", at_b)] == [
        "mail.b.test",
        "mail.h.test",
        "mail.a.test",
    ]
    assert star.b.run("report").out.startswith("0 expired, 1 bounces")
    star.carry(star.b, star.hub, star.a)
    (bounce,) = star.a.mails()
    assert bounce.startswith(b"Return-Path: <>\n")
    assert b"Final-Recipient: rfc822;nobody@b.test" in bounce


def test_without_leave_nobody_gets_through_the_hub_and_the_sender_hears_of_it(place: Path) -> None:
    """A route alone relays nothing: the hub keeps a dead letter and tells the sender in A."""
    star = Star(place)
    star.a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    star.carry(star.a, star.hub)
    assert star.hub.packets(star.b.id) == []
    star.hub.run("report")
    assert told(star.hub, BOB) == ("dead", "5.7.1", "reported")
    star.carry(star.hub, star.a)
    assert b"Status: 5.7.1" in star.a.mails()[0]


def test_a_stranger_as_sender_gets_neither_mail_nor_report_through(place: Path) -> None:
    """What A sends as somebody of B is refused, and B hears nothing of it."""
    star = Star(place)
    allow(star.hub, "a", ["*"], 'senders = ["a.test"]')
    star.a.send(BOB, [HUGO], mail(1, BOB, HUGO))
    star.carry(star.a, star.hub)
    star.hub.run("report")
    assert told(star.hub, HUGO) == ("dead", "5.1.8", "the sender was refused")
    assert star.hub.mails() == []
    assert star.hub.packets(star.b.id) == star.hub.packets(star.a.id) == []


def test_a_sender_who_may_be_anybodys_is_not_told(place: Path) -> None:
    """Where senders are left open, A can't make the hub bounce to somebody of B."""
    star = Star(place)
    star.a.send(BOB, ["x@nowhere.test"], mail(1, BOB, HUGO))
    star.carry(star.a, star.hub)
    star.hub.run("report")
    assert told(star.hub, "x@nowhere.test") == (
        "dead",
        "5.7.1",
        "the sender is not known as one of the neighbour that brought it",
    )
    assert star.hub.states("--outbox") == []


def test_a_stock_go_node_is_a_leaf_like_any_other(place: Path) -> None:
    """Go's recipes send through the hub to a village, and the village to the recipes' sendmail."""
    star = Star(place)
    go = GoSide(place, "g")
    go.meet(star.hub)
    allow(star.hub, "g", ["b.test"])
    allow(star.hub, "b", ["g.test"])
    there = mail(1, GAIL, BOB)
    go.send("h", [BOB], GAIL, there)
    go.give(place / "from-go")
    star.hub.run("xfer", "--rx", str(place / "from-go"))
    star.hub.run("toss")
    star.carry(star.hub, star.b)
    assert without_trace(star.b.mails()[0], there) == there
    back = mail(2, BOB, GAIL)
    star.b.send(BOB, [GAIL], back)
    star.carry(star.b, star.hub)
    stick = place / "to-go"
    stick.mkdir()
    star.hub.run("xfer", "--tx", "--mkdir", str(stick))
    go.take(stick)
    ((args, content),) = go.mails()
    assert args == [GAIL]
    assert content.startswith(f"Return-Path: <{BOB}>\nReceived: from b\n".encode())
    assert content.endswith(back)


def test_daemons_carry_from_village_to_village_by_themselves(place: Path) -> None:
    """Both villages call the hub; what is handed in at one is in the other's Maildir: nobody did a thing."""
    star = Star(place)
    allow(star.hub, "a", ["b.test"])
    port = free_port()
    star.hub.set_toml("online", f'listen = ["127.0.0.1:{port}"]\n')
    for village in (star.a, star.b):
        village.set_toml("online", "calls = true\n")
        config = village.nncp()
        call = {"cron": "* * * * * * *", "onlinedeadline": 1}
        config["neigh"]["h"] |= {"addrs": {"main": f"127.0.0.1:{port}"}, "calls": [call]}
        village.nncp_path.write_text(json.dumps(config))
    original = mail(1, ALICE, BOB)
    with star.hub.serving(), star.a.serving(), star.b.serving():
        star.a.submit(ALICE, [BOB], original)
        (taken,) = star.b.wait_for_mails(1)
    assert without_trace(taken, original) == original
    assert "event=relayed" in star.hub.log_text()


def share_area(nodes: Sequence[GatewayNode]) -> None:
    """Let nodes that know one another share the area ``village``; who gets mail from it keeps it."""
    text = nodes[0].run("nncp", "cfgnew", "-area", "village", "-nocomments").out
    keys = hjson.loads("{" + text + "}")["areas"]["village"]
    for node in nodes:
        config = node.nncp()
        handle = next(entry["exec"]["sendmail"] for entry in config["neigh"].values() if entry.get("exec"))
        subs = [other.name for other in nodes if other is not node]
        area = {key: keys[key] for key in ("id", "pub", "prv")}
        config["areas"] = {"village": area | {"subs": subs, "exec": {"sendmail": handle}}}
        node.nncp_path.write_text(json.dumps(config))


def test_mail_to_an_area_is_what_its_author_may_send(place: Path) -> None:
    """Whoever brings it, the author's rights count; a node takes its own, and nobody is told of the rest."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    share_area([a, b])
    b.set_toml("neighbour.a", 'senders = ["a.test"]\nrelay_to = ["*"]\n')
    for number, sender in enumerate((ALICE, HUGO)):
        body = f"Return-Path: <{sender}>\n".encode() + mail(number, sender, BOB)
        words = ("nncp", "exec", "-quiet", "area:village", "sendmail", BOB, f"x{number}@world.test")
        a.run(*words, stdin=body)
    a.run("toss")
    carry(a, b, place / "stick")
    (taken,) = b.mails()
    assert taken.endswith(mail(0, ALICE, BOB))
    b.run("report")
    assert told(b, "x0@world.test") == ("dead", "5.7.1", "it came by an area")
    assert told(b, "x1@world.test") == ("dead", "5.1.8", "the sender was refused")
    assert b.packets(a.id) == []


def test_gateways_that_send_in_a_circle_stop_and_tell_the_sender(place: Path) -> None:
    """What three nodes pass round, each to the next, is dead after some rounds and bounced once."""
    names = ("a", "b", "c")
    ring = [GatewayNode(place / name, f"{name}.test") for name in names]
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        pair(one, other, "--understands", "gateway")
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        route(one, "x.test", other.name)
        allow(other, one.name, ["x.test"])
    ring[0].send(ALICE, ["y@x.test"], mail(1, ALICE, "y@x.test"))
    steps_count = 0
    while not any("dead" in node.states() for node in ring):
        one, other = ring[steps_count % 3], ring[(steps_count + 1) % 3]
        carry(one, other, place / f"stick{steps_count}")
        steps_count += 1
        assert steps_count < 20
    (dead,) = [each for node in ring for each in node.queue() if each["recipients"][0]["state"] == "dead"]
    assert dead["recipients"][0]["status"] == "5.4.6"
    assert steps_count == 13
    a, b, _ = ring
    for _ in range(2):
        b.run("report")
        carry(b, a, place / "back")
    (report,) = a.mails()
    assert b"Status: 5.4.6" in report
    assert b"it goes in circles" in report


def test_two_that_take_one_another_for_the_way_send_nothing_back(place: Path) -> None:
    """Mail whose route leads back is refused at once, and its sender told."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, "--understands", "gateway")
    route(a, "x.test", "b")
    route(b, "x.test", "a")
    allow(b, "a", ["*"])
    a.send(ALICE, ["y@x.test"], mail(1, ALICE, "y@x.test"))
    carry(a, b, place / "there")
    b.run("report")
    assert told(b, "y@x.test") == ("dead", "5.4.4", "reported")
    carry(b, a, place / "back")
    assert b"Status: 5.4.4" in a.mails()[0]
