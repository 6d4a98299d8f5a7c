"""A network of its own for a test: two machines, a and b, with one cable between them.

Each machine is a network namespace held by a process of ours, and is gone with it; nothing of the real
network is touched. The interface is called ``cable`` on both sides; it has a link-local IPv6 address and
10.99.0.1 or 10.99.0.2.
"""

import contextlib
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.peers import require, require_root
from tests.support.processes import wait_until

CABLE = "cable"
RUN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Machine:
    """One side.

    Attributes:
        pid: of the process that holds the namespace.
        ipv4, ipv6: of its end of the cable; the latter without its zone.
    """

    pid: int
    ipv4: str
    ipv6: str

    def argv(self, *words: str | Path) -> list[str]:
        """The command that runs another one on this machine."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *map(str, words)]

    def run(self, *words: str | Path) -> None:
        """Run a command to its end; a failure fails the test."""
        done = self._try(*words)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: {done.stderr.decode(errors='replace')}")

    def can_multicast(self) -> bool:
        """Whether its end of the cable is up, which takes a moment after it was told to be."""
        return self._try("ip", "route", "get", "ff02::1", "oif", CABLE).returncode == 0

    def _try(self, *words: str | Path) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            self.argv(*words), capture_output=True, check=False, timeout=RUN_SECONDS, stdin=subprocess.DEVNULL
        )


@contextlib.contextmanager
def cabled() -> Generator[tuple[Machine, Machine]]:
    """Two machines with a cable between them; the test is skipped where that is not possible."""
    require("ip", "unshare", "nsenter")
    require_root()
    with _held("10.99.0.1", "fe80::a") as a, _held("10.99.0.2", "fe80::b") as b:
        a.run("ip", "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", str(b.pid))
        for machine in (a, b):
            machine.run("ip", "link", "set", "lo", "up")
            # Addresses of our own need not be probed for a duplicate, which takes seconds.
            machine.run("ip", "link", "set", CABLE, "addrgenmode", "none")
            machine.run("ip", "address", "add", f"{machine.ipv4}/24", "dev", CABLE)
            machine.run("ip", "address", "add", f"{machine.ipv6}/64", "dev", CABLE, "nodad")
            machine.run("ip", "link", "set", CABLE, "up")
        for machine in (a, b):
            wait_until(machine.can_multicast, RUN_SECONDS, "a cable that is up")
        yield a, b


@contextlib.contextmanager
def _held(ipv4: str, ipv6: str) -> Generator[Machine]:
    """A namespace that lives as long as the standard input of its holder is open."""
    holder = subprocess.Popen(
        ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        ours = _namespace_of("self")
        wait_until(
            lambda: holder.poll() is not None or _namespace_of(str(holder.pid)) not in {ours, ""},
            RUN_SECONDS,
            "a network namespace",
        )
        if holder.poll() is not None:
            said = holder.communicate()[0].decode(errors="replace")
            # Not for want of a peer: in many containers nobody may make one.
            pytest.skip(f"no network namespaces here: {said.strip()}")
        yield Machine(holder.pid, ipv4, ipv6)
    finally:
        holder.communicate()


def _namespace_of(pid: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return ""
