"""Exim hands mail on to us while it comes, as the kit's ``acl_rcpt.sample`` has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.endpoint import Endpoint
from tests.support.exim import EximInstance
from tests.support.peers import PROJECT, swaks
from tests.support.processes import wait_until

MESSAGE = (
    b"From: alice@a.test\r\nTo: bob@b.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\nMessage-ID: <interop@a.test>\r\n\r\n"
    b"one line\r\n.\r\n..dots\r\nFrom the start\r\n8-bit: \xc3\xa4\r\n"
)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with Endpoint(tmp_path) as running:
        yield running


@pytest.fixture
def exim(endpoint: Endpoint, place: Path) -> Iterator[EximInstance]:
    """An Exim with our samples."""
    kit = PROJECT / "exim"
    transports = (kit / "transport_smtp.sample").read_text().replace("2525", str(endpoint.port))
    with EximInstance(
        place / "exim",
        "a.test",
        routers=(kit / "router_smtp.sample").read_text(),
        transports=transports,
        acl=(kit / "acl_rcpt.sample").read_text(),
    ) as running:
        yield running


def test_it_is_in_our_queue_before_the_client_has_its_answer(endpoint: Endpoint, exim: EximInstance) -> None:
    """Exim says 250 once we did, for all recipients at once, and queues nothing itself."""
    swaks(exim.port, "alice@a.test", ["bob@b.test", "carl@b.test"], MESSAGE)
    (kept,) = endpoint.kept()
    assert set(kept.recipients) == {"bob@b.test", "carl@b.test"}
    assert kept.view.sender == "alice@a.test"
    assert kept.content.endswith(MESSAGE)
    assert " >> bob@b.test " in exim.log_text()
    assert exim.run("-bpc").stdout.strip() == b"0"


def test_whom_we_refuse_is_refused_to_the_client(endpoint: Endpoint, exim: EximInstance) -> None:
    """A recipient we do not know is refused at RCPT, without a bounce; the others have their mail."""
    recipients = ["bob@b.test", "never@b.test", "carl@b.test"]
    dialogue = swaks(exim.port, "alice@a.test", recipients, MESSAGE, is_checked=False)
    assert dialogue.text.count("<** 550 ") == 1
    wait_until(endpoint.kept, 60, "the message", explain=exim.log_text)
    (kept,) = endpoint.kept()
    assert set(kept.recipients) == {"bob@b.test", "carl@b.test"}
    wait_until(lambda: exim.run("-bpc").stdout.strip() == b"0", 60, "an empty queue", explain=exim.log_text)
    assert exim.messages() == []


def test_what_we_can_not_take_now_waits_in_exims_queue(endpoint: Endpoint, exim: EximInstance) -> None:
    """While there is no room here the client's mail is taken all the same, and comes later."""
    endpoint.queue.reserve_bytes = 1 << 60
    swaks(exim.port, "alice@a.test", ["bob@b.test"], MESSAGE)
    wait_until(lambda: "452 4.3.1" in exim.log_text(), 60, "452", explain=exim.log_text)
    assert endpoint.kept() == []
    endpoint.queue.reserve_bytes = 0
    wait_until(endpoint.kept, 60, "the message", explain=exim.log_text)
    (kept,) = endpoint.kept()
    assert kept.recipients == ("bob@b.test",)
    assert kept.content.endswith(MESSAGE)
