"""Real mail servers hand mail to the names that ``links --mail`` makes; Go's tosser hands in packets."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.exim import EximInstance
from tests.support.gateways import Done, GatewayNode, clean_environ, mail, pair
from tests.support.peers import PROJECT, require, require_root, swaks
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until

ALICE, BOB, CARL = "alice@a.test", "bob@b.test", "carl@b.test"
MESSAGE = (
    b"From: alice@a.test\r\nTo: bob@b.test\r\nBcc: kept@b.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <interop@a.test>\r\n\r\n"
    b"one line\r\n.\r\n..dots\r\nFrom the start\r\n8-bit: \xc3\xa4\r\n"
)
SAMPLE_PLACE = "/usr/local/lib/nncp-gateway"


class OwnedNode(GatewayNode):
    """A node of another user: our commands become that user, so each is a process of its own."""

    def run(self, *words: str, stdin: bytes = b"", is_checked: bool = True, is_child: bool = True) -> Done:
        return super().run(*words, stdin=stdin, is_checked=is_checked, is_child=is_child)


class Site:
    """A node of ours that a mail server's user owns, with the names for mail."""

    def __init__(self, place: Path, owner: str) -> None:
        require_root()
        self.node = OwnedNode(place / "gw", "here.test", "--owner", owner)
        self.bin = place / "bin"
        self.bin.mkdir()
        other = OwnedNode(place / "b", "b.test", "--owner", owner)
        pair(self.node, other)
        self.node.run("links", "--mail", str(self.bin))
        # init has left the way in to its owner alone; the log of a run by root must not be in it.
        self.node.log_path = place / "serve.log"

    def sample(self, name: str, user: str) -> str:
        """A sample of ours with the places and users of this test."""
        text = (PROJECT / name).read_text().replace(SAMPLE_PLACE, str(self.bin))
        return re.sub(r"user( ?)=( ?)nncp\b", rf"user\g<1>=\g<2>{user}", text)

    def kept(self) -> list[tuple[str, tuple[str, ...], bytes]]:
        """Senders, recipients and bytes of what is in the queue, without our own trace field."""
        found = []
        for each in self.node.queue("--all"):
            body = self.node.run("queue", "show", "--body", each["id"]).out.encode()
            assert body.startswith(b"Received: by mail.here.test with local id ")
            content = re.sub(rb"\A[^\r\n]*\r\n(?:\t[^\r\n]*\r\n)*", b"", body)
            recipients = tuple(sorted(recipient["recipient"] for recipient in each["recipients"]))
            found.append((each["sender"], recipients, content))
        return found


@pytest.fixture(params=[True, False], ids=["daemon", "no daemon"])
def is_served(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class PostfixSite(Site):
    """A Postfix that pipes mail for b.test into one of the names."""

    def __init__(self, place: Path) -> None:
        super().__init__(place, "mail")
        self.postfix = PostfixInstance(place / "pf", "mx.a.test", ["a.test"])
        self.postfix.set("relay_domains = b.test nowhere.test")
        self.postfix.add_service(self.sample("postfix/master.cf.sample", "mail"))

    def check_arrived(self, count: int) -> list[tuple[str, tuple[str, ...], bytes]]:
        wait_until(
            lambda: len(self.node.queue("--all")) >= count and not self.postfix.queued(),
            60,
            f"{count} messages",
            explain=self.postfix.log_text,
        )
        return self.kept()


@pytest.fixture
def postfix(place: Path) -> PostfixSite:
    return PostfixSite(place)


def send_four(postfix: PostfixInstance) -> None:
    """A plain one, one for two, a bounce, and one whose addresses ask for care."""
    swaks(postfix.port, ALICE, [BOB], MESSAGE)
    swaks(postfix.port, ALICE, [BOB, CARL], MESSAGE)
    swaks(postfix.port, "", [BOB], MESSAGE)
    swaks(postfix.port, '"a b"@a.test', ['"john doe"@b.test', "MiXed@b.test"], MESSAGE)


ENVELOPES = {
    (ALICE, (BOB,)),
    (ALICE, (BOB, CARL)),
    ("", (BOB,)),
    ('"a b"@a.test', ('"john doe"@b.test', "MiXed@b.test")),
}


@pytest.mark.parametrize("transport", ["nncpgw:", "uucp:b"])
def test_postfix_pipes_to_us(postfix: PostfixSite, transport: str, *, is_served: bool) -> None:
    """Envelope and bytes of what Postfix pipes into us are in the queue, whether or not a daemon runs."""
    postfix.postfix.add_transport(f"b.test {transport}")
    with postfix.postfix:
        if is_served:
            with postfix.node.serving("--only", "pipe"):
                send_four(postfix.postfix)
                kept = postfix.check_arrived(4)
            assert postfix.node.log_text().count("event=received") == 6
        else:
            send_four(postfix.postfix)
            kept = postfix.check_arrived(4)
    assert {(sender, recipients) for sender, recipients, _ in kept} == ENVELOPES
    for _, _, content in kept:
        assert content.startswith(b"Received: from ")
        # Postfix itself takes Bcc out of what it passes on.
        assert content.endswith(MESSAGE.replace(b"Bcc: kept@b.test\r\n", b""))


def test_postfix_shares_many_recipients_out(postfix: PostfixSite) -> None:
    """Postfix runs the command once for fifty recipients, and each of them is in the queue once."""
    recipients = [f"user{number}@b.test" for number in range(120)]
    postfix.postfix.add_transport("b.test nncpgw:")
    with postfix.postfix, postfix.node.serving("--only", "pipe"):
        swaks(postfix.postfix.port, ALICE, recipients, MESSAGE)
        kept = postfix.check_arrived(3)
    assert sorted(recipient for _, found, _ in kept for recipient in found) == sorted(recipients)
    assert sorted(len(found) for _, found, _ in kept) == [20, 50, 50]


def test_postfix_bounces_what_we_refuse_for_good(postfix: PostfixSite) -> None:
    """A domain without a route is told to the sender at once, with our status and text."""
    postfix.postfix.add_transport("nowhere.test nncpgw:")
    with postfix.postfix, postfix.node.serving("--only", "pipe"):
        swaks(postfix.postfix.port, ALICE, ["x@nowhere.test"], MESSAGE)
        (bounce,) = postfix.postfix.wait_for_messages(1)
    assert b"relay not permitted" in bounce.read_bytes()
    assert b"Status: 5.7.1" in bounce.read_bytes()
    assert postfix.kept() == []


def test_postfix_keeps_its_mail_while_our_configuration_is_broken(postfix: PostfixSite) -> None:
    """A fault of ours never bounces mail: it waits at Postfix, and comes in once the fault is mended."""
    whole = postfix.node.config_path.read_text()
    postfix.node.config_path.write_text("[smtp\n")
    postfix.postfix.add_transport("b.test nncpgw:")
    with postfix.postfix:
        swaks(postfix.postfix.port, ALICE, [BOB], MESSAGE)
        wait_until(
            lambda: "4.3.5" in postfix.postfix.log_text(), 60, "a try", explain=postfix.postfix.log_text
        )
        assert postfix.postfix.queued()
        postfix.node.config_path.write_text(whole)
        assert len(postfix.check_arrived(1)) == 1
        assert postfix.postfix.messages() == []


class EximSite(Site):
    """An Exim that pipes mail for b.test into one of the names."""

    def __init__(self, place: Path, *, is_uucp: bool = False) -> None:
        super().__init__(place, "Debian-exim")
        transports = self.sample("exim/transport_pipe.sample", "Debian-exim")
        # The test's Exim has given up the right to change users.
        transports = re.sub(r"^ *user = .*\n", "", transports, flags=re.MULTILINE)
        if is_uucp:
            command = f"  command = {self.bin}/uux - -r $host!rmail $pipe_addresses\n  message_suffix ="
            transports = re.sub(r"  command = .*\n  use_bsmtp", command, transports)
        routers = self.sample("exim/router_pipe.sample", "Debian-exim")
        routers = routers.replace("domains = b.test", "domains = b.test : nowhere.test")
        self.exim = EximInstance(place / "exim", "a.test", routers=routers, transports=transports)

    def check_arrived(self, count: int) -> list[tuple[str, tuple[str, ...], bytes]]:
        wait_until(
            lambda: len(self.node.queue("--all")) >= count,
            60,
            f"{count} messages",
            explain=self.exim.log_text,
        )
        return self.kept()


@pytest.mark.parametrize("is_uucp", [False, True], ids=["bsmtp", "uux"])
def test_exim_pipes_to_us(place: Path, *, is_uucp: bool, is_served: bool) -> None:
    """Envelope and bytes of what Exim pipes into us are in the queue, whether or not a daemon runs."""
    require("exim4", "swaks")
    site = EximSite(place, is_uucp=is_uucp)
    with site.exim:
        if is_served:
            with site.node.serving("--only", "pipe"):
                for recipients in ([BOB], [BOB, CARL]):
                    swaks(site.exim.port, ALICE, recipients, MESSAGE)
                swaks(site.exim.port, "", [BOB], MESSAGE)
                kept = site.check_arrived(3)
        else:
            swaks(site.exim.port, ALICE, [BOB], MESSAGE)
            swaks(site.exim.port, ALICE, [BOB, CARL], MESSAGE)
            swaks(site.exim.port, "", [BOB], MESSAGE)
            kept = site.check_arrived(3)
    assert {(sender, recipients) for sender, recipients, _ in kept} == {
        (ALICE, (BOB,)),
        (ALICE, (BOB, CARL)),
        ("", (BOB,)),
    }
    for _, _, content in kept:
        assert content.startswith(b"Received: from ")
        assert content.endswith(MESSAGE)


def test_exim_keeps_what_we_refuse_and_shows_why(place: Path) -> None:
    """With temp_errors = * nothing bounces: our text stands in Exim's log, and the mail stays."""
    require("exim4", "swaks")
    site = EximSite(place)
    with site.exim, site.node.serving("--only", "pipe"):
        swaks(site.exim.port, ALICE, ["x@nowhere.test"], MESSAGE)
        wait_until(
            lambda: (
                "child process of nncp_gateway_pipe transport returned 77" in site.exim.log_text()
                or "defer" in site.exim.log_text()
            ),
            60,
            "a try",
            explain=site.exim.log_text,
        )
        assert site.exim.messages() == []
    assert site.kept() == []


@pytest.mark.parametrize("form", ["sendmail", "bsmtp", "gateway"])
def test_gos_tosser_hands_packets_to_the_daemon(place: Path, form: str) -> None:
    """Under nncp-toss our handle gives the payload to the daemon, which delivers it; the packet is gone."""
    toss = require("nncp-toss")
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b, "--understands", form)
    for number in range(3):
        a.send(ALICE, [BOB], mail(number, ALICE, BOB))
    a.run("flush")
    a.carry_to(b, place / "stick")
    with b.serving("--only", "pipe", "--only", "deliver"):
        done = _run([toss, "-quiet", "-cfg", str(b.nncp_path)])
        assert done == 0
        arrived = b.wait_for_mails(3)
    assert sorted(body.rpartition(b"number ")[2][:1] for body in arrived) == [b"0", b"1", b"2"]
    assert b.log_text().count("event=unpacked") == 3, "another process took it in"
    assert b.packets(a.id, "rx") == []


def test_gos_tosser_does_without_a_daemon(place: Path) -> None:
    """Without a daemon the handle takes the payload in by itself, as ever."""
    toss = require("nncp-toss")
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    a.send(ALICE, [BOB], mail(1, ALICE, BOB))
    a.run("flush")
    a.carry_to(b, place / "stick")
    assert _run([toss, "-quiet", "-cfg", str(b.nncp_path)]) == 0
    assert len(b.queue("--inbox")) == 1


@pytest.mark.parametrize("handle", ["rmail", "nncp-rmail-v1"])
def test_go_sends_to_our_rmail(place: Path, handle: str) -> None:
    """A site that pipes UUCP's rmail, or NNCPNET's, into nncp-exec: the sender stands in the From line."""
    require("nncp-exec", "nncp-toss")
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    exec_argv = [require("nncp-exec"), "-quiet", "-cfg", str(a.nncp_path), "b", handle, BOB]
    assert _run(exec_argv, b"From alice@a.test Fri Nov 20 10:00:00 2026\n" + mail(1, ALICE, BOB)) == 0
    a.carry_to(b, place / "stick")
    assert _run([require("nncp-toss"), "-quiet", "-cfg", str(b.nncp_path)]) == 0
    (message,) = b.queue("--inbox")
    assert (message["sender"], message["recipients"][0]["recipient"]) == (ALICE, BOB)


def _run(argv: list[str], stdin: bytes = b"") -> int:
    done = subprocess.run(
        argv, input=stdin, check=False, timeout=120, env=clean_environ(), capture_output=True
    )
    return done.returncode
