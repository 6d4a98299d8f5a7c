"""A neighbour that tries everything reaches nobody but those it may write to, and makes nobody hear of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.durable import Disk
from gateway.ids import PacketId
from gateway.msgqueue.entry import State
from gateway.msgqueue.outbox import Outbox
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import list_messages
from gateway.receive.receiver import RMAIL, RSMTP, SENDMAIL
from gateway.routing.rights import Addresses, Rights
from tests.support.hub import hub, through

BODY = b"Subject: x\r\n\r\nhello\r\n"
TRICKS = (
    "carol@c.test",
    "x@world.test",
    "carol%c.test@b.test",
    "c.test!carol@b.test",
    '"carol@c.test"@b.test',
    "carol@c.test@b.test",
    "@b.test:carol@c.test",
    "carol@b.test.",
    "carol@sub.b.test",
    "carol@b.test.c.test",
    "carol@[127.0.0.1]",
    "carol@localhost",
    "carol",
    "-t@b.test\n",
    "carol@c.test\0bob@b.test",
    "bob@b.test,carol@c.test",
    "bob@b.test carol@c.test",
    "<carol@c.test>",
    "carol@b\N{FULLWIDTH FULL STOP}test",
    "carol@B.TEST\N{ZERO WIDTH SPACE}",
    "|/bin/sh",
    "/etc/passwd",
    ":include:/etc/passwd",
    "",
)
SENDERS = ("alice@a.test", "", "root@b.test", "carol@c.test", "postmaster@b.test", "mailer-daemon@b.test")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with Queue(tmp_path, Disk(is_syncing=False)) as opened:
        yield opened


def payload(handle: str, sender: str, recipients: tuple[str, ...]) -> bytes:
    """A message as a neighbour would write it who cares for no rule."""
    if handle == SENDMAIL:
        return f"Return-Path: <{sender}>\n".encode() + BODY
    if handle == RMAIL:
        return f"From {sender or 'MAILER-DAEMON'} Fri Nov 20 10:00:00 2026\n".encode() + BODY
    commands = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
    return f"MAIL FROM:<{sender}>\r\n{commands}DATA\r\n".encode() + BODY + b".\r\nQUIT\r\n"


def reached(queue: Queue) -> set[tuple[str, str]]:
    """Whom mail waits for, and at which node."""
    views = list_messages(queue, states=(State.QUEUED,))
    waiting = (each for view in views for each in view.deliveries if each.state is State.QUEUED)
    return {(each.recipient.lower(), each.node) for each in waiting}


@pytest.mark.parametrize("handle", [RSMTP, SENDMAIL, RMAIL])
def test_no_spelling_of_an_address_leads_out_of_here(queue: Queue, handle: str) -> None:
    """Alone or beside good ones, by any handle and as any sender, a trick is a dead letter or a record."""
    number = 0
    for trick in TRICKS:
        for sender in SENDERS:
            recipients = ("bob@b.test", trick, "BOB@B.TEST", "postmaster")
            args = () if handle == RSMTP else tuple(each.encode() for each in recipients)
            number += 1
            packet = PacketId(number.to_bytes(32, "big"))
            through(
                hub(queue, Rights()),
                payload(handle, sender, recipients),
                handle=handle,
                args=args,
                packet=packet,
            )
    found = reached(queue)
    assert found >= {("bob@b.test", ""), ("postmaster@b.test", "")}
    outside = {(recipient, node) for recipient, node in found if node or not recipient.endswith("@b.test")}
    assert outside == set()
    assert not any(set("%!@") & set(recipient.removesuffix("@b.test")) for recipient, _ in found)
    assert Outbox(queue).lanes() == []


def test_a_claim_of_another_sender_opens_nothing(queue: Queue) -> None:
    """What the header says of its way, or the envelope of its sender, gives no right to anybody."""
    forged = b"Received: from c by mx.b.test with NNCP id 1\r\n\t(NNCP node AAAA); x\r\nX-Hub: c\r\n" + BODY
    rights = Rights(senders=Addresses(("a.test",)), relay_to=Addresses(("c.test",)))
    for number, sender in enumerate(SENDERS):
        content = payload(RSMTP, sender, ("carol@c.test", "bob@b.test")).replace(BODY, forged)
        through(hub(queue, rights), content, packet=PacketId(bytes([number + 1] * 32)))
    assert {view.sender for view in list_messages(queue, states=(State.QUEUED,))} == {"alice@a.test", ""}
    dead = [each for view in list_messages(queue, states=(State.DEAD,)) for each in view.deliveries]
    assert {each.status for each in dead} == {"5.1.8"}
