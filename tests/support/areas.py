"""Nodes that share an area."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.ids import NodeId
from gateway.nodes import Area, Book
from gateway.packet.keys import node_id_of
from gateway.spool.layout import Box
from gateway.toss.tosser import TossResult
from gateway.tx.exec_packet import ExecRequest, send_exec
from gateway.tx.sealing import SealedPacket
from tests.support.packets import make_keys
from tests.support.tossing import Pair

NAME = "news"
_KEYS = make_keys("area news")
AREA_ID = node_id_of(_KEYS.exchpub)
AREA_KEYS = (_KEYS.exchpub, _KEYS.exchprv)


class AreaNodes(Pair):
    """Nodes that know one another and share the area ``news``.

    Args:
        directory: of their spools.
        subs: who gets messages from whom: ``{"a": ("b",)}``.
        names: of the nodes; a and b always.
        keyless: the nodes that only pass messages on.
    """

    def __init__(
        self,
        directory: Path,
        subs: Mapping[str, Sequence[str]],
        names: Sequence[str] = ("a", "b", "c"),
        keyless: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(directory, *names[2:], **options)
        for name in names:
            self.set_area(
                name,
                pub=None if name in keyless else _KEYS.exchpub,
                prv=None if name in keyless else _KEYS.exchprv,
                subs=tuple(self.id(sub) for sub in subs.get(name, ())),
            )

    def set_area(self, node: str, /, **fields: Any) -> None:
        """Give a node's area a command that records what it gets, and other settings."""
        book = self.books[node]
        target = self.directory / node / "got"
        handles = {"x": ("/bin/sh", "-c", f'cat >> {target}; echo "$NNCP_SENDER $*" >> {target}.by', "sh")}
        area = Area(NAME, AREA_ID, **{"exec": handles, **fields})
        self.books[node] = Book(book.own, book.nodes, {NAME: area})

    def area(self, node: str) -> Area:
        return self.books[node].areas[NAME]

    def post(self, body: bytes, *args: str, author: str = "a", **fields: Any) -> SealedPacket:
        """Send an exec to the area; it waits in the author's own tx."""
        book = self.books[author]
        raw_args = tuple(arg.encode() for arg in args)
        request = ExecRequest(book.self_node, (), b"x", raw_args, area=self.area(author), **fields)
        return send_exec(self.spools[author], book.private_keys(), request, [body])

    def deliver(self, source: str, target: str) -> int:
        """Carry all that waits at one node for another; returns how many packets."""
        jobs = list(self.waiting(target, at=source))
        for job in jobs:
            self.put(job.path.read_bytes(), sender=source, at=target, name=job.packet)
            job.path.unlink()
        return len(jobs)

    def settle(self, **settings: Any) -> list[TossResult]:
        """Toss and carry everywhere until nothing moves any more."""
        results = []
        is_moving = True
        while is_moving:
            results += [self.toss(name, **settings) for name in self.books]
            moved = [
                self.deliver(source, target)
                for source in self.books
                for target in self.books
                if source != target
            ]
            is_moving = any(moved)
        return results

    def got(self, node: str) -> str:
        """What a node's command was given, all of it."""
        path = self.directory / node / "got"
        return path.read_text() if path.exists() else ""

    def marked(self, at: str, node: str, sent: SealedPacket) -> bool:
        """Whether a node knows that another has the message."""
        assert sent.message is not None
        node_id: NodeId = self.id(node)
        return self.spools[at].has_area_mark(node_id, AREA_ID, sent.message.id)

    def own_waiting(self, at: str = "a") -> int:
        """How many packets wait in a node's own tx."""
        return len(list(self.spools[at].jobs(self.id(at), Box.TX)))
