"""Real Go NNCP nodes, each in a directory of its own, that know one another.

Their configuration files are JSON, which is valid Hjson, so that a test can load, change and save
them. Everything belongs to the user who runs the tests.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hjson

from tests.support.peers import require

RUN_SECONDS = 120
PACKET_NAME_CHARS = 52

_PUBLIC_KEYS = ("id", "exchpub", "signpub", "noisepub")

Config = dict[str, Any]


class GoNode:
    """One node.

    Attributes:
        name: what the others call it.
        id: its node id.
        config_path, spool, log_path, incoming: its files.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.home = home
        self.config_path = home / "cfg.json"
        self.spool = home / "spool"
        self.log_path = home / "log"
        self.incoming = home / "incoming"
        for path in (self.spool, self.incoming):
            path.mkdir(parents=True)
        done = subprocess.run(
            [require("nncp-cfgnew"), "-nocomments"],
            check=True,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        self.keys: dict[str, str] = dict(hjson.loads(done.stdout)["self"])
        self.id = self.keys["id"]

    def config(self) -> Config:
        """The configuration as it stands in the file."""
        loaded: Config = json.loads(self.config_path.read_text())
        return loaded

    def save(self, config: Config) -> None:
        """Write a changed configuration."""
        self.config_path.write_text(json.dumps(config, indent=1) + "\n")
        self.config_path.chmod(0o600)

    def set_exec(self, frm: str, handle: str, argv: Sequence[str | Path]) -> None:
        """Let the neighbour ``frm`` run ``argv`` and its own arguments under a handle."""
        config = self.config()
        config["neigh"][frm]["exec"][handle] = [str(arg) for arg in argv]
        self.save(config)

    def run(
        self,
        tool: str,
        *args: str,
        stdin: bytes | Path = b"",
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a Go tool with this node's configuration.

        Args:
            tool: ``"nncp-exec"`` for instance.
            args: what follows ``-cfg``.
            stdin: the input itself, or the file that holds it.
            check: whether a non-zero exit status fails the test, with the tool's output and the log.
            env: the whole environment, or None for ours.
        """
        argv = [require(tool), "-cfg", str(self.config_path), *args]
        environ = None if env is None else dict(env)
        if isinstance(stdin, Path):
            with stdin.open("rb") as source:
                done = subprocess.run(
                    argv, stdin=source, capture_output=True, check=False, timeout=RUN_SECONDS, env=environ
                )
        else:
            done = subprocess.run(
                argv, input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS, env=environ
            )
        if check and done.returncode != 0:
            said = (done.stdout[-2000:] + done.stderr[-4000:]).decode("utf-8", "replace")
            raise AssertionError(
                f"{tool} {' '.join(args)} on {self.name} ended with {done.returncode}:\n{said}"
            )
        return done

    def toss(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run nncp-toss once."""
        return self.run("nncp-toss", "-quiet", "-noprogress", *args, check=check)

    def packets(self, box: str, neighbour_id: str) -> list[Path]:
        """The packets in ``"tx"`` or ``"rx"`` for one neighbour, in order of their names."""
        directory = self.spool / neighbour_id / box
        if not directory.is_dir():
            return []
        return sorted(path for path in directory.iterdir() if len(path.name) == PACKET_NAME_CHARS)

    def log_text(self) -> str:
        """The node's whole log."""
        return self.log_path.read_text() if self.log_path.exists() else ""


class GoMesh:
    """Nodes that all know one another.

    Args:
        directory: is made; each node has a directory of its name in it.
        names: of the nodes.
        via: ``{"c": ["b"]}``: all but the relays themselves reach c through b.
    """

    def __init__(
        self, directory: Path, names: Sequence[str], via: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.directory = directory
        self.nodes = {name: GoNode(directory / name, name) for name in names}
        for node in self.nodes.values():
            node.save(self._config_of(node, via or {}))

    def _config_of(self, node: GoNode, via: Mapping[str, Sequence[str]]) -> Config:
        neighbours: dict[str, Config] = {}
        for other in self.nodes.values():
            entry: Config = {key: other.keys[key] for key in _PUBLIC_KEYS}
            entry |= {"exec": {}, "incoming": str(node.incoming)}
            relays = via.get(other.name, ())
            if relays and other is not node and node.name not in relays:
                entry["via"] = list(relays)
            neighbours["self" if other is node else other.name] = entry
        return {
            "spool": str(node.spool),
            "log": str(node.log_path),
            "noprogress": True,
            "self": node.keys,
            "neigh": neighbours,
        }

    def __getitem__(self, name: str) -> GoNode:
        return self.nodes[name]

    def set_exec(self, node: str, frm: str, handle: str, argv: Sequence[str | Path]) -> None:
        """Let ``frm`` run ``argv`` and its own arguments on ``node`` under a handle."""
        self.nodes[node].set_exec(frm, handle, argv)

    def carry(self, source: str, destination: str) -> int:
        """Take the packets of one node for another by nncp-xfer through a directory; returns their count."""
        sender, receiver = self.nodes[source], self.nodes[destination]
        count = len(sender.packets("tx", receiver.id))
        stick = self.directory / f"stick-{source}-{destination}"
        stick.mkdir(exist_ok=True)
        sender.run("nncp-xfer", "-quiet", "-noprogress", "-mkdir", "-tx", "-node", destination, str(stick))
        receiver.run("nncp-xfer", "-quiet", "-noprogress", "-rx", str(stick))
        return count


def is_go_8_8() -> bool:
    """Whether the Go tools are of 8.8: 8.11 lays out Hjson and its usage lines differently."""
    done = subprocess.run([require("nncp-exec"), "-version"], capture_output=True, check=False, timeout=60)
    return b"NNCP version 8.8." in done.stdout + done.stderr
