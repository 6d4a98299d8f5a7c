"""Batches for costly links, opened by Go NNCP: high levels, and windows of every size that it takes."""

import random
from pathlib import Path

import pytest
import zstandard

from gateway.batch.batcher import Batcher
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.config.nncp import load_nncp_config
from gateway.durable import Disk
from gateway.ids import NodeId
from gateway.message.bsmtp import BatchReader, MessageData, MessageStart
from gateway.msgqueue.entry import Form
from gateway.msgqueue.store import Queue
from gateway.nodes import Book
from gateway.packet.plain import PacketType, PlainHeader, encode_exec_path
from gateway.spool.store import Spool
from gateway.tx.compression import SMALL_BODY_BYTES, compress
from gateway.tx.posting import post_to
from gateway.tx.sealing import Outside, Route
from tests.support.both_nncp import Recorder, carry
from tests.support.gonncp import GoMesh
from tests.support.messages import new_message
from tests.support.peers import require

MAIL_COUNT = 60
COSTLY = LanePolicy(form=Form.GATEWAY, max_bytes=1 << 26, level=19, window_log=24)
STREAMED_BYTES = 2 * SMALL_BODY_BYTES
TOO_LARGE_LOG = 30


class Link:
    """A node that we act for, and a Go node that records what its handle rsmtp is given."""

    def __init__(self, place: Path) -> None:
        self.mesh = GoMesh(place / "mesh", ["a", "b"])
        self.recorded = Recorder(place / "recorded")
        self.mesh.set_exec("b", "a", "rsmtp", self.recorded.argv)
        config = load_nncp_config(self.mesh["a"].config_path, {})
        self.book: Book = config.book
        self.spool = Spool(config.spool, Disk(is_syncing=False))

    def post_frame(self, frame: bytes) -> None:
        """Send a body that is compressed already."""
        post = post_to(self.spool, self.book.private_keys(), Route(self.book.find("b")))
        post(Outside(96), PlainHeader(PacketType.EXEC, 96, encode_exec_path(b"rsmtp", ())), [frame])

    def toss(self, *, is_checked: bool = True) -> int:
        """Bring the packets over and let Go open them; returns its exit status."""
        carry(self.mesh, "a", "b")
        return self.mesh["b"].toss(check=is_checked).returncode


@pytest.fixture
def link(place: Path) -> Link:
    require("nncp-toss", "nncp-xfer")
    return Link(place)


def mails() -> list[bytes]:
    """Mails that have much in common, some of it far apart."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(500)]
    found = []
    for number in range(MAIL_COUNT):
        body = "\r\n".join(" ".join(chance.choices(words, k=10)) for _ in range(chance.randint(10, 200)))
        head = f"From: alice@a.test\r\nSubject: {number}\r\nMessage-ID: <{number}@a.test>\r\n\r\n"
        found.append(f"{head}.dot\r\n{body}\r\n".encode())
    return found


def test_go_opens_a_batch_made_for_a_costly_link(link: Link, tmp_path: Path) -> None:
    """Level 19 and one window over the whole batch: a stock node hands its handle every mail, unchanged."""
    sent = mails()
    with Queue(tmp_path / "queue", Disk(is_syncing=False)) as queue:
        for body in sent:
            message = new_message(node=NodeId.parse(link.mesh["b"].id), body=body)
            queue.put(message).result()
        made = Batcher(queue, link.book, link.spool, BatchSettings(default=COSTLY)).run_once(is_flush=True)
    assert (made.packet_count, made.message_count) == (1, MAIL_COUNT)
    [packet] = link.mesh["a"].packets("tx", link.mesh["b"].id)
    assert packet.stat().st_size < sum(map(len, sent)) / 2
    link.toss()
    assert sorted(read_batch(link.recorded.only().body)) == sorted(sent)


@pytest.mark.parametrize("window_log", [10, 19, 24, 27, 29])
def test_go_takes_every_window_that_may_be_configured(link: Link, window_log: int) -> None:
    """The configuration allows windows of 2^10 to 2^29 bytes, and a stock node opens all of them."""
    body = random.Random(2).randbytes(SMALL_BODY_BYTES) * 2 + b"end"
    frame = b"".join(compress((body[at : at + 50_000] for at in range(0, len(body), 50_000)), 3, window_log))
    assert zstandard.get_frame_parameters(frame).window_size == 1 << window_log
    link.post_frame(frame)
    link.toss()
    assert link.recorded.only().body == body


def test_go_refuses_a_larger_window(link: Link) -> None:
    """Why the configuration ends at 2^29: a stock node keeps such a packet, and retries it for ever."""
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=TOO_LARGE_LOG)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    link.post_frame(stream.compress(bytes(STREAMED_BYTES)) + stream.flush())
    assert link.toss(is_checked=False) != 0
    assert all(ran.body == b"" for ran in link.recorded.runs())


def read_batch(body: bytes) -> list[bytes]:
    """The contents of a batch that is whole."""
    reader = BatchReader()
    found: list[bytes] = []
    for event in reader.feed(body):
        if isinstance(event, MessageStart):
            found.append(b"")
        elif isinstance(event, MessageData):
            found[-1] += event.data
    reader.finish()
    return found
