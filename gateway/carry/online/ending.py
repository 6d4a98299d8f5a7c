"""How a session ended, as a value and for the log."""

from dataclasses import dataclass

from gateway.link.events import Ended, EndReason
from gateway.nodes import Node
from gateway.spool.link_record import Role
from gateway.spool.log import Log
from gateway.spool.sizes import ibytes

MINUTE_SECONDS = 60

_FAULTS = {
    EndReason.PROTOCOL_FAULT: "sp-process",
    EndReason.BAD_HANDSHAKE: "sp-start",
    EndReason.STALLED: "sp-stalled",
    EndReason.SILENCE: "sp-silence",
    EndReason.CUT: "sp-cut",
    EndReason.REFUSED: "sp-refused",
}
"""The events that an unclean end is logged as."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of a session.

    Args:
        ended: why it ended.
        is_established: whether the neighbour was met at all.
        is_complete: whether all that either side asked for went through.
        seconds: how long it took.
        received_bytes: on the wire.
        sent_bytes: on the wire.
    """

    ended: Ended
    is_established: bool
    is_complete: bool
    seconds: float
    received_bytes: int
    sent_bytes: int

    @property
    def fault(self) -> str:
        """What went wrong; "": nothing."""
        return "" if self.ended.is_clean else self.ended.text


def record_failure(journal: Log, node: Node, address: str, text: str) -> None:
    """A neighbour was not met at an address, or (empty) nowhere."""
    fields: list[tuple[str, str | int | bool]] = [("Node", node.id.text)]
    where = f" ({address})" if address else ""
    if address:
        fields.append(("Addr", address))
    journal.error("calling", fields, text, f"Calling {node.name}{where}")


def record_start(journal: Log, node: Node, role: Role, address: str) -> None:
    """A neighbour was met."""
    fields: list[tuple[str, str | int | bool]] = [("Node", node.id.text)]
    if role is Role.CALLER:
        fields.append(("Addr", address))
    way = "to" if role is Role.CALLER else "with"
    journal.info("call-started", fields, f"Connection {way} {node.name} ({address})")


def record_end(journal: Log, node: Node, role: Role, address: str, ending: Ending) -> None:
    """A session is over."""
    if not ending.ended.is_clean:
        event = _FAULTS.get(ending.ended.reason, "sp-process")
        journal.error(event, [("Node", node.id.text)], ending.ended.text, f"Session with {node.name}")
    seconds = max(1, int(ending.seconds))
    rx_speed, tx_speed = ending.received_bytes // seconds, ending.sent_bytes // seconds
    fields: list[tuple[str, str | int | bool]] = [("Node", node.id.text), ("Duration", int(ending.seconds))]
    rx = [("RxBytes", ending.received_bytes), ("RxSpeed", rx_speed)]
    tx = [("TxBytes", ending.sent_bytes), ("TxSpeed", tx_speed)]
    if role is Role.CALLER:
        fields.insert(1, ("Addr", address))
        fields += [*rx, *tx]
    else:
        fields += [rx[0], tx[0], rx[1], tx[1]]
    journal.info(
        "call-finished",
        fields,
        f"Finished call with {node.name} ({_format_duration(int(ending.seconds))}):"
        f" {ibytes(ending.received_bytes)} received ({ibytes(rx_speed)}/sec),"
        f" {ibytes(ending.sent_bytes)} transferred ({ibytes(tx_speed)}/sec)",
    )


def _format_duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, MINUTE_SECONDS)
    hours, minutes = divmod(minutes, MINUTE_SECONDS)
    return f"{hours}:{minutes}:{seconds}"
