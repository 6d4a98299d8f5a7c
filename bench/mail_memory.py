"""Memory: a hundred thousand messages wait in the queue of a daemon that goes on working.

They wait for a neighbour that is out of service while more comes in by SMTP. When it is back, all of them
become packets, as large as the defaults have them. At the far node they wait again, for a mail server that
is down. The figure is the most memory that a daemon held at any moment of it; the peer's is the limit.
"""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.mail_letters import RECIPIENT, SENDER, hand_in, letters
from bench.mail_site import Nodes, need, open_place, scaled, wait_for, wait_idle
from gateway.durable import Disk
from gateway.ids import NICE_PRIORITY, NodeId
from gateway.message.envelope import Envelope
from gateway.msgqueue.entry import NewMessage, Role, Target
from gateway.msgqueue.store import DATABASE_NAME, Queue
from tests.support.gateways import GatewayNode
from tests.support.ports import free_port

COUNT = scaled(100_000)
SMTP_COUNT = scaled(1000)
GROUP_COUNT = 1000
LIMIT_MIB = 100.0
WAIT_SECONDS = 400.0
BODY_BYTES = 1200
OUT_OF_SERVICE, IN_SERVICE = "in_service = false\n", "max_age_seconds = 0.0\n"
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def run() -> Iterator[Figure]:
    """Take the figure of this part."""
    need()
    with open_place() as place:
        nowhere = f"smtp:127.0.0.1:{free_port()}"
        nodes = Nodes(place, options=((), ("--deliver", nowhere)), batch=OUT_OF_SERVICE)
        peaks = [_waiting(nodes), _sending(nodes), _receiving(nodes, place / "stick")]
        yield Figure("mail.memory_100k_queued_MiB", max(peaks), LIMIT_MIB, 1.0, is_less_better=True)


def _waiting(nodes: Nodes) -> float:
    """Let them wait, and take more; the peak of the daemon in MiB."""
    _fill(nodes.a, nodes.b, COUNT - SMTP_COUNT)
    with nodes.a.serving() as daemon:
        wait_idle(daemon.pid)
        hand_in(nodes.a.port(), letters(SMTP_COUNT))
        wait_idle(daemon.pid)
        return _peak_mib(daemon.pid)


def _sending(nodes: Nodes) -> float:
    """Make packets of all of them; the peak of the daemon in MiB."""
    path = nodes.a.config_path
    path.write_text(path.read_text().replace(OUT_OF_SERVICE, IN_SERVICE))
    with nodes.a.serving() as daemon:
        wait_for(lambda: _count(nodes.a, "sent") == COUNT, "packets of all messages", WAIT_SECONDS)
        wait_idle(daemon.pid)
        return _peak_mib(daemon.pid)


def _receiving(nodes: Nodes, stick: Path) -> float:
    """Take the packet in, and try to deliver; the peak of the daemon in MiB."""
    stick.mkdir()
    nodes.a.run("xfer", "--tx", "--mkdir", str(stick))
    with nodes.b.serving() as daemon:
        nodes.b.run("xfer", "--rx", str(stick))
        wait_for(lambda: _count(nodes.b, "queued") == COUNT, "all messages at the far node", WAIT_SECONDS)
        wait_idle(daemon.pid)
        return _peak_mib(daemon.pid)


def _fill(node: GatewayNode, neighbour: GatewayNode, count: int) -> None:
    """Put messages in the outbox without a daemon, unsynced."""
    target = Target(RECIPIENT, NodeId.parse(neighbour.id), NICE_PRIORITY)
    bodies = [body[:BODY_BYTES].rpartition(b"\n")[0] + b"\n" for body in letters(GROUP_COUNT)]
    with Queue(_directory(node), Disk(is_syncing=False)) as queue:
        for start in range(0, count, GROUP_COUNT):
            messages = [
                NewMessage(
                    id=queue.new_id(),
                    envelope=Envelope(SENDER, (RECIPIENT,)),
                    targets=(target,),
                    body=body,
                    message_id=f"<{start}.{number}@a.test>",
                    origin="127.0.0.1",
                )
                for number, body in enumerate(bodies[: count - start])
            ]
            queue.put_together([(message, Role.OUTBOX) for message in messages]).result()


def _count(node: GatewayNode, state: str) -> int:
    """How many deliveries are in a state; ``queue list`` would make as many objects."""
    connection = sqlite3.connect(_directory(node) / DATABASE_NAME, timeout=60)
    try:
        (count,) = connection.execute("SELECT count(*) FROM delivery WHERE state = ?", (state,)).fetchone()
    finally:
        connection.close()
    return int(count)


def _directory(node: GatewayNode) -> Path:
    return node.home / "state" / "queue"


def _peak_mib(pid: int) -> float:
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
