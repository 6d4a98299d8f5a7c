"""``nncp-stat``: how many packets wait, for each neighbour and niceness."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli.nncp.context import Context, run_verb
from gateway.cli.nncp.flags import STATUS_OK
from gateway.cli.nncp.verbs import STAT
from gateway.errors import GatewayError
from gateway.ids import format_nice
from gateway.nodes import Node
from gateway.spool.layout import Box
from gateway.spool.sizes import ibytes
from gateway.spool.store import Job


@dataclass(slots=True)
class _Count:
    packets: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        self.packets += 1
        self.size_bytes += size_bytes

    def __str__(self) -> str:
        # As the Go tools: a count of three digits gets a space before it.
        return f"{ibytes(self.size_bytes):>10}, {self.packets: 3d} pkts"


@dataclass(slots=True)
class _Row:
    """The packets of one niceness."""

    rx: _Count = field(default_factory=_Count)
    nock: _Count = field(default_factory=_Count)
    tx: _Count = field(default_factory=_Count)


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Print the state of the spool on stdout.

    Args:
        arguments: what follows the verb.
        environ: the environment.

    Returns:
        The exit status.
    """
    return run_verb(STAT, arguments, environ, _stat)


def _stat(context: Context) -> int:
    only = context.parsed.text("node")
    nodes = [context.book.find(only)] if only else list(context.book)
    # Two names of one node share a directory, and Go lists it once.
    for node in sorted({node.id: node for node in nodes}.values(), key=lambda node: node.name):
        _stat_node(context, node)
    return STATUS_OK


def _stat_node(context: Context, node: Node) -> None:
    spool, is_listing = context.spool, context.parsed.switch("pkt")
    rows: dict[int, _Row] = defaultdict(_Row)
    print(node.name)
    for job in _listed(spool.jobs(node.id, Box.RX, _tell_bad), is_listing=is_listing):
        rows[job.nice].rx.add(job.size_bytes)
    for job in _listed(spool.nocks(node.id, _tell_bad), is_listing=is_listing):
        rows[job.nice].nock.add(job.size_bytes)
    parts = _Count()
    for part in spool.parts(node.id):
        parts.add(part.size_bytes)
        if is_listing:
            print(f"\t{Box.RX} {part.path.name} {ibytes(part.size_bytes)}")
    for job in _listed(spool.jobs(node.id, Box.TX, _tell_bad), is_listing=is_listing):
        rows[job.nice].tx.add(job.size_bytes)
    if parts.packets:
        print(f"\tpart: {parts}")
    for nice in sorted(rows):
        row = rows[nice]
        nock = f" | NoCK: {row.nock}" if row.nock.packets else ""
        print(f"\tnice:{format_nice(nice):>4} | Rx: {row.rx} | Tx: {row.tx}{nock}")


def _listed(jobs: Iterable[Job], *, is_listing: bool) -> Iterable[Job]:
    for job in jobs:
        if is_listing:
            print(f"\t{job.box} {job.name} {ibytes(job.size_bytes)} (nice: {format_nice(job.nice)})")
        yield job


def _tell_bad(_path: Path, error: GatewayError) -> None:
    print(f"{STAT.command}: left out: {error}", file=sys.stderr)
