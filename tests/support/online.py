"""Two neighbours that talk online, each side by Go NNCP or by us; and what must have arrived.

Nothing here waits a fixed time. What ends a session early (a cut, a kill) leaves locks with the Go
tools for a second or two: ``wait_unlocked`` waits until they are gone, as a caller must.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.durable import Disk
from gateway.errors import StoreBusy
from gateway.ids import ID_CHARS, PacketId
from gateway.packet.mth import MerkleTreeHash
from gateway.spool.layout import Box, LockKind
from gateway.spool.store import Spool
from tests.support.both_nncp import GO
from tests.support.network import Machine
from tests.support.nncp_verbs import verb_argv, verb_environ
from tests.support.nodes import make_books
from tests.support.online_packets import MIXED, NICES, Made, Mix, make_packets
from tests.support.peers import require
from tests.support.ports import free_port
from tests.support.processes import Running, tail, wait_until
from tests.support.tossing import config_of

HOST = "127.0.0.1"
SESSION_SECONDS = 200
START_SECONDS = 60
UNLOCK_SECONDS = 60
READ_BYTES = 1 << 20
_LISTENING = "0A"


class OnlinePair:
    """Nodes a and b in one directory, with a configuration that both implementations read.

    Args:
        directory: is made.
        deadline_seconds: ``onlinedeadline`` of both; None: each program's own.
        is_syncing: whether the programs wait for the disk.
        machines: the nodes are on machines of their own; else both are on this one.
        environ: more variables for the programs.
    """

    def __init__(
        self,
        directory: Path,
        *,
        deadline_seconds: int | None = 1,
        is_syncing: bool = False,
        machines: Mapping[str, Machine] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._machines = machines or {}
        self.books = make_books("a", "b")
        self.spools: dict[str, Spool] = {}
        self.configs: dict[str, Path] = {}
        self.logs: dict[str, Path] = {}
        self.sent: dict[str, list[Made]] = {"a": [], "b": []}
        self._environ = verb_environ(**({} if is_syncing else {"NNCPNOSYNC": "1"}), **(environ or {}))
        for name, book in self.books.items():
            home = directory / name
            (home / "spool").mkdir(parents=True)
            self.spools[name] = Spool(home / "spool", Disk(is_syncing=False))
            self.configs[name] = home / "cfg.json"
            self.logs[name] = home / "log"
            self._save(name, config_of(book, home))
            if deadline_seconds is not None:
                self.change(name, onlinedeadline=deadline_seconds)

    # Configuration

    def change(self, name: str, **fields: object) -> None:
        """Change what a node's configuration says of the other."""
        config: dict[str, Any] = json.loads(self.configs[name].read_text())
        config["neigh"][other(name)] |= fields
        self._save(name, config)

    def _save(self, name: str, config: Mapping[str, object]) -> None:
        self.configs[name].write_text(json.dumps(config, indent=1) + "\n")
        self.configs[name].chmod(0o600)

    # Programs

    def argv(self, who: str, name: str, verb: str, *words: str) -> list[str]:
        """The command line of ``nncp-VERB`` at a node, by Go or by us."""
        options = ["-cfg", str(self.configs[name]), *words]
        argv = [require(f"nncp-{verb}"), *options] if who == GO else verb_argv(verb, *options)
        machine = self._machines.get(name)
        return argv if machine is None else machine.argv(*argv)

    def start(self, who: str, name: str, verb: str, *words: str) -> Running:
        """Start a command; what it prints is in its ``log``."""
        output = self.directory / f"{name}-{verb}.out"
        return Running(self.argv(who, name, verb, *words), output, env=self._environ)

    @contextlib.contextmanager
    def listening(
        self, who: str, name: str, *words: str, port: int | None = None
    ) -> Iterator[tuple[int, Running]]:
        """Run a daemon on a free port; yields the port and the program."""
        port = free_port() if port is None else port
        with self.listen(who, name, port, *words) as daemon:
            yield port, daemon

    def address(self, name: str, port: int) -> str:
        """Where a node's daemon is reached."""
        machine = self._machines.get(name)
        return f"{HOST if machine is None else machine.ipv4}:{port}"

    def listen(self, who: str, name: str, port: int, *words: str) -> Running:
        """Start a daemon on a port, and wait until it listens."""
        machine = self._machines.get(name)
        where = "self" if machine is None else machine.pid
        daemon = self.start(who, name, "daemon", "-bind", self.address(name, port), *words)
        try:
            daemon.wait_ready(lambda: is_listened_on(port, where), START_SECONDS, f"listening on {port}")
        except BaseException:
            daemon.stop()
            raise
        return daemon

    def call(
        self, who: str, name: str, *words: str, alias: str = "", is_checked: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Call the other node, and wait for the end of the session.

        Args:
            who: OURS or GO.
            name: the calling node.
            words: options; then perhaps ``--`` and the address to call.
            alias: the name of a configured address.
            is_checked: whether a status other than 0 fails the test.
        """
        options, addresses = _split(words)
        target = f"{other(name)}:{alias}" if alias else other(name)
        return self.run(who, name, "call", *options, target, *addresses, is_checked=is_checked)

    def run(
        self, who: str, name: str, verb: str, *words: str, is_checked: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command at a node to its end."""
        argv = self.argv(who, name, verb, *words)
        done = subprocess.run(
            argv,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SESSION_SECONDS,
        )
        if is_checked and done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise AssertionError(
                f"{argv} ended with {done.returncode}:\n{said}\n{tail(self.logs[name])}\n"
                f"{tail(self.logs[other(name)])}"
            )
        return done

    def start_call(self, who: str, name: str, *words: str) -> Running:
        """Start a call that is not waited for."""
        options, addresses = _split(words)
        return self.start(who, name, "call", *options, other(name), *addresses)

    def wait_unlocked(self, name: str) -> None:
        """Wait until no session of a node holds its locks, as a Go tool does a while after the session."""

        def is_free() -> bool:
            neighbour = self.books[name].find(other(name)).id
            try:
                for kind in (LockKind.RX, LockKind.TX):
                    with self.spools[name].lock(neighbour, kind):
                        pass
            except StoreBusy:
                return False
            return True

        wait_until(is_free, UNLOCK_SECONDS, f"the end of the locks of {name}")

    # Packets

    def fill(
        self,
        name: str,
        count: int,
        seed: str = "packets",
        *,
        mix: Mix = MIXED,
        nices: Sequence[int] = NICES,
    ) -> list[Made]:
        """Queue packets at a node for the other; they are expected there from now on."""
        book = self.books[name]
        # The same chance would make the same packets again.
        chance = f"{seed} of {name} from {len(self.sent[name])}"
        made = make_packets(self.spools[name], book, book.find(other(name)), count, chance, mix, nices)
        self.sent[name] += made
        return made

    def box(self, name: str, box: Box) -> Path:
        """A node's directory of received or outbound packets."""
        return self.spools[name].layout.box(self.books[name].find(other(name)).id, box)

    def packets(self, name: str, box: Box) -> set[PacketId]:
        """The packets in a box."""
        return {PacketId.parse(found) for found in _packet_names(self.box(name, box))}

    def has_all(self, *receivers: str) -> bool:
        """Whether all that was queued is there, and no longer queued; for all nodes, or those named."""
        return all(
            _packet_names(self.box(name, Box.RX)) == {made.packet.text for made in self.sent[other(name)]}
            and not _packet_names(self.box(other(name), Box.TX))
            for name in receivers or ("a", "b")
        )

    def check_all(self) -> None:
        """See that every packet arrived as it was, no other did, and nothing was left lying about."""
        for name in ("a", "b"):
            sent = {made.packet: made.size_bytes for made in self.sent[other(name)]}
            received = self.packets(name, Box.RX)
            assert received == set(sent), f"{name}: {len(received & set(sent))} of {len(sent)} arrived"
            assert self.packets(other(name), Box.TX) == set(), f"{other(name)} did not learn of it"
            for packet in received:
                path = self.box(name, Box.RX) / packet.text
                assert hash_file(path) == packet.raw, f"{name}: {packet} is damaged"
            assert self.leftovers(name) == [], f"{name}: half a packet stayed"

    def leftovers(self, name: str) -> list[str]:
        """What lies in a node's rx and is neither a packet nor a directory."""
        try:
            with os.scandir(self.box(name, Box.RX)) as entries:
                return sorted(
                    entry.name for entry in entries if entry.is_file() and len(entry.name) != ID_CHARS
                )
        except FileNotFoundError:
            return []

    def log_text(self, name: str) -> str:
        """A node's log."""
        path = self.logs[name]
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def explain(self) -> str:
        """Where both nodes stand, for the text of a failure."""
        lines = []
        for name in ("a", "b"):
            lines.append(
                f"{name}: {len(self.packets(name, Box.RX))} of {len(self.sent[other(name)])} received,"
                f" {len(self.packets(name, Box.TX))} queued, {self.leftovers(name)}"
            )
            lines.append(tail(self.logs[name]))
            lines += [tail(output) for output in self.directory.glob(f"{name}-*.out")]
        return "\n".join(lines)


def other(name: str) -> str:
    """The other node's name."""
    return "b" if name == "a" else "a"


def is_listened_on(port: int, pid: int | str = "self") -> bool:
    """Whether somebody listens on a port, told without a connection that the listener would see.

    Args:
        port: of any address, IPv4 or IPv6.
        pid: a process whose network namespace is meant.
    """
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


def hash_file(path: Path) -> bytes:
    """The hash that names a packet."""
    tree = MerkleTreeHash()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(READ_BYTES):
            tree.update(piece)
    return tree.digest()


def _split(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Options, and the address behind ``--``, if there is one."""
    if "--" not in words:
        return list(words), []
    index = words.index("--")
    return list(words[:index]), list(words[index + 1 :])


def _packet_names(directory: Path) -> set[str]:
    """By their length alone, since it is asked for often."""
    try:
        with os.scandir(directory) as entries:
            return {entry.name for entry in entries if len(entry.name) == ID_CHARS}
    except FileNotFoundError:
        return set()
