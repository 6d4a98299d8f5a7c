"""Real mail servers deliver into the LMTP endpoint, over a unix socket and over TCP."""

import grp
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.ingest.unix_socket import UnixSocket
from gateway.message.envelope import Envelope, Notify, RecipientOptions
from gateway.msgqueue.entry import Form
from gateway.msgqueue.outbox import Outbox
from tests.support.endpoint import Client, Kept, LmtpEndpoint
from tests.support.exim import EximInstance
from tests.support.peers import require_root, swaks
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until

MESSAGE = (
    b"From: alice@a.test\r\nTo: bob@b.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <interop@a.test>\r\n\r\n"
    b"one line\r\n.\r\n..dots\r\nFrom the start\r\n8-bit: \xc3\xa4\r\n"
)
WAYS = pytest.mark.parametrize("is_unix", [True, False], ids=["unix socket", "tcp"])


@contextmanager
def lmtp(place: Path, group: str, *, is_unix: bool, **settings: object) -> Iterator[LmtpEndpoint]:
    """An endpoint that a mail server of this group may use."""
    require_root()
    unix = UnixSocket(place / "lmtp", 0o660, group) if is_unix else None
    ways = {"unix": unix} if is_unix else {}
    with LmtpEndpoint(place / "gateway", **ways, **settings) as endpoint:
        yield endpoint


def postfix_group() -> str:
    return grp.getgrgid(pwd.getpwnam("postfix").pw_gid).gr_name


@contextmanager
def postfix_to(endpoint: LmtpEndpoint, place: Path) -> Iterator[PostfixInstance]:
    """A Postfix whose lmtp transport delivers b.test and here.test into the endpoint."""
    where = (
        f"unix:{endpoint.address}"
        if isinstance(endpoint.address, Path)
        else f"inet:127.0.0.1:{endpoint.address}"
    )
    postfix = PostfixInstance(place / "postfix", "a.test")
    postfix.set("relay_domains = b.test here.test")
    for domain in ("b.test", "here.test"):
        postfix.add_transport(f"{domain} lmtp:{where}")
    with postfix:
        yield postfix


def recipients_of(kept: list[Kept]) -> set[str]:
    return {recipient for each in kept for recipient in each.recipients}


@WAYS
def test_postfix_has_an_answer_for_each_recipient(place: Path, *, is_unix: bool) -> None:
    """One bad recipient bounces alone, and everybody else's copy is taken with its bytes and envelope."""
    with lmtp(place, postfix_group(), is_unix=is_unix) as endpoint, postfix_to(endpoint, place) as postfix:
        swaks(
            postfix.port,
            "alice@a.test",
            ["bob@b.test", "never@b.test", "carl@b.test", "eve@here.test"],
            MESSAGE,
        )
        swaks(postfix.port, "", ["bounced@b.test"], MESSAGE)
        (bounce,) = postfix.wait_for_messages(1)
        wait_until(lambda: not postfix.queued(), 60, "an empty queue", explain=postfix.log_text)
        kept = endpoint.kept()
    report = bounce.read_bytes()
    assert b"550 5.1.1 no such person" in report
    assert report.count(b"Final-Recipient:") == 1
    assert recipients_of(kept) == {"bob@b.test", "carl@b.test", "eve@here.test", "bounced@b.test"}
    assert sum(len(each.recipients) for each in kept) == 4
    assert all(each.content.endswith(MESSAGE) and each.is_8bit for each in kept)
    assert {each.view.sender for each in kept if "bounced@b.test" not in each.recipients} == {"alice@a.test"}
    assert {each.view.sender for each in kept if "bounced@b.test" in each.recipients} == {""}


def test_postfix_sends_many_recipients_and_two_names_of_one(place: Path) -> None:
    """Aliases that lead to one mailbox under two names do not put answers and recipients out of step."""
    with lmtp(place, postfix_group(), is_unix=True) as endpoint, postfix_to(endpoint, place) as postfix:
        postfix.set("virtual_alias_maps = inline:{{one@b.test=same@b.test}, {two@b.test=same@b.test}}")
        many = [f"user{number}@b.test" for number in range(120)]
        swaks(postfix.port, "alice@a.test", ["one@b.test", *many, "two@b.test"], MESSAGE)
        wait_until(lambda: not postfix.queued(), 60, "an empty queue", explain=postfix.log_text)
        assert postfix.messages() == []
        assert recipients_of(endpoint.kept()) == {*many, "same@b.test"}


def test_postfix_defers_while_the_disk_refuses(place: Path) -> None:
    """While there is no room Postfix keeps the mail for every recipient; each comes once afterwards."""
    with lmtp(place, postfix_group(), is_unix=True) as endpoint, postfix_to(endpoint, place) as postfix:
        endpoint.queue.reserve_bytes = 1 << 60
        swaks(postfix.port, "alice@a.test", ["bob@b.test", "carl@b.test"], MESSAGE)
        wait_until(lambda: "452 4.3.1" in postfix.log_text(), 60, "452", explain=postfix.log_text)
        assert endpoint.kept() == []
        endpoint.queue.reserve_bytes = 0
        wait_until(lambda: not postfix.queued(), 60, "an empty queue", explain=postfix.log_text)
        assert [each.recipients for each in endpoint.kept()] == [("bob@b.test", "carl@b.test")]


def test_postfix_passes_on_what_the_sender_asked_for(place: Path) -> None:
    """The parameters of RFC 3461 reach the queue through a real mail server."""
    with lmtp(place, postfix_group(), is_unix=True) as endpoint, postfix_to(endpoint, place) as postfix:
        with Client(postfix.port) as client:
            assert client.answer()[0] == 220
            client.command("EHLO client.test")
            assert client.command("MAIL FROM:<alice@a.test> RET=HDRS ENVID=q+2B1")[0] == 250
            assert (
                client.command("RCPT TO:<bob@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@x.test")[0] == 250
            )
            assert client.command("RCPT TO:<carl@b.test> NOTIFY=NEVER")[0] == 250
            assert client.command("DATA")[0] == 354
            assert client.content(b"Subject: x\r\n\r\n.\r\n")[0] == 250
        wait_until(lambda: len(recipients_of(endpoint.kept())) == 2, 60, "mail", explain=postfix.log_text)
        found: dict[str, Envelope] = {}
        lane = Outbox(endpoint.queue).lanes()[0].lane
        batch = Outbox(endpoint.queue).claim(
            lane, Form.GATEWAY, max_count=9, max_bytes=1 << 20, first_hop=lane.node
        )
        assert batch is not None
        for message in Outbox(endpoint.queue).messages_of(batch.id):
            found |= dict.fromkeys(message.envelope.recipients, message.envelope)
    bob, carl = (found[name].options_of(name) for name in ("bob@b.test", "carl@b.test"))
    assert bob == RecipientOptions(frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;Bob@x.test")
    assert carl.notify == {Notify.NEVER}
    assert {str(envelope.options.ret) for envelope in found.values()} == {"HDRS"}
    assert {envelope.options.envid for envelope in found.values()} == {"q+2B1"}


def test_postfix_in_its_chroot_finds_the_socket(place: Path) -> None:
    """A socket below Postfix's queue is reached by a client in the chroot, as Debian runs it."""
    require_root()
    with PostfixInstance(place / "postfix", "a.test") as postfix:
        directory = postfix.home / "queue" / "nncp-gateway"
        directory.mkdir(mode=0o750)
        shutil.chown(directory, group=postfix_group())
        unix = UnixSocket(directory / "lmtp", 0o660, postfix_group())
        with LmtpEndpoint(place / "gateway", listen=(), unix=unix) as endpoint:
            postfix.set("relay_domains = b.test")
            postfix.add_service("jailed unix - - y - - lmtp")
            postfix.add_transport("b.test jailed:unix:nncp-gateway/lmtp")
            swaks(postfix.port, "alice@a.test", ["bob@b.test"], MESSAGE)
            wait_until(endpoint.kept, 60, "the message", explain=postfix.log_text)


@WAYS
def test_exim_has_an_answer_for_each_recipient(place: Path, *, is_unix: bool) -> None:
    """Exim's lmtp transport delivers one message for several recipients; the bad one alone bounces."""
    group = grp.getgrgid(pwd.getpwnam("Debian-exim").pw_gid).gr_name
    with lmtp(place, group, is_unix=is_unix) as endpoint:
        routers = "to_us:\n  driver = accept\n  domains = b.test\n  transport = to_us\n"
        if is_unix:
            transports = f"to_us:\n  driver = lmtp\n  socket = {endpoint.address}\n  batch_max = 100\n"
        else:
            routers = "to_us:\n  driver = manualroute\n  domains = b.test\n  route_list = * 127.0.0.1\n"
            routers += "  self = send\n  transport = to_us\n"
            transports = f"to_us:\n  driver = smtp\n  protocol = lmtp\n  port = {endpoint.port}\n"
            transports += "  allow_localhost\n"
        exim = EximInstance(place / "exim", "a.test", routers=routers, transports=transports)
        with exim:
            swaks(exim.port, "alice@a.test", ["bob@b.test", "never@b.test", "carl@b.test"], MESSAGE)
            (bounce,) = exim.wait_for_messages(1)
            wait_until(
                lambda: recipients_of(endpoint.kept()) == {"bob@b.test", "carl@b.test"},
                60,
                "both",
                explain=exim.log_text,
            )
        (kept,) = endpoint.kept()
    assert b"no such person" in bounce.read_bytes()
    assert kept.view.sender == "alice@a.test"
    assert kept.content.endswith(MESSAGE)
    assert b" with LMTP id " in kept.received
