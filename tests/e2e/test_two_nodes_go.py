"""A node of ours and nodes with the Go tools: on either side, in between, and on one spool."""

import subprocess
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, clean_environ, mail, pair
from tests.support.go_side import GoSide
from tests.support.gonncp import GoNode
from tests.support.peers import require

ALICE, BOB, GAIL = "alice@a.test", "bob@b.test", "gail@g.test"


def test_go_tosses_our_packets_into_its_sendmail(place: Path) -> None:
    """A stock node gets one packet a message: sender in the Return-Path, recipients as arguments."""
    a, go = GatewayNode(place / "a", "a.test"), GoSide(place, "g")
    go.meet(a)
    many = [f"somebody-number-{number}@g.test" for number in range(20)]
    a.send(ALICE, [GAIL], mail(1, ALICE, GAIL))
    a.send("", many, mail(2, "", GAIL))
    stick = place / "stick"
    stick.mkdir()
    a.run("xfer", "--mkdir", str(stick))
    go.take(stick)
    got = go.mails()
    (single,) = [content for args, content in got if args == [GAIL]]
    assert single.startswith(f"Return-Path: <{ALICE}>\nReceived: ".encode())
    assert single.endswith(mail(1, ALICE, GAIL))
    rest = [(args, content) for args, content in got if args != [GAIL]]
    assert len(rest) > 1
    assert sorted(arg for args, _ in rest for arg in args) == sorted(many)
    assert all(content.startswith(b"Return-Path: <>\n") for _, content in rest)


def test_we_toss_packets_of_go(place: Path) -> None:
    """What nncp-exec makes after the manual's recipe is delivered with its sender and recipients."""
    b, go = GatewayNode(place / "b", "b.test"), GoSide(place, "g")
    go.meet(b)
    stick = place / "stick"
    with b.serving():
        go.send("b", [BOB, "other@b.test"], GAIL, mail(1, GAIL, BOB))
        go.give(stick)
        b.run("xfer", str(stick))
        mails = b.wait_for_mails(2)
    assert all(content.endswith(mail(1, GAIL, BOB)) for content in mails)
    assert all(content.startswith(f"Return-Path: <{GAIL}>\n".encode()) for content in mails)


@pytest.mark.parametrize("form", ["sendmail", "bsmtp", "gateway"])
def test_go_tosses_for_us_on_our_own_spool(place: Path, form: str) -> None:
    """nncp-toss starts our handler in its bare environment, with our configuration and spool."""
    require("nncp-toss")
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, "--understands", form)
    for number in range(3):
        a.send(ALICE, [BOB], mail(number, ALICE, BOB))
    a.carry_to(b, place / "stick")
    argv = [require("nncp-toss"), "-cfg", str(b.nncp_path), "-quiet", "-noprogress"]
    for _ in range(2):
        subprocess.run(argv, check=True, timeout=60, env=clean_environ())
    assert not b.packets(a.id, "rx")
    b.run("deliver")
    mails = b.mails()
    assert len(mails) == 3
    for number in range(3):
        assert sum(content.endswith(mail(number, ALICE, BOB)) for content in mails) == 1


def test_a_relay_with_the_go_tools_passes_our_packets_on(place: Path) -> None:
    """Our onion is opened by nncp-toss in the middle, and the inner packet by us at its end."""
    a, b, relay = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test"), GoSide(place, "r")
    for node in (a, b):
        relay.meet(node)
    a.accept(b, "--via", "r")
    b.accept(a, "--via", "r")
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    first, second = place / "stick-1", place / "stick-2"
    first.mkdir()
    a.run("xfer", "--mkdir", str(first))
    relay.take(first)
    assert relay.mails() == []
    relay.give(second)
    b.run("xfer", str(second))
    b.run("toss")
    b.run("deliver")
    (content,) = b.mails()
    assert content.endswith(mail(1, ALICE, BOB))


def test_a_relay_of_ours_passes_on_packets_of_go(place: Path) -> None:
    """An onion of the Go tools is opened by our daemon in the middle, and reaches its end."""
    relay, b, go = GatewayNode(place / "r", "r.test"), GatewayNode(place / "b", "b.test"), GoSide(place, "g")
    pair(relay, b)
    go.meet(relay)
    go.meet(b)
    go.know(b, via=["r"])
    go.send("b", [BOB], GAIL, mail(1, GAIL, BOB))
    stick = place / "stick"
    go.give(stick)
    with relay.serving():
        relay.run("xfer", "--rx", str(stick))
        relay.run("toss")
        relay.carry_to(b, place / "other-stick")
    b.run("toss")
    b.run("deliver")
    (content,) = b.mails()
    assert content.endswith(mail(1, GAIL, BOB))


def test_accept_works_on_a_configuration_that_go_made(place: Path) -> None:
    """A file of nncp-cfgnew, comments and all, gets the neighbour and stays good for the Go tools."""
    b = GatewayNode(place / "b", "b.test")
    other = GatewayNode(place / "a", "a.test")
    go = GoNode(place / "g", "g")
    text = cfgnew().replace("/var/spool/nncp", str(b.spool))
    b.nncp_path.write_text(text)
    b.accept(other)
    after = b.nncp_path.read_text()
    lines = iter(after.splitlines())
    assert all(line in lines for line in text.splitlines())
    assert b.run("accept", "a", "--domain", "a.test", stdin=other.run("invite").out.encode()).out.startswith(
        "a is known already"
    )
    go.config_path = b.nncp_path
    shown = go.run("nncp-cfgmin").stdout.decode()
    assert other.id in shown


def cfgnew() -> str:
    return subprocess.run([require("nncp-cfgnew")], check=True, capture_output=True, text=True).stdout


def test_go_gets_what_was_too_large_for_the_link_once_somebody_releases_it(place: Path) -> None:
    """Small mail goes on meanwhile; the large message arrives unchanged, and after that nothing more."""
    a, go = GatewayNode(place / "a", "a.test"), GoSide(place, "g")
    go.meet(a)
    a.set_toml("neighbour.g", "max_message_bytes = 10000\n")
    body = mail(1, ALICE, GAIL, "x" * 70 + "\n" + "y" * 20_000 + "\n")
    a.send(ALICE, [GAIL], body)
    a.send(ALICE, [GAIL], mail(2, ALICE, GAIL))
    stick = place / "stick"
    stick.mkdir()
    for count in (1, 2, 2):
        a.run("xfer", "--mkdir", str(stick))
        go.take(stick)
        assert len(go.mails()) == count
        a.run("queue", "release", "--node", "g")
    assert sorted(content.endswith(body) for _, content in go.mails()) == [False, True]
    assert a.states() == ["sent", "sent"]


def test_what_go_sends_is_held_here_if_it_is_too_large_until_somebody_releases_it(place: Path) -> None:
    """Its mail is taken, its sender told through Go, and the message delivered whole once released."""
    b, go = GatewayNode(place / "b", "b.test"), GoSide(place, "g")
    go.meet(b)
    b.set_toml("neighbour.g", "hold_receive_bytes = 10000\n")
    body = mail(1, GAIL, BOB, "x" * 70 + "\n" + "y" * 20_000 + "\n")
    go.send("b", [BOB], GAIL, body)
    go.send("b", [BOB], GAIL, mail(2, GAIL, BOB))
    stick = place / "stick"
    go.give(stick)
    b.run("xfer", "--rx", str(stick))
    b.run("toss")
    b.run("deliver")
    assert [raw.endswith(mail(2, GAIL, BOB)) for raw in b.mails()] == [True]
    b.run("report")
    b.run("xfer", "--tx", "--mkdir", str(stick))
    go.take(stick)
    ((recipients, notice),) = go.mails()
    assert recipients == [GAIL]
    assert b"Subject: Held mail (a person decides)" in notice
    b.run("queue", "release", "--node", "g", "--inbox")
    b.run("deliver")
    assert any(raw.endswith(body) for raw in b.mails())
