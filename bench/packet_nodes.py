"""Two nodes for the benchmarks, whose configurations and spools both implementations work on."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import BenchError
from gateway.config.nncp import load_nncp_config
from gateway.durable import Disk
from gateway.ids import encode_base32
from gateway.nodes import Book
from gateway.packet.keys import PrivateKeys, generate_keys
from gateway.spool.log import Log
from gateway.spool.store import Spool

OURS = [sys.executable, "-m", "gateway.cli.main", "nncp"]
POLL_SECONDS = 0.01
_PYTHON_VARIABLES = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class Pair:
    """Nodes a and b, each with a configuration file that both implementations read."""

    def __init__(self, place: Path, handler: list[str]) -> None:
        keys = {name: generate_keys(os.urandom) for name in ("a", "b")}
        self.place = place
        self.paths = {name: _write_config(place / name, name, keys, handler) for name in keys}
        self.configs = {name: load_nncp_config(path, {}) for name, path in self.paths.items()}

    def spool(self, name: str) -> Spool:
        """A node's spool, synced."""
        return Spool(self.configs[name].spool, Disk())

    def book(self, name: str) -> Book:
        """A node's keys and neighbours."""
        return self.configs[name].book

    def log(self, name: str) -> Log:
        """A node's log."""
        return Log(self.configs[name].log, quiet=True)

    def carry(self) -> None:
        """Move what waits at a for b into b's rx, by renaming."""
        source = self.configs["a"].spool / self.book("b").self_node.id.text / "tx"
        target = self.configs["b"].spool / self.book("a").self_node.id.text / "rx"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        source.rename(target)


@contextmanager
def installed(cache: Path) -> Iterator[None]:
    """Let our commands start as pip installs them: from compiled modules, whatever the environment forbids.

    Args:
        cache: a directory for these, which a checkout may not have or not be allowed to have.
    """
    before = {name: os.environ.pop(name, None) for name in _PYTHON_VARIABLES}
    os.environ["PYTHONPYCACHEPREFIX"] = str(cache)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _write_config(home: Path, name: str, keys: dict[str, PrivateKeys], handler: list[str]) -> Path:
    for directory in ("spool", "incoming"):
        (home / directory).mkdir(parents=True)
    own = keys[name]
    parts = ("id", "exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")
    config: dict[str, Any] = {
        "spool": str(home / "spool"),
        "log": str(home / "log"),
        "noprogress": True,
        "self": {part: _text(getattr(own, part)) for part in parts},
        "neigh": {},
    }
    for other, its in keys.items():
        config["neigh"]["self" if other == name else other] = {
            **{part: _text(getattr(its, part)) for part in ("id", "exchpub", "signpub", "noisepub")},
            "exec": {"run": handler},
            "incoming": str(home / "incoming"),
        }
    path = home / "nncp.json"
    path.write_text(json.dumps(config))
    return path


def _text(value: Any) -> str:
    return encode_base32(value if isinstance(value, bytes) else value.raw)


def run_go(pair: Pair, node: str, tool: str, *words: str, stdin: bytes = b"") -> None:
    """Run a Go tool at a node."""
    call([tool, "-quiet", "-cfg", str(pair.paths[node]), *words], data=stdin)


def call(command: list[str], *, stdin: Any = None, data: bytes | None = None) -> None:
    """Run a command to its end, and see that it was content."""
    source = {"input": data} if stdin is None else {"stdin": stdin}
    done = subprocess.run(command, capture_output=True, check=False, **source)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")


def peak_mib(command: list[str]) -> float:
    """Run a command to its end; the most memory that it held, as it was seen every 10 ms."""
    peak_kib = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        status = Path(f"/proc/{child.pid}/status")
        while child.poll() is None:
            found = _PEAK.search(status.read_text())
            peak_kib = int(found[1]) if found else peak_kib
            time.sleep(POLL_SECONDS)
    if child.returncode:
        raise BenchError(f"{' '.join(command)} ended with {child.returncode}")
    return peak_kib / 1024
