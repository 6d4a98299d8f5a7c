"""Real mail programs hand mail to the SMTP endpoint."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.msgqueue.entry import Role
from tests.support.endpoint import Endpoint, Kept
from tests.support.exim import EximInstance
from tests.support.peers import require, swaks
from tests.support.postfix import PostfixInstance
from tests.support.processes import wait_until

MESSAGE = (
    b"From: alice@a.test\r\nTo: bob@b.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <interop@a.test>\r\n\r\n"
    b"one line\r\n.\r\n..dots\r\nFrom the start\r\n8-bit: \xc3\xa4\r\n"
)
SOURCE_COUNT = 300


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with Endpoint(tmp_path) as running:
        yield running


def _body_bytes(kept: Kept) -> int:
    """Size as smtp-source counts it: without the header, and without the last line end."""
    return len(kept.content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))


@pytest.mark.parametrize(
    "options", [(), ("--pipeline",), ("--protocol", "SMTP")], ids=["esmtp", "pipeline", "helo"]
)
def test_swaks_delivers(endpoint: Endpoint, options: tuple[str, ...]) -> None:
    """The client swaks hands in one message for several recipients, and its bytes are kept."""
    swaks(endpoint.port, "alice@a.test", ["bob@b.test", "carl@b.test"], MESSAGE, options=options)
    (kept,) = endpoint.kept(Role.OUTBOX)
    assert kept.content == MESSAGE
    assert kept.view.sender == "alice@a.test"
    assert kept.recipients == ("bob@b.test", "carl@b.test")


def test_swaks_null_sender(endpoint: Endpoint) -> None:
    """The null sender of a bounce arrives as the null sender."""
    swaks(endpoint.port, "", ["bob@b.test"], MESSAGE)
    assert endpoint.kept()[0].view.sender == ""


def test_swaks_is_refused(endpoint: Endpoint) -> None:
    """A recipient without a route is refused at RCPT, whoever asks."""
    dialogue = swaks(endpoint.port, "alice@a.test", ["x@elsewhere.test"], MESSAGE, is_checked=False)
    assert dialogue.returncode == 24
    assert "550 5.7.1 relay not permitted" in dialogue.text
    assert endpoint.kept() == []


@pytest.mark.parametrize("options", [("-d",), ()], ids=["kept connections", "a connection each"])
def test_smtp_source_delivers(endpoint: Endpoint, options: tuple[str, ...]) -> None:
    """Postfix's load generator delivers every message over twenty connections at a time."""
    program = require("smtp-source")
    to = f"127.0.0.1:{endpoint.port}"
    argv = [
        program,
        *options,
        "-s",
        "20",
        "-m",
        str(SOURCE_COUNT),
        "-l",
        "4096",
        "-f",
        "a@a.test",
        "-t",
        "b@b.test",
    ]
    subprocess.run([*argv, to], check=True, timeout=120)
    kept = endpoint.kept()
    assert len({each.view.id for each in kept}) == SOURCE_COUNT
    assert {_body_bytes(each) for each in kept} == {4096}


def test_smtp_source_with_large_messages(endpoint: Endpoint) -> None:
    """Large messages of several connections at a time arrive whole."""
    program = require("smtp-source")
    argv = [program, "-d", "-s", "3", "-m", "6", "-l", "5000000", "-f", "a@a.test", "-t", "b@b.test"]
    subprocess.run([*argv, f"127.0.0.1:{endpoint.port}"], check=True, timeout=120)
    assert [_body_bytes(each) for each in endpoint.kept()] == [5_000_000] * 6
    assert endpoint.server.inflight_bytes == 0


def test_postfix_relays_to_us(endpoint: Endpoint, place: Path) -> None:
    """Postfix relays a domain to us with envelope and bytes as it had them, and bounces what we refuse."""
    with PostfixInstance(place / "postfix", "a.test") as postfix:
        postfix.set("relay_domains = b.test here.test")
        for domain in ("b.test", "here.test"):
            postfix.add_transport(f"{domain} smtp:[127.0.0.1]:{endpoint.port}")
        swaks(postfix.port, "alice@a.test", ["bob@b.test", "eve@here.test", "never@b.test"], MESSAGE)
        swaks(postfix.port, "", ["bounced@b.test"], MESSAGE)
        wait_until(lambda: len(endpoint.kept()) >= 3, 60, "three messages", explain=postfix.log_text)
        (bounce,) = postfix.wait_for_messages(1)
    assert b"550 5.1.1 no such person" in bounce.read_bytes()
    by_recipient = {each.recipients: each for each in endpoint.kept()}
    assert set(by_recipient) == {("bob@b.test",), ("eve@here.test",), ("bounced@b.test",)}
    for each in by_recipient.values():
        assert each.content.startswith(b"Received: from ")
        assert each.content.endswith(MESSAGE)
        assert each.is_8bit
    assert by_recipient["bounced@b.test",].view.sender == ""
    assert by_recipient["bob@b.test",].view.sender == "alice@a.test"


def test_postfix_defers_while_the_reserve_is_touched(endpoint: Endpoint, place: Path) -> None:
    """While there is no room Postfix keeps the mail; it comes once there is room again."""
    endpoint.queue.reserve_bytes = 1 << 60
    with PostfixInstance(place / "postfix", "a.test") as postfix:
        postfix.set("relay_domains = b.test")
        postfix.add_transport(f"b.test smtp:[127.0.0.1]:{endpoint.port}")
        swaks(postfix.port, "alice@a.test", ["bob@b.test"], MESSAGE)
        wait_until(lambda: "452 4.3.1" in postfix.log_text(), 60, "452", explain=postfix.log_text)
        assert endpoint.kept() == []
        endpoint.queue.reserve_bytes = 0
        wait_until(endpoint.kept, 60, "the message", explain=postfix.log_text)
    assert [each.recipients for each in endpoint.kept()] == [("bob@b.test",)]


def test_exim_relays_to_us(endpoint: Endpoint, place: Path) -> None:
    """Exim's SMTP transport delivers one message with all its recipients, bytes unchanged."""
    routers = "to_us:\n  driver = manualroute\n  domains = b.test\n  route_list = * 127.0.0.1\n"
    routers += "  self = send\n  transport = to_us\n"
    transports = f"to_us:\n  driver = smtp\n  port = {endpoint.port}\n  allow_localhost\n"
    with EximInstance(place / "exim", "a.test", routers=routers, transports=transports) as exim:
        swaks(exim.port, "alice@a.test", ["bob@b.test", "carl@b.test"], MESSAGE)
        wait_until(endpoint.kept, 60, "the message", explain=exim.log_text)
    (kept,) = endpoint.kept()
    assert set(kept.recipients) == {"bob@b.test", "carl@b.test"}
    assert kept.content.endswith(MESSAGE)
