"""``status``: the links with neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.config.nncp import load_nncp_config
from gateway.daemon.news_look import look_at_news
from gateway.durable import Disk
from gateway.errors import ConfigError, StoreError
from gateway.exits import OK
from gateway.ids import NodeId
from gateway.ingest.pipe_commands import NO_NEWS_TEXT
from gateway.moment import read_moment
from gateway.msgqueue.entry import LaneFigures
from gateway.msgqueue.held import HeldFigures, HeldMail
from gateway.nodes import SELF_NAME, Book, Node
from gateway.spool.link_state import LinkStates
from gateway.spool.store import Spool
from gateway.status.links import LinkStatus, link_status
from gateway.status.links_text import status_json, status_lines
from gateway.status.news import NewsStatus
from gateway.status.news_text import news_json, news_lines
from gateway.tx.area_packet import AREA_PREFIX

STALE = 1
"""Somebody was silent for longer than ``--stale`` says: for monitors, which take 1 for a warning."""

HOUR_SECONDS = 3600.0
NO_NEIGHBOURS = "no neighbours yet (nncp-gateway accept NAME)"

LanesByHop = Mapping[NodeId, Sequence[LaneFigures]]


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where everything is read from; ``lanes``, ``held``, ``news``: None where nothing can be looked at."""

    book: Book
    spool_root: Path
    lanes: LanesByHop | None
    held: Mapping[NodeId, HeldFigures] | None = None
    news: NewsStatus | None = None


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("--json", "is_json", is_flag=True, help="A JSON list, as docs/reference/status.md has it.")
@click.option(
    "--stale",
    "stale_hours",
    type=click.FloatRange(min=0),
    metavar="HOURS",
    help="End with 1 if one of them was not met for longer, or never.",
)
@click.option(
    "--nncp",
    "nncp_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this NNCP configuration alone; no gateway.toml is needed, and no outbox shown.",
)
@click.option("--news", "is_news", is_flag=True, help="How news stands instead: endpoint, feeds, store.")
@click.pass_obj
def status(
    invocation: Invocation,
    *,
    nodes: tuple[str, ...],
    is_json: bool,
    stale_hours: float | None,
    nncp_path: Path | None,
    is_news: bool,
) -> int:
    """Show the links with each NODE, or with every neighbour, and how news stands.

    When it was met last, what went wrong, how much went each way and how fast, what waits, when it is
    called next, and the session that runs. No daemon is needed.
    """
    if is_news:
        if nodes or nncp_path is not None or stale_hours is not None:
            raise click.UsageError("--news stands alone, or with --json")
        return _show_news(invocation, is_json=is_json)
    with _open(invocation, nncp_path, is_news_looked_at=not nodes and not is_json) as sources:
        chosen = _choose(sources.book, nodes)
        links = [_look(node, sources) for node in chosen]
    stale_seconds = None if stale_hours is None else stale_hours * HOUR_SECONDS

    def name_of(node_id: NodeId) -> str:
        node = sources.book.find_id(node_id)
        if node is not None:
            return node.name
        area = sources.book.find_area_id(node_id)
        return node_id.text if area is None else f"{AREA_PREFIX}{area.name}"

    if is_json:
        click.echo(status_json(links, name_of, stale_seconds))
    else:
        for line in status_lines(links, name_of):
            click.echo(line)
        if not links:
            click.echo(NO_NEIGHBOURS)
        if sources.news is not None:
            for line in news_lines(sources.news):
                click.echo(line)
    is_stale = stale_seconds is not None and any(link.is_silent_for(stale_seconds) for link in links)
    return STALE if is_stale else OK


def _show_news(invocation: Invocation, *, is_json: bool) -> int:
    with invocation.open() as parts:
        if parts.news is None:
            raise ConfigError(NO_NEWS_TEXT)
        found = look_at_news(parts.config, parts.news)
    for line in [news_json(found)] if is_json else news_lines(found):
        click.echo(line)
    return OK


@contextmanager
def _open(invocation: Invocation, nncp_path: Path | None, *, is_news_looked_at: bool) -> Iterator[_Sources]:
    if nncp_path is not None:
        config = load_nncp_config(nncp_path, invocation.environ)
        yield _Sources(config.book, config.spool, None)
        return
    try:
        parts = invocation.open()
    except StoreError as error:
        # A full disk or a broken queue is when somebody looks.
        click.echo(f"the outbox is not shown: {error}", err=True)
        config = invocation.load().nncp
        yield _Sources(config.book, config.spool, None)
        return
    with parts:
        held = HeldMail(parts.queue).figures()
        news = None
        if parts.news is not None and is_news_looked_at:
            news = look_at_news(parts.config, parts.news)
        yield _Sources(parts.book, parts.spool.root, parts.flusher().lanes_by_hop(), held, news)


def _choose(book: Book, names: Sequence[str]) -> list[Node]:
    if names:
        return [book.find(name) for name in names]
    # Two names of one node share a directory.
    others = {node.id: node for node in book if node.name != SELF_NAME}
    return sorted(others.values(), key=lambda node: node.name)


def _look(node: Node, sources: _Sources) -> LinkStatus:
    # No copies of headers: looking changes nothing.
    disk = Disk()
    spool = Spool(sources.spool_root, disk, nohdr=True)
    return link_status(
        node, spool, LinkStates(spool.layout, disk), sources.lanes, read_moment(), sources.held
    )
