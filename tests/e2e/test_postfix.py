"""From one real Postfix to another, through our nodes, with the forms and tools of stock NNCP.

Between gateways, with relays and Exim: ``test_mail_sites.py``.
"""

import smtplib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, pair
from tests.support.gonncp import GoMesh, GoNode
from tests.support.mail_trace import without_trace
from tests.support.peers import require, require_root, swaks
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until

ALICE, BOB, CAROL = "alice@a.test", "bob@b.test", "carol+list@b.test"

HANDLER = """\
#!/bin/sh -e
# The handle sendmail of a node with the Go tools: the sender stands in the first line.
IFS= read -r first
case $first in "Return-Path: <"*">") s=${{first#Return-Path: <}}; s=${{s%>}};; *) exit 65;; esac
exec {sendmail} -i -f "${{s:-<>}}" -- "$@"
"""


def letter(number: int, text: bytes = b"hello\n") -> bytes:
    """A message with LF line ends."""
    head = f"From: {ALICE}\nTo: {BOB}\nSubject: number {number}\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n"
    return head.encode() + b"Message-ID: <%d@a.test>\n\n" % number + text


LETTERS: Sequence[tuple[str, tuple[str, ...], bytes]] = (
    (ALICE, (BOB,), letter(1)),
    ("", (BOB,), letter(2, b"a bounce\n")),
    (ALICE, (BOB, CAROL), letter(3, b".\n..\n.dot\nFrom here\n\n\nlast line has an end\n")),
    (ALICE, ('"john doe"@b.test',), letter(4, "grüße, schön\n".encode() + b"x" * 900 + b"\n")),
)
MAIL_COUNT = 5


class Sites:
    """A Postfix on each side; mail for b.test leaves the first by what the test sets up."""

    def __init__(self, place: Path) -> None:
        require_root()
        require("swaks")
        self.place = place
        self.a = PostfixInstance(place / "pa", "mx.a.test", ["a.test"])
        self.b = PostfixInstance(place / "pb", "mx.b.test", ["b.test"])
        self.a.set("relay_domains = b.test")
        self.stick = place / "stick"
        self.stick.mkdir()

    def hand_over_by_smtp(self, port: int) -> None:
        """As the sample in ``postfix/`` has it."""
        self.a.add_transport(f"b.test smtp:[127.0.0.1]:{port}")

    def submit(self) -> None:
        """Give the letters to the first Postfix: by swaks, as a user would."""
        for sender, recipients, message in LETTERS:
            done = swaks(self.a.port, sender, list(recipients), message)
            assert done.returncode == 0, done.text

    def check_arrived(self) -> None:
        """All mails are in the second Postfix's Maildir, unchanged apart from their trace."""
        found = [path.read_bytes() for path in self.b.wait_for_messages(MAIL_COUNT)]
        for sender, recipients, message in LETTERS:
            for recipient in recipients:
                mine = [
                    mail
                    for mail in found
                    if f"\nX-Original-To: {recipient}\n".encode() in mail
                    and without_trace(mail, message) == message
                ]
                assert len(mine) == 1, f"{len(mine)} copies of {message!r} for {recipient}"
                assert f"Return-Path: <{sender}>".encode() in mine[0]
        assert len(found) == MAIL_COUNT


@pytest.fixture
def sites(place: Path) -> Sites:
    return Sites(place)


def node_for(sites: Sites, name: str, port: int) -> GatewayNode:
    return GatewayNode(sites.place / name, f"{name}.test", "--deliver", f"smtp:127.0.0.1:{port}")


@pytest.mark.parametrize("form", ["sendmail", "bsmtp"])
def test_from_postfix_to_postfix_with_daemons(sites: Sites, form: str) -> None:
    """What swaks gives to one Postfix is in the other's Maildir, through SMTP, a stick and a handle."""
    with sites.a, sites.b:
        a, b = node_for(sites, "a", sites.a.port), node_for(sites, "b", sites.b.port)
        pair(a, b, "--understands", form)
        with a.serving(), b.serving():
            sites.hand_over_by_smtp(a.port())
            sites.submit()
            wait_for_recipients(a, MAIL_COUNT)
            a.carry_to(b, sites.stick)
            sites.check_arrived()


def test_from_postfix_to_postfix_with_the_far_steps_by_hand(sites: Sites) -> None:
    """Without a daemon at the far end the results are the same."""
    with sites.a, sites.b:
        a, b = node_for(sites, "a", sites.a.port), node_for(sites, "b", sites.b.port)
        pair(a, b, "--understands", "gateway")
        with a.serving():
            sites.hand_over_by_smtp(a.port())
            sites.submit()
            wait_for_recipients(a, MAIL_COUNT)
        a.run("flush")
        a.carry_to(b, sites.stick)
        b.run("toss")
        b.run("deliver")
        sites.check_arrived()


def test_from_a_site_with_the_go_tools(sites: Sites) -> None:
    """Postfix pipes into nncp-exec after the manual; our node delivers to the other Postfix."""
    with sites.a, sites.b:
        b = node_for(sites, "b", sites.b.port)
        go = GoMesh(sites.place / "go", ["g"])["g"]
        introduce(go, b)
        b.run("accept", "g", "--domain", "a.test", stdin=go.run("nncp-cfgmin").stdout)
        open_to_everybody(go)
        sites.a.add_service(
            "nncp unix - n n - - pipe flags=Rq null_sender= user=mail"
            f" argv={require('nncp-exec')} -quiet -noprogress -cfg {go.config_path}"
            " $nexthop sendmail $recipient"
        )
        sites.a.add_transport("b.test nncp:b")
        sites.submit()
        wait_until(
            lambda: len(go.packets("tx", b.id)) == len(LETTERS), 30, "the packets", explain=sites.a.log_text
        )
        go.run("nncp-xfer", "-quiet", "-mkdir", "-tx", str(sites.stick))
        b.run("xfer", str(sites.stick))
        b.run("toss")
        b.run("deliver")
        sites.check_arrived()


def test_to_a_site_with_the_go_tools(sites: Sites) -> None:
    """A stock node with Postfix's sendmail as its handle takes the mail of ours."""
    with sites.a, sites.b:
        a = node_for(sites, "a", sites.a.port)
        go = GoMesh(sites.place / "go", ["g"])["g"]
        handler = sites.place / "handler"
        handler.write_text(HANDLER.format(sendmail=sites.b.sendmail))
        handler.chmod(0o755)
        introduce(go, a, {"sendmail": [str(handler)]})
        a.run("accept", "g", "--domain", "b.test", stdin=go.run("nncp-cfgmin").stdout)
        with a.serving():
            sites.hand_over_by_smtp(a.port())
            sites.submit()
            wait_for_recipients(a, MAIL_COUNT)
            a.run("xfer", "--tx", "--mkdir", str(sites.stick))
        go.run("nncp-xfer", "-quiet", "-rx", str(sites.stick))
        go.toss()
        sites.check_arrived()


def test_a_refusal_of_the_far_postfix_is_a_dead_letter_with_its_text(sites: Sites) -> None:
    """A message that the far MTA will not have is kept with the reason, where a person finds it."""
    with sites.b:
        a, b = node_for(sites, "a", sites.b.port), node_for(sites, "b", sites.b.port)
        pair(a, b)
        sites.b.set(
            "smtpd_recipient_restrictions = check_recipient_access inline:{nobody@b.test=REJECT},"
            " permit_mynetworks, reject_unauth_destination"
        )
        a.send(ALICE, [BOB, "nobody@b.test"], letter(1))
        a.carry_to(b, sites.stick)
        b.run("toss")
        b.run("deliver")
        assert len(sites.b.wait_for_messages(1)) == 1
        (dead,) = [r for m in b.queue("--all") for r in m["recipients"] if r["state"] == "dead"]
        assert dead["recipient"] == "nobody@b.test"
        assert dead["status"].startswith("5.7.1")
        assert "Access denied" in dead["text"]


def test_a_mail_postfix_should_not_have_sent_us_bounces_at_once(sites: Sites) -> None:
    """A domain without a route is refused at our door, so that Postfix tells its sender."""
    with sites.a:
        a = node_for(sites, "a", sites.a.port)
        with a.serving():
            sites.a.set("relay_domains = c.test")
            sites.a.add_transport(f"c.test smtp:[127.0.0.1]:{a.port()}")
            swaks(sites.a.port, ALICE, ["someone@c.test"], letter(1))
            (bounce,) = sites.a.wait_for_messages(1)
            assert b"relay not permitted" in bounce.read_bytes()
            assert a.queue("--all") == []


def test_a_client_from_elsewhere_is_refused(sites: Sites) -> None:
    """Only those who may relay can hand mail in; loopback is not enough when it is not listed."""
    a = node_for(sites, "a", 1)
    b = node_for(sites, "b", 1)
    pair(a, b)
    toml = a.config_path.read_text()
    a.config_path.write_text(
        toml.replace('relay_from = ["127.0.0.0/8", "::1/128"]', 'relay_from = ["192.0.2.0/24"]')
    )
    with a.serving(), smtplib.SMTP("127.0.0.1", a.port(), timeout=60) as client:
        client.ehlo()
        client.mail(ALICE)
        code, text = client.rcpt(BOB)
    assert code in {550, 554}
    assert text.startswith(b"5.7.1")
    assert a.queue("--all") == []


def wait_for_recipients(node: GatewayNode, count: int) -> None:
    """Wait until the node has mail for that many recipients, in whatever state."""
    wait_until(lambda: len(node.states()) == count, 60, f"{count} recipients", explain=node.log_text)


def introduce(go: GoNode, other: GatewayNode, handles: dict[str, list[str]] | None = None) -> None:
    """Put a node of ours into a Go node's configuration."""
    config = go.config()
    keys = other.nncp()["self"]
    entry = {key: keys[key] for key in ("id", "exchpub", "signpub", "noisepub")}
    config["neigh"][other.name] = entry | {"exec": handles or {}}
    go.save(config)


def open_to_everybody(go: GoNode) -> None:
    """Let Postfix's pipe, which runs as another user, queue packets."""
    for path in (go.home, *go.home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
