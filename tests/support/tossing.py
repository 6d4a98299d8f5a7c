"""Two neighbours, a and b: a sends exec packets, b tosses them."""

import dataclasses
import errno
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.ids import NodeId, PacketId, encode_base32
from gateway.nodes import Book, Freq
from gateway.packet.mth import mth
from gateway.packet.plain import PacketType, PlainHeader
from gateway.packet.sealed import ENCRYPTED_HEADER_BYTES
from gateway.spool.layout import Box, parse_packet_name
from gateway.spool.log import Log
from gateway.spool.store import Job, Spool
from gateway.toss.tosser import Tosser, TossResult, TossSettings
from gateway.tx.exec_packet import ExecRequest, send_exec
from tests.support.nodes import make_books, make_spool
from tests.support.packets import seal_packet

Argv = Sequence[str | Path]
Hook = Callable[[str, Path], None]


def allow(book: Book, sender: str, handle: str, argv: Argv) -> Book:
    """The same book, in which ``sender`` may run a command under a handle."""
    node = book.nodes[sender]
    command = tuple(str(part) for part in argv)
    changed = dataclasses.replace(node, exec={**node.exec, handle: command})
    return Book(book.own, {**book.nodes, sender: changed}, book.areas)


def forget(book: Book, name: str) -> Book:
    """The same book without a neighbour."""
    return Book(book.own, {key: node for key, node in book.nodes.items() if key != name}, book.areas)


class Pair:
    """Nodes a and b (and more, if named), with a spool and a log each, in one directory."""

    def __init__(self, directory: Path, *more: str, via: dict[str, tuple[str, ...]] | None = None) -> None:
        self.directory = directory
        self.books = make_books("a", "b", *more, via=via)
        self.spools = {name: make_spool(directory / name / "spool") for name in self.books}

    def id(self, name: str) -> NodeId:
        return self.books[name].self_node.id

    def allow(self, handle: str, argv: Argv, *, sender: str = "a", at: str = "b") -> None:
        """Let ``sender`` run a command at ``at``."""
        self.books[at] = allow(self.books[at], sender, handle, argv)

    def record(self, handle: str, *, at: str = "b") -> Path:
        """Let a's handle write its input to a file; returns that file."""
        target = self.directory / f"{at}-{handle}.out"
        self.allow(handle, ["/bin/sh", "-c", f"cat >> {target}"], at=at)
        return target

    def request(self, handle: str, *args: str, to: str = "b", **fields: Any) -> ExecRequest:
        book = self.books["a"]
        destination = book.find(to)
        via = tuple(book.find(hop.text) for hop in destination.via)
        raw_args = tuple(arg.encode() for arg in args)
        return ExecRequest(destination, via, handle.encode(), raw_args, **fields)

    def send(
        self, handle: str, body: bytes | Iterable[bytes] = b"", *args: str, to: str = "b", **fields: Any
    ) -> Path:
        """Send an exec from a and carry it to the first hop; returns the packet in its rx."""
        source = [body] if isinstance(body, bytes) else body
        own = self.books["a"].private_keys()
        sealed = send_exec(self.spools["a"], own, self.request(handle, *args, to=to, **fields), source)
        return self.carry("a", sealed.first_hop.name, sealed.packet)

    def carry(self, source: str, target: str, packet: PacketId) -> Path:
        """Move one packet from a node's tx to another's rx."""
        path = self.spools[source].layout.packet(self.id(target), Box.TX, packet)
        return self.put(path.read_bytes(), sender=source, at=target, name=packet)

    def put(self, packet: bytes, *, sender: str = "a", at: str = "b", name: PacketId | None = None) -> Path:
        """Lay bytes into an rx under the name of their hash, or another."""
        name = name or PacketId(mth(packet))
        path = self.spools[at].layout.packet(self.id(sender), Box.RX, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packet)
        return path

    def put_typed(self, kind: int, path: bytes, payload: bytes = b"", nice: int = 96) -> Path:
        """Lay a packet of any type from a into b's rx."""
        author, reader = self.books["a"].private_keys(), self.books["b"].private_keys()
        return self.put(seal_packet(payload, author, reader, plain=PlainHeader(kind, 96, path), nice=nice))

    def received(self, at: str = "b", sender: str = "a") -> list[Job]:
        return list(self.spools[at].jobs(self.id(sender), Box.RX))

    def waiting(self, node: str, at: str = "a") -> list[Job]:
        return list(self.spools[at].jobs(self.id(node), Box.TX))

    def toss(self, at: str = "b", *, disk: Disk | None = None, **settings: Any) -> TossResult:
        spool = self.spools[at] if disk is None else Spool(self.spools[at].root, disk)
        return Tosser(self.books[at], spool, self.log(at), TossSettings(**settings)).run_once()

    def log(self, at: str = "b") -> Log:
        return Log(self.directory / at / "log", quiet=True)

    def log_text(self, at: str = "b") -> str:
        path = self.directory / at / "log"
        return path.read_text() if path.exists() else ""

    def write_config(self, at: str, /, **more: object) -> Path:
        """Write a node's configuration as the commands read it."""
        path = self.directory / at / "cfg.json"
        path.write_text(json.dumps({**config_of(self.books[at], self.directory / at), **more}, indent=1))
        return path


def config_of(book: Book, home: Path) -> dict[str, object]:
    """A configuration file's content for a book."""
    own = book.private_keys()
    secrets = ("exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")
    neighbours: dict[str, dict[str, object]] = {}
    for node in book:
        keys = node.keys
        assert keys.noisepub is not None
        neighbours[node.name] = {
            "id": node.id.text,
            "exchpub": encode_base32(keys.exchpub),
            "signpub": encode_base32(keys.signpub),
            "noisepub": encode_base32(keys.noisepub),
            "exec": {handle: list(argv) for handle, argv in node.exec.items()},
            "via": [hop.text for hop in node.via],
            "freq": _freq_of(node.freq),
        }
        if node.incoming is not None:
            neighbours[node.name]["incoming"] = node.incoming
    return {
        "spool": str(home / "spool"),
        "log": str(home / "log"),
        "noprogress": True,
        "self": {"id": own.id.text, **{name: encode_base32(getattr(own, name)) for name in secrets}},
        "neigh": neighbours,
    }


def _freq_of(freq: Freq) -> dict[str, object]:
    sizes = {"chunked": freq.chunked_bytes, "minsize": freq.minsize_bytes, "maxsize": freq.maxsize_bytes}
    found: dict[str, object] = {key: size // 1024 for key, size in sizes.items() if size}
    if freq.path is not None:
        found["path"] = freq.path
    return found


def exec_header(handle: str = "x") -> PlainHeader:
    """The plain header of an uncompressed exec."""
    return PlainHeader(PacketType.EXEC_FAT, 224, handle.encode())


def head_of(packet: bytes) -> bytes:
    """A packet's outer header."""
    return packet[:ENCRYPTED_HEADER_BYTES]


def failing_disk(at_step: int, number: int = errno.ENOSPC) -> tuple[Disk, list[str]]:
    """A disk whose step number ``at_step`` (from 0) fails; and the steps it was asked for."""
    steps: list[str] = []

    def hook(step: str, path: Path) -> None:
        steps.append(step)
        if len(steps) - 1 == at_step:
            raise OSError(number, "made to fail", str(path))

    return Disk(is_syncing=False, hook=hook), steps


def files_below(directory: Path) -> list[Path]:
    """Every file in a tree."""
    return sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


def packets_below(root: Path) -> set[str]:
    """The names of all packets in a tree, each proven to be whole; copies of headers are none."""
    names = set()
    for path in files_below(root):
        packet = parse_packet_name(path.name)
        is_marker = path.parent.name in {"hdr", "seen", "ack"} or path.parent.parent.name == "area"
        if packet is not None and not is_marker:
            assert mth(path.read_bytes()) == packet.raw
            names.add(path.name)
    return names


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """Other bytes in a file for a while."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)
