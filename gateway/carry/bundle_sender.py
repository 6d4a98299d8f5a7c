"""Bundle, sending: packets from ``tx/`` into one tar stream, for a tape, a disc or a pipe.

Contract: the most urgent packets of a node go first. With deletion, packets are removed only after
the whole stream was handed over and synced as far as its receiver can. What can't be read before
its header is written is told and left out; a fault later ends the stream within that packet, which
every reader of ours tells. Memory: 32 bytes for each packet, if they are
to be removed.

Spec: NNCP manual, Bundles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gateway.carry.stick import read_pieces
from gateway.carry.urgency import Key, most_urgent_first
from gateway.errors import GatewayError, StoreCorrupt
from gateway.ids import ID_BYTES, NICE_MAX, NodeId, PacketId
from gateway.nodes import Node
from gateway.packet.bundle import encode_entry, padding
from gateway.spool.layout import Box
from gateway.spool.log import Log
from gateway.spool.progress import SILENT, Progress
from gateway.spool.sizes import ibytes
from gateway.spool.store import Job, Spool

Write = Callable[[bytes | memoryview], object]
Fields = list[tuple[str, str | int | bool]]


@dataclass(frozen=True, slots=True)
class SendSettings:
    """What to put into a bundle.

    Args:
        nice: packets whose niceness is above this are left alone.
        is_deleting: remove what was handed over.
    """

    nice: int = NICE_MAX
    is_deleting: bool = False


@dataclass(frozen=True, slots=True)
class BundleResult:
    """What became of the packets.

    Args:
        done_count: sent, received or confirmed.
        bad_count: errors.
    """

    done_count: int = 0
    bad_count: int = 0


class BundleSender:
    """Writes bundles.

    Args:
        own_id: who we are.
        spool: where our packets lie.
        log: gets one record for each packet.
        settings: what to send.
        progress: shows how far a packet is.
    """

    def __init__(
        self, own_id: NodeId, spool: Spool, log: Log, settings: SendSettings, progress: Progress = SILENT
    ) -> None:
        self._own_id = own_id
        self._spool = spool
        self._log = log
        self._settings = settings
        self._progress = progress
        self._done_count = self._bad_count = 0

    def run_once(self, nodes: Sequence[Node], write: Write, sync: Callable[[], object]) -> BundleResult:
        """Write one bundle with the packets for some nodes.

        Args:
            nodes: for whom.
            write: takes the stream.
            sync: makes what was written as durable as can be.

        Raises:
            GatewayError: the stream can't be written, or a packet can't be read to its end; nothing
                was removed.
        """
        self._done_count = self._bad_count = 0
        sent = [(node.id, self._send_all(node, write)) for node in {node.id: node for node in nodes}.values()]
        sync()
        for node_id, raw_ids in sent:
            for at in range(0, len(raw_ids), ID_BYTES):
                self._spool.discard(node_id, Box.TX, PacketId(bytes(raw_ids[at : at + ID_BYTES])))
        return BundleResult(self._done_count, self._bad_count)

    def _send_all(self, node: Node, write: Write) -> bytearray:
        """Write the packets for one node; returns the ids of those to be removed."""
        sent = bytearray()
        told: set[str] = set()

        def report(path: Path, error: GatewayError) -> None:
            # The directory may be listed several times.
            if path.name not in told:
                told.add(path.name)
                self._fail("job", [("XX", "tx"), ("Name", path.name)], error, f"Job tx/{path.name}")

        for job in most_urgent_first(lambda: self._spool.jobs(node.id, Box.TX, report), _key):
            if job.header.nice > self._settings.nice:
                continue
            if self._send(node, job, write) and self._settings.is_deleting:
                sent += job.packet.raw
        return sent

    def _send(self, node: Node, job: Job, write: Write) -> bool:
        """Write one packet; False if it can't even be opened."""
        fields: Fields = [("XX", "tx"), ("Node", node.id.text), ("Pkt", job.packet.text)]
        fields.append(("Size", job.size_bytes))
        message = f"Bundle transfer, sent to node {node.name} {job.packet} ({ibytes(job.size_bytes)})"
        pieces = read_pieces(job.path)
        try:
            first = next(pieces, memoryview(b""))
        except GatewayError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False  # Somebody else has sent it meanwhile.
            self._fail("bundle-tx", fields, error, message)
            return False
        write(encode_entry(node.id, self._own_id, job.packet, job.size_bytes))
        with self._progress.bar(f"sending {job.packet}", job.size_bytes) as bar:
            size_bytes = 0
            for piece in bar.follow(chain([first], pieces)):
                size_bytes += len(piece)
                if size_bytes <= job.size_bytes:
                    write(piece)
        if size_bytes != job.size_bytes:
            raise StoreCorrupt(f"{job.path} changed while it was read: the bundle is broken")
        write(padding(size_bytes))
        self._done_count += 1
        self._log.info("bundle-tx", fields, message)
        return True

    def _fail(self, who: str, fields: Fields, error: GatewayError, message: str) -> None:
        self._bad_count += 1
        self._log.error(who, fields, error, message)


def _key(job: Job) -> Key:
    return job.header.nice, job.size_bytes, job.path.name
