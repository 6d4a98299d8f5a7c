"""Nodes of ours that carry news, each beside an INN of its own, and articles for them."""

import base64
import json
import re
import sqlite3
import stat
import sys
import time
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

from gateway.packet.keys import node_id_of
from tests.support.gateways import GatewayNode
from tests.support.gonncp import GoNode
from tests.support.inn import InnInstance
from tests.support.packets import make_keys
from tests.support.peers import require

GROUP = "misc.test"
MODULE = (sys.executable, "-m", "gateway.cli.main")


def article(
    number: int | str, body: str = "hello\n", *, groups: str = GROUP, path: str = "", more: str = ""
) -> bytes:
    """An article with LF line ends."""
    lines = (
        f"Path: {path}poster.test!not-for-mail",
        "From: Alice <alice@a.test>",
        f"Newsgroups: {groups}",
        f"Subject: number {number}",
        f"Date: {formatdate(time.time())}",
        f"Message-ID: <{number}@a.test>",
    )
    return "\n".join((*lines, *filter(None, [more]), "", body)).encode()


def batch(articles: Sequence[bytes]) -> bytes:
    """Articles as rnews and batchers have them."""
    return b"".join(b"#! rnews %d\n%s" % (len(each), each) for each in articles)


def without_path(content: bytes) -> bytes:
    """What must arrive unchanged of an article: all but Path and Xref."""
    head, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = re.sub(rb"\n[ \t]+", b" ", head).split(b"\n")
    kept = [line for line in lines if not line.lower().startswith((b"path:", b"xref:"))]
    return b"\n".join(kept) + b"\n\n" + body


def path_of(content: bytes) -> str:
    """The value of Path."""
    found = re.search(rb"(?m)^Path: (.*(?:\n[ \t].*)*)", content)
    assert found is not None
    return re.sub(r"\s+", "", found[1].decode())


def give_news(node: GatewayNode, **neighbours: str) -> None:
    """Let a node carry news, to and from neighbours, with these lines in their tables."""
    node.set_toml("news", f'pathhost = "gw.{node.domain}"\n')
    for name, lines in neighbours.items():
        node.set_toml(f"neighbour.{name}.news", lines)


def feed_inn(node: GatewayNode, inn: InnInstance, lines: str = "", address: str = "") -> None:
    """Let a node feed an INN."""
    table = (
        f'\n[[news.peer]]\nname = "inn"\naddress = "{address or f"127.0.0.1:{inn.port}"}"\n'
        f'path_names = ["{inn.pathhost}"]\n{lines}'
    )
    node.config_path.write_text(node.config_path.read_text() + table)


def open_for_all(node: GatewayNode) -> None:
    """Let INN's user read the configuration of a node and, if a daemon runs, hand news in."""
    state = node.home / "state"
    for path in (node.home, state, node.config_path, state / "pipe.sock"):
        if path.exists():
            more = stat.S_IROTH | stat.S_IWOTH | (stat.S_IXOTH if path.is_dir() else 0)
            path.chmod(path.stat().st_mode | more)


def news_queue_counts(node: GatewayNode) -> tuple[int, int]:
    """How many articles a node has seen, and how many of its deliveries still wait."""
    connection = sqlite3.connect(node.home / "state/news/queue/queue.sqlite")
    try:
        (seen,) = connection.execute("SELECT count(*) FROM history").fetchone()
        (waiting,) = connection.execute("SELECT count(*) FROM delivery WHERE state = 'queued'").fetchone()
    finally:
        connection.close()
    return int(seen), int(waiting)


def script(path: Path, *lines: str) -> Path:
    """A shell script that everybody may run."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def make_area(name: str, nodes: Sequence[GatewayNode]) -> None:
    """Let nodes share an area of NNCP whose messages each passes on to the neighbours it has."""
    keys = make_keys(f"area {name}")
    values = {
        "id": node_id_of(keys.exchpub).text,
        "pub": _base32(keys.exchpub),
        "prv": _base32(keys.exchprv),
        "allow-unknown": True,
    }
    for node in nodes:
        config = node.nncp()
        neighbours = [other for other in config["neigh"] if other != "self"]
        handler = config["neigh"][neighbours[0]]["exec"]["rnews"]
        config["areas"] = {name: {**values, "subs": neighbours, "exec": {"rnews": handler}}}
        node.nncp_path.write_text(json.dumps(config, indent=1))


class GoNewsNode:
    """A node with the Go tools that knows one of ours."""

    def __init__(self, place: Path, name: str) -> None:
        require("nncp-toss", "nncp-exec", "nncp-xfer", "nncp-cfgmin")
        self.node = GoNode(place / name, name)
        self.node.save(
            {
                "spool": str(self.node.spool),
                "log": str(self.node.log_path),
                "self": self.node.keys,
                "neigh": {"self": _public(self.node.keys)},
            }
        )

    def meet(self, other: GatewayNode, rnews: Path) -> None:
        """Let both know each other; what comes for the handle rnews goes to this program."""
        config = self.node.config()
        config["neigh"][other.name] = _public(other.nncp()["self"]) | {"exec": {"rnews": [str(rnews)]}}
        self.node.save(config)
        other.run("accept", self.node.name, stdin=self.node.run("nncp-cfgmin").stdout)

    def know(self, other: "GoNewsNode", *, via: Sequence[str] = (), rnews: Path | None = None) -> None:
        """Put another node with the Go tools into the configuration."""
        config = self.node.config()
        entry: dict[str, object] = {**_public(other.node.keys)}
        if via:
            entry["via"] = list(via)
        if rnews is not None:
            entry["exec"] = {"rnews": [str(rnews)]}
        config["neigh"][other.node.name] = entry
        self.node.save(config)


def _public(keys: dict[str, str]) -> dict[str, str]:
    return {key: keys[key] for key in ("id", "exchpub", "signpub", "noisepub")}


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=")
