"""Batches of ours in a real ``exim -bS``, and batches of Exim's ``use_bsmtp`` in our reader."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ids import BatchId
from gateway.message.bsmtp import (
    BatchReader,
    BatchWriter,
    MessageData,
    MessageEnd,
    MessageStart,
    check_envelope,
)
from gateway.message.envelope import Envelope
from tests.support.exim import EximInstance

BATCH_ID = BatchId(bytes(range(0xA0, 0xB0)))
MESSAGES = [
    (Envelope("alice@a.test", ("bob@b.test",)), b"Subject: plain\r\n\r\nhello\r\n"),
    (Envelope("", ("bob@b.test",)), b"Subject: null sender\r\n\r\n.\r\n..\r\n.x\r\nQUIT\r\n.\r\n"),
    (
        Envelope("-oQ@a.test", ("-bp@b.test", '"two words"@b.test', "postmaster@b.test"), is_8bit=True),
        b"Subject: odd addresses\r\n\r\nFrom here\r\n\xff\xfe" + b"x" * 3000 + b"\r\n\r\n",
    ),
    (
        Envelope("a" * 100 + "@a.test", tuple(f"user{number}@b.test" for number in range(120))),
        b"Subject: many\r\n\r\n" + b"line\r\n" * 5000,
    ),
    (Envelope("é@a.test", ("é@b.test",), is_smtputf8=True), b"Subject: utf8\r\n\r\n"),
]

ROUTER = """
far:
  driver = manualroute
  domains = far.test
  transport = batch
  route_list = far.test node
"""
TRANSPORT = """
batch:
  driver = pipe
  batch_max = 100
  use_bsmtp
  command = /usr/bin/tee -a {directory}/batch
  {options}
"""


def stock_batch() -> Iterator[bytes]:
    writer = BatchWriter()
    yield writer.start(BATCH_ID, len(MESSAGES))
    for envelope, content in MESSAGES:
        check_envelope(envelope, is_esmtp=False)
        yield from writer.message(envelope, [content])
    yield writer.end()


def field(message: bytes, name: bytes) -> bytes:
    """A field that Exim's delivery put in front."""
    line = next(line for line in message.split(b"\n") if line.startswith(name + b": "))
    return line.partition(b": ")[2]


def test_exim_takes_a_stock_batch_with_its_id_and_stores_every_message(place: Path) -> None:
    """A peer that runs exim -bS as its handle takes our batch, id and all, byte for byte."""
    exim = EximInstance(place / "x", "mx.b.test", ["b.test"])
    done = exim.run("-odi", "-bS", stdin=b"".join(stock_batch()))
    assert done.returncode == 0, done.stdout
    assert done.stdout == b""
    stored: dict[bytes, list[bytes]] = {}
    for path in exim.messages():
        message = path.read_bytes()
        stored.setdefault(field(message, b"Subject"), []).append(message)
    for envelope, content in MESSAGES:
        header, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
        copies = stored.pop(header.removeprefix(b"Subject: "))
        assert {field(copy, b"Return-path") for copy in copies} == {f"<{envelope.sender}>".encode()}
        recipients = b", ".join(field(copy, b"Envelope-to") for copy in copies).decode()
        assert sorted(recipients.split(", ")) == sorted(envelope.recipients)
        assert {copy.partition(b"\n\n")[2] for copy in copies} == {body}
    assert not stored


@pytest.mark.parametrize("address", ["x@[127.0.0.1]", "x@bücher.example", "x@under_score.test"])
def test_exim_still_refuses_what_we_keep_out_of_stock_batches(place: Path, address: str) -> None:
    """The addresses that check_envelope refuses do stop exim -bS: the rule is not stricter than the peer."""
    exim = EximInstance(place / "x", "mx.b.test", ["b.test"])
    batch = f"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<{address}>\r\nDATA\r\n.\r\nQUIT\r\n"
    assert exim.run("-bS", stdin=batch.encode(), is_checked=False).returncode != 0


def test_exim_stops_at_esmtp_parameters(place: Path) -> None:
    """The form for gateways is not for stock peers: exim -bS drops a batch at the first parameter."""
    exim = EximInstance(place / "x", "mx.b.test", ["b.test"])
    writer = BatchWriter(is_esmtp=True)
    body = writer.start(BATCH_ID, 1)
    envelope = Envelope("alice@a.test", ("bob@b.test",), is_8bit=True)
    body += b"".join(writer.message(envelope, [b"Subject: x\r\n\r\n"])) + writer.end()
    assert exim.run("-bS", stdin=body, is_checked=False).returncode == 2
    assert exim.messages() == []


@pytest.mark.parametrize(
    "options",
    ["", "message_prefix = HELO mx.a.test\\n", "use_crlf", "use_crlf\n  message_prefix = HELO mx.a.test\\n"],
    ids=["lf", "greeting", "crlf", "crlf-after-lf-greeting"],
)
def test_batches_that_exim_writes_are_read(place: Path, options: str) -> None:
    """A peer whose Exim writes use_bsmtp into nncp-exec is understood, whatever its line ends."""
    home = place / "x"
    spool = home / "spool"
    exim = EximInstance(
        home, "mx.a.test", routers=ROUTER, transports=TRANSPORT.format(directory=spool, options=options)
    )
    recipients = [f"user{number}@far.test" for number in range(150)]
    content = b"Subject: x\n\n.\n..\n.x\nhello \xff\n"
    exim.run("-odi", "-i", "-f", "alice@a.test", *recipients, stdin=content)
    exim.run("-odi", "-i", "-f", "<>", '"two words"@far.test', stdin=content)
    reader = BatchReader()
    events = reader.feed((spool / "batch").read_bytes())
    reader.finish()
    starts = [event.envelope for event in events if isinstance(event, MessageStart)]
    assert [envelope.sender for envelope in starts] == ["alice@a.test", "alice@a.test", ""]
    # Exim puts the recipients of one message in batches of batch_max.
    assert sorted(address for envelope in starts[:2] for address in envelope.recipients) == sorted(recipients)
    assert starts[2].recipients == ('"two words"@far.test',)
    bodies = [event.data.partition(b"\r\n\r\n") for event in events if isinstance(event, MessageData)]
    assert {body for _, _, body in bodies} == {content.partition(b"\n\n")[2].replace(b"\n", b"\r\n")}
    assert sum(isinstance(event, MessageEnd) for event in events) == reader.message_count == 3
    assert (reader.batch_id, reader.expected_count) == (None, None)
