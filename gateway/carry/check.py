"""Check: whether packets in the spool still are what was written, and ``.nock`` files into packets.

    check   every packet of rx/ and tx/ must hash to its name
    nock    rx/PACKET.nock (whole, never hashed) ──hash fits its name──→ synced, rx/PACKET

Contract: a packet is never removed here, good or bad; a ``.nock`` file becomes a packet only after it
was verified and synced. Memory is flat.

Spec: NNCP manual, nncp-check.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.carry.stick import read_pieces
from gateway.errors import GatewayError, StoreCorrupt
from gateway.ids import NodeId
from gateway.nodes import Book, Node
from gateway.packet.mth import MerkleTreeHash
from gateway.packet.sealed import encode_header
from gateway.spool.layout import NOCK_SUFFIX, Box
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Progress
from gateway.spool.store import Job, Spool

BAD = "bad"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found.

    Args:
        good_count: packets that are whole.
        bad_count: packets that are not, or can't be read.
    """

    good_count: int = 0
    bad_count: int = 0


class Checker:
    """Verifies packets of a spool.

    Args:
        book: whose packets there may be.
        spool: where they lie.
        log: gets a record of what is bad, and of each ``.nock`` file that became a packet.
        progress: shows how far a packet is.
    """

    def __init__(self, book: Book, spool: Spool, log: Log, progress: Progress = SILENT) -> None:
        self._book = book
        self._spool = spool
        self._log = log
        self._progress = progress
        self._good_count = self._bad_count = 0

    def check(self, only: Collection[NodeId] | None = None) -> CheckResult:
        """Verify every packet.

        Args:
            only: the neighbours whose packets to verify; None: all.
        """
        self._good_count = self._bad_count = 0
        for node in self._nodes(only):
            for box in Box:
                self._visit(self._spool.jobs(node.id, box, self._reporter(node, box)), self._verify)
        return CheckResult(self._good_count, self._bad_count)

    def take_nocks(self, only: Collection[NodeId] | None = None) -> CheckResult:
        """Verify every ``.nock`` file, and turn the good ones into packets.

        Args:
            only: the neighbours whose files to verify; None: all.
        """
        self._good_count = self._bad_count = 0
        for node in self._nodes(only):
            self._visit(self._spool.nocks(node.id, self._reporter(node, Box.RX)), self._take)
        return CheckResult(self._good_count, self._bad_count)

    def _nodes(self, only: Collection[NodeId] | None) -> Iterator[Node]:
        return (node for node in self._book if only is None or node.id in only)

    def _visit(self, jobs: Iterator[Job], step: Callable[[Job], None]) -> None:
        try:
            for job in jobs:
                try:
                    step(job)
                except GatewayError as error:
                    # Tossed, sent or checked by somebody else meanwhile.
                    if job.path.exists():
                        self._fail(job.node, job.box, job.path, error)
                else:
                    self._good_count += 1
        except GatewayError as error:
            self._bad_count += 1
            self._log.error("checking", [], error, "Checking")

    def _verify(self, job: Job) -> None:
        """See that a packet hashes to its name.

        Raises:
            StoreCorrupt: it does not.
            StoreError: it can't be read.
        """
        tree = MerkleTreeHash()
        with self._progress.bar(f"checking {job.box}/{job.path.name}", job.size_bytes) as bar:
            for piece in bar.follow(read_pieces(job.path)):
                tree.update(piece)
        if tree.digest() != job.packet.raw:
            raise StoreCorrupt(BAD)

    def _take(self, job: Job) -> None:
        """Turn a ``.nock`` file into a packet.

        Raises:
            StoreCorrupt: it is not what its name says.
            StoreError: the disk refused.
        """
        self._verify(job)
        self._spool.disk.sync_file(job.path)
        header = encode_header(job.header)
        self._spool.commit(job.path, job.node, Box.RX, job.packet, header)

    def _reporter(self, node: Node, box: Box) -> Callable[[Path, GatewayError], None]:
        return lambda path, error: self._fail(node.id, box, path, error)

    def _fail(self, node: NodeId, box: Box, path: Path, error: GatewayError) -> None:
        self._bad_count += 1
        fields: list[tuple[str, str | int | bool]] = [
            ("XX", box.value),
            ("Node", node.text),
            ("Pkt", path.name.removesuffix(NOCK_SUFFIX)),
            ("FullSize", _size_bytes(path)),
        ]
        self._log.error("checking", fields, error, f"Checking: {node}/{box.value}/{path.name}")


def _size_bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
