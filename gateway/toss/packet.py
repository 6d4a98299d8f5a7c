"""A received packet that was opened: who sent it, what it is, and what the log calls it.

Contract: what ``ReceivedPacket`` says of the sender is proven by the signature; what it says of the
content is provisional until a reading of it has ended. ``Failed`` carries an expected fault together
with the record that the log gets of it.
"""

from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.ids import NodeId
from gateway.nodes import Node
from gateway.packet.plain import PLAIN_HEADER_BYTES, PlainHeader
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES, SIZE_BYTES, TAG_BYTES, UNIT_BYTES, EncryptedHeader
from gateway.spool.sizes import ibytes
from gateway.spool.store import Job
from gateway.toss.opened import Readable, Reading

Fields = list[tuple[str, str | int | bool]]


class Failed(Exception):
    """A packet could not be tossed, and what the log says of that.

    Args:
        who: name of the event.
        fields: of the record.
        error: what went wrong.
        message: for a person.
    """

    def __init__(self, who: str, fields: Fields, error: GatewayError, message: str) -> None:
        super().__init__(message)
        self.who, self.fields, self.error, self.message = who, fields, error, message


@dataclass(frozen=True, slots=True)
class Tossed:
    """What a packet asked for is done; the packet may go.

    Args:
        fields: of the log's record.
        message: for a person.
        is_told: False where there is nothing to say, such as of a message that was here before.
    """

    fields: Fields
    message: str
    is_told: bool = True


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """An opened packet.

    Args:
        job: where it lies.
        kind: its type, by the name that the log gives it.
        sender: who signed it.
        header: the outer header.
        plain: the plain header.
        opened: gives another reading of it.
        first: the reading that was begun to learn all this.
        around: what records say before size and type; None: what they say of the job itself.
        author: of a message of an area, if we know it and so have checked its signature.
    """

    job: Job
    kind: str
    sender: Node
    header: EncryptedHeader
    plain: PlainHeader
    opened: Readable
    first: Reading
    around: Fields | None = None
    author: NodeId | None = None

    @property
    def size_bytes(self) -> int:
        """Size of the payload as NNCP logs it, padding included."""
        return payload_size_bytes(self.job.size_bytes)

    def fields(self, target: str | None = None) -> Fields:
        """What every record about the packet says of it.

        Args:
            target: where it goes; None: not known.
        """
        around = self.around
        if around is None:
            around = job_fields(self.job, self.sender.id, self.header.nice)
        fields: Fields = [*around, ("Size", self.size_bytes), ("Type", self.kind)]
        return fields if target is None else [*fields, ("Dst", target)]

    @property
    def short_name(self) -> str:
        """What messages call the packet, without its type."""
        return f"{self.sender.name}/{self.job.packet} ({ibytes(self.size_bytes)})"

    @property
    def name(self) -> str:
        """What messages call the packet."""
        return f"{self.kind} {self.short_name}"

    def failed(self, who: str, error: GatewayError, target: str | None = None, step: str = "") -> Failed:
        """A fault of this packet, with its record.

        Args:
            who: name of the event.
            error: what went wrong.
            target: where the packet goes; None: not known.
            step: what was being done.
        """
        message = ": ".join(filter(None, (f"Tossing {self.name}", target, step)))
        return Failed(who, self.fields(target), error, message)


def job_fields(job: Job, sender: NodeId, nice: int) -> Fields:
    """What every record about a packet says, opened or not."""
    return [("Node", sender.text), ("Pkt", job.packet.text), ("Nice", nice)]


def payload_size_bytes(file_size_bytes: int) -> int:
    """The payload of a packet as NNCP logs it: computed from the file's size, padding included."""
    body_bytes = file_size_bytes - ENCRYPTED_HEADER_BYTES
    tags_bytes = TAG_BYTES * -(-body_bytes // UNIT_BYTES)
    return max(0, body_bytes - tags_bytes - PLAIN_HEADER_BYTES - SIZE_BYTES)
