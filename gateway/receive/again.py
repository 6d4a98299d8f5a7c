"""What a person does with payloads in the quarantine: list, take in again, drop.

Contract: a payload is removed only after what is in it is in the queue, on disk. If the program ends between
the two, it can be taken in once more, which changes nothing if it is a batch with an id or came in a known
packet. A payload of which the other messages were taken when it came is never taken in again.
"""

import ast
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.batch.choices import Choices
from gateway.durable import Disk, store_errors
from gateway.errors import BadIdentifier, GatewayError, StoreError
from gateway.ids import NodeId, PacketId
from gateway.msgqueue.decisions import Admit, Ending, Standing
from gateway.msgqueue.entry import Lane, Outcome, Verdict
from gateway.msgqueue.payload import READ_BYTES
from gateway.msgqueue.store import Queue
from gateway.msgqueue.views import is_mentioned
from gateway.receive.admission import Admission, Arrival, FindWay, House
from gateway.receive.quarantine import DIRECTORY_NAME, Source, id_of
from gateway.receive.receiver import Receipt, ReceiveSettings
from gateway.routing.rights import Rights
from gateway.routing.table import Refusal
from gateway.routing.urgency import Urgency

LOCK = "quarantine"
BATCH_SUFFIX = ".batch"
RECORD_SUFFIX = ".txt"
_ID = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True, slots=True)
class KeptPayload:
    """A payload in the quarantine.

    Args:
        id: names its two files.
        path: of the payload.
        fields: of the record, by name; without any where the record is missing.
        source: where it came from, or None: the record does not say.
    """

    id: str
    path: Path
    fields: dict[str, str]
    source: Source | None


@dataclass(frozen=True, slots=True)
class KeptResult:
    """What became of a payload.

    Args:
        id: its name.
        ending: whether anything was done.
        text: for people.
    """

    id: str
    ending: Ending
    text: str


Receive = Callable[[Source, Iterator[bytes]], Receipt]


def make_refuse_again(settings: ReceiveSettings, find_way: FindWay) -> Admit:
    """Make what asks again whether a dead letter is taken, and where it would go, if it came now.

    Args:
        settings: what is taken of neighbours.
        find_way: where mail for an address goes.
    """
    house = House(settings.local_domains, settings.max_hops, settings.max_own_hops, find_way)

    def refuse_again(standing: Standing) -> Lane | Outcome | None:
        if not standing.origin_node:
            match find_way(standing.recipient):
                case Choices() as choices:
                    return choices.lane(Urgency.NORMAL, standing.size_bytes)
                case Refusal() as refusal:
                    return Outcome(Verdict.REFUSED, refusal.status, refusal.text)
            return None
        node = NodeId.parse(standing.origin_node)
        is_relayed = node not in settings.areas
        admission = Admission(house, node, settings.rights.get(node, Rights()), is_relayed)
        arrival = Arrival(standing.sender, standing.size_bytes)
        (target,) = admission.targets(arrival, (standing.recipient,))
        return target.refusal if target.node is None else Lane(target.node, target.nice)

    return refuse_again


class KeptPayloads:
    """The quarantine of a queue, for people.

    Args:
        queue: the open queue.
        disk: how files are removed.
    """

    def __init__(self, queue: Queue, disk: Disk) -> None:
        self._queue = queue
        self._disk = disk
        self._directory = queue.directory / DIRECTORY_NAME

    def list(self) -> list[KeptPayload]:
        """Everything that is kept, the oldest first.

        Raises:
            StoreError: the directory can't be read.
        """
        with store_errors(self._directory, "look into"):
            if not self._directory.is_dir():
                return []
            found = [path for path in self._directory.glob(f"*{BATCH_SUFFIX}") if _ID.fullmatch(path.stem)]
            paths = sorted(found, key=lambda path: (path.stat().st_mtime, path.name))
        return [_read(path) for path in paths]

    def sweep(self) -> None:
        """Remove records whose payload is gone: a program ended while it removed both.

        Raises:
            StoreError: the disk refused.
        """
        with self._queue.lock(LOCK), store_errors(self._directory, "look into"):
            for record in self._directory.glob(f"*{RECORD_SUFFIX}"):
                if _ID.fullmatch(record.stem) and not record.with_suffix(BATCH_SUFFIX).exists():
                    self._disk.remove(record)

    def replay(self, kept: KeptPayload, receive: Receive) -> KeptResult:
        """Take a payload in again, as if its packet had just come, and remove it.

        Args:
            kept: which.
            receive: takes it in.

        Raises:
            StoreError: the disk or the queue refused; nothing is lost.
        """
        with self._queue.lock(LOCK):
            why = self._why_not(kept)
            if why is not None or kept.source is None:
                return KeptResult(kept.id, Ending.IMPOSSIBLE, why or "nothing is known of where it came from")
            try:
                receipt = receive(kept.source, _chunks(kept.path))
            except StoreError:
                raise
            except GatewayError as error:
                return KeptResult(kept.id, Ending.IMPOSSIBLE, f"still not: {error.status} {error}")
            if receipt.quarantine_id is not None:
                taken = (
                    f"{receipt.message_count} messages are in the queue"
                    if receipt.message_count
                    else "still not"
                )
                why = _read(kept.path).fields.get("Why", "it can't be read")
                return KeptResult(kept.id, Ending.IMPOSSIBLE, f"{taken}: {why}")
            self._remove(kept.id)
        text = "it had been received by another way" if receipt.is_duplicate else _count_text(receipt)
        return KeptResult(kept.id, Ending.DONE, text)

    def drop(self, kept: KeptPayload) -> KeptResult:
        """Remove a payload and its record.

        Raises:
            StoreError: the disk refused.
        """
        with self._queue.lock(LOCK):
            self._remove(kept.id)
        return KeptResult(kept.id, Ending.DONE, "dropped")

    def _why_not(self, kept: KeptPayload) -> str | None:
        if kept.source is None:
            return "its record is missing or can't be read: it is not known where it came from"
        if is_mentioned(self._queue, kept.id):
            return "the other messages of it were taken when it came; of those refused the senders were told"
        digest = hashlib.blake2b(digest_size=32)
        for chunk in _chunks(kept.path):
            digest.update(chunk)
        if id_of(digest.digest(), kept.source) != kept.id:
            return "it is not what was kept under this name: payload or record was changed"
        return None

    def _remove(self, payload_id: str) -> None:
        # The payload goes first: one without a record could not be taken in again.
        for suffix in (BATCH_SUFFIX, RECORD_SUFFIX):
            path = self._directory / f"{payload_id}{suffix}"
            if path.exists():
                self._disk.remove(path)


def _read(path: Path) -> KeptPayload:
    record = path.with_suffix(RECORD_SUFFIX)
    with store_errors(record, "read"):
        text = record.read_text("utf-8", "replace") if record.exists() else ""
    pairs = [line.partition(": ") for line in text.splitlines()]
    fields = {name: value for name, colon, value in pairs if colon}
    return KeptPayload(path.stem, path, fields, _source(fields))


def _source(fields: dict[str, str]) -> Source | None:
    try:
        return Source(
            sender=NodeId.parse(fields["Node-Id"]),
            sender_name=fields["Node"],
            packet=PacketId.parse(fields["Packet"]) if "Packet" in fields else None,
            handle=fields["Handle"],
            author=NodeId.parse(fields["Author-Id"]) if "Author-Id" in fields else None,
            args=tuple(
                str(ast.literal_eval(word)).encode("utf-8")
                for word in _WORD.findall(fields.get("Arguments", ""))
            ),
        )
    except (BadIdentifier, KeyError, ValueError, SyntaxError):
        return None


def _chunks(path: Path) -> Iterator[bytes]:
    with store_errors(path, "read"), path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk


def _count_text(receipt: Receipt) -> str:
    dead = f", {receipt.dead_count} recipients of them refused" if receipt.dead_count else ""
    return f"{receipt.message_count} messages are in the queue{dead}"
