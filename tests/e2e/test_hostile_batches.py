"""Whole payloads that are wrong, as a neighbour may send them; docs/reference/hostile-input.md lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.gateways import GatewayNode, pair
from tests.support.peers import PROJECT
from tests.support.processes import wait_until

ALICE = "alice@a.test"
BATCH_ID = "0123456789abcdef0123456789abcdef"


def letter(
    recipient: str, content: bytes = b"Subject: x\r\n\r\nhello\r\n", sender: str = ALICE, *more: str
) -> bytes:
    """One message of a batch with CRLF line ends."""
    commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in (recipient, *more)), "DATA", ""]
    return "\r\n".join(commands).encode() + content + b".\r\n"


def greeting(number: int, count: int) -> bytes:
    """As our own batches begin."""
    return f"HELO {BATCH_ID[:-2]}{number:02x}.{count}.batch.nncp-gateway.invalid\r\n".encode()


@dataclass(frozen=True, slots=True)
class Case:
    """One payload.

    Args:
        name: as on the page.
        payload: of the packet.
        delivered: recipients who get their mail.
        dead: recipients of dead letters, with their status.
        is_quarantined: whether the payload is kept for a person.
        words: the handle and its arguments.
    """

    name: str
    payload: bytes
    delivered: Sequence[str] = ()
    dead: Sequence[tuple[str, str]] = ()
    is_quarantined: bool = False
    words: tuple[str, ...] = ("rsmtp",)


def among_three(name: str, number: int, middle: bytes, dead: tuple[str, str]) -> Case:
    """A message at fault between two good ones."""
    first, last = f"first{number}@b.test", f"last{number}@b.test"
    payload = letter(first) + middle + letter(last)
    # The bytes of the message at fault are in the quarantine alone.
    return Case(name, payload, (first, last), (dead,), is_quarantined=True)


SMUGGLED = b"Subject: x\r\n\r\nx\n.\r\n" + letter("smuggled@b.test")[:-3]
CASES = (
    Case(
        "a batch that ends within a message",
        letter("m1@b.test") + letter("m2@b.test")[:-8], is_quarantined=True,
    ),
    Case("a batch that ends within a command", letter("m3@b.test") + b"MAIL FROM:<", is_quarantined=True),
    Case(
        "a batch of ours without its last message, and without `QUIT`",
        greeting(1, 2) + letter("m4@b.test"), is_quarantined=True,
    ),
    Case(
        "a batch of ours that says 3 messages and has 2",
        greeting(2, 3) + letter("m5@b.test") * 2 + b"QUIT\r\n", is_quarantined=True,
    ),
    Case("bytes behind `QUIT`", letter("m6@b.test") + b"QUIT\r\nMAIL FROM:<>\r\n", is_quarantined=True),
    Case("an unknown command", letter("m7@b.test") + b"SEND x\r\n", is_quarantined=True),
    Case("nothing at all", b"", is_quarantined=True),
    Case(
        "a `sendmail` payload that does not name its sender",
        b"Subject: x\n\nx\n", is_quarantined=True, words=("sendmail", "m8@b.test"),
    ),
    Case(
        "a bad recipient between good ones",
        letter("m9@b.test", b"Subject: x\r\n\r\n", ALICE, "bad address@b.test", "m10@b.test"),
        ("m9@b.test", "m10@b.test"), (("bad address@b.test", "5.1.3"),),
    ),
    among_three(
        "a sender that is no address, in one of three messages", 1, letter("m11@b.test", sender="a b@c"),
        ("m11@b.test", "5.1.7"),
    ),
    among_three(
        "a bare LF in one of three messages", 2, letter("m12@b.test", b"Subject: x\r\n\r\na\nb\r\n"),
        ("m12@b.test", "5.6.0"),
    ),
    among_three(
        "NUL in one of three messages", 3, letter("m13@b.test", b"Subject: x\r\n\r\na\0b\r\n"),
        ("m13@b.test", "5.6.0"),
    ),
    among_three(
        "an end of data that is none, with a message behind it", 4, letter("m14@b.test", SMUGGLED),
        ("m14@b.test", "5.6.0"),
    ),
)  # fmt: skip


def test_a_payload_at_fault_costs_no_other_and_is_not_tried_for_ever(place: Path) -> None:
    """Each payload has the result that is stated; no packet is left but for the handle that nobody knows."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    for case in CASES:
        send(a, case.payload, *case.words)
    a.carry_to(b, place / "stick")
    b.run("toss")
    b.run("deliver")
    assert b.packets(a.id, "rx") == []
    rows = [row for message in b.queue("--all") for row in message["recipients"]]
    delivered = sorted(row["recipient"] for row in rows if row["state"] == "delivered")
    assert delivered == sorted(one for case in CASES for one in case.delivered)
    dead = sorted((row["recipient"], row["status"]) for row in rows if row["state"] == "dead")
    assert dead == sorted(one for case in CASES for one in case.dead)
    assert len(b.mails()) == len(delivered)
    kept = {path.read_bytes() for path in (b.home / "state/queue/quarantine").glob("*.batch")}
    assert kept == {case.payload for case in CASES if case.is_quarantined}


def test_a_packet_for_a_handle_that_is_not_configured_stays(place: Path) -> None:
    """It is not lost, and each toss says so; other packets go on."""
    a, b = GatewayNode(place / "a", "a.test"), GatewayNode(place / "b", "b.test")
    pair(a, b)
    send(a, b"x", "nobody")
    send(a, letter("bob@b.test"), "rsmtp")
    a.carry_to(b, place / "stick")
    for _ in range(2):
        done = b.run("toss", is_checked=False)
        assert done.status != 0
        assert "nobody" in done.err
    b.run("deliver")
    wait_until(lambda: len(b.mails()) == 1, 60, "the other packet")
    assert len(b.packets(a.id, "rx")) == 1


def test_the_page_has_a_row_for_each_payload() -> None:
    """What is tested is what is written down."""
    page = (PROJECT / "docs/reference/hostile-input.md").read_text()
    assert [case.name for case in CASES if f"\n| {case.name} | " not in page] == []


def send(node: GatewayNode, payload: bytes, *words: str) -> None:
    """Make a packet for the other node."""
    node.run("nncp", "exec", "-cfg", str(node.nncp_path), "-quiet", "b", *words, stdin=payload)
