"""The program is stopped before every single step of a flush for a carrier."""

from collections import Counter
from pathlib import Path

from gateway.batch.batcher import Batcher
from gateway.batch.flusher import Flusher
from gateway.batch.policy import BatchSettings, LanePolicy
from gateway.durable import Disk
from gateway.msgqueue.entry import Form
from gateway.msgqueue.store import Queue
from gateway.nodes import Book
from gateway.spool.store import Spool
from tests.support.crash import run_until_step
from tests.support.messages import new_message
from tests.support.nodes import make_books, make_spool, payloads_for

STEP_LIMIT = 200
MESSAGE_COUNT = 3
INTERVAL_SECONDS = 3600.0
"""The second flush comes within it: what the first had asked for must not be put off by that."""


class Journey:
    """Node a with mail for b."""

    def __init__(self, directory: Path, books: dict[str, Book]) -> None:
        self.directory = directory
        self.books = books
        self.b = books["b"].self_node.id
        make_spool(directory / "spool")
        with Queue(directory / "a", Disk(is_syncing=False)) as queue:
            for number in range(MESSAGE_COUNT):
                body = f"Subject: number {number}\r\n\r\nhello\r\n".encode()
                queue.put(new_message(node=self.b, body=body)).result()

    def flush(self, disk: Disk) -> None:
        with Queue(self.directory / "a", disk) as queue:
            spool = Spool(self.directory / "spool", disk)
            settings = BatchSettings(default=LanePolicy(form=Form.BSMTP, level=1, max_age_seconds=1e6))
            book = self.books["a"]
            batcher = Batcher(queue, book, spool, settings)
            Flusher(queue, book, batcher, INTERVAL_SECONDS).flush_now(self.b)

    def packed(self) -> Counter[bytes]:
        """How often each message is in a packet that a carrier can take."""
        spool = Spool(self.directory / "spool", Disk(is_syncing=False))
        payloads = [payload for _, payload in payloads_for(spool, self.b, self.books["b"])]
        return Counter(
            line for payload in payloads for line in payload.split(b"\r\n") if line.startswith(b"Subject: ")
        )


def test_a_stop_at_any_step_leaves_every_message_in_exactly_one_packet_after_the_next_flush(
    tmp_path: Path,
) -> None:
    """Whenever the program ends, the carrier that comes next has everything, once."""
    books = make_books("a", "b")
    expected = {b"Subject: number %d" % number: 1 for number in range(MESSAGE_COUNT)}
    for step in range(STEP_LIMIT):
        journey = Journey(tmp_path / str(step), books)
        was_stopped, steps = run_until_step(step, journey.flush)
        journey.flush(Disk(is_syncing=False))
        assert journey.packed() == expected, f"stopped before step {step}, after {steps[-1:]}"
        if not was_stopped:
            break
    else:
        raise AssertionError("the program never came to its end")
    assert step > 10
