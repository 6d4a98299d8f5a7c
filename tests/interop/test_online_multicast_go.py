"""Multicast discovery between Go NNCP and us, over a cable between two machines of our own."""

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.link.posix_pattern import compile_posix
from tests.support.gonncp import GoMesh
from tests.support.network import Machine, cabled
from tests.support.nncp_verbs import verb_environ
from tests.support.peers import require

RUN_SECONDS = 60
NAMES = ("eth0", "eth10", "veth.7", "br-lan", "x{,2}", "a]b")
PATTERNS = (
    "eth", "^eth", "^eth.$", "^(eth|br)[0-9]*", "h[[:digit:]]{2}$", "h[[:digit:]]{2,}$", "^v?eth", "^e*?t",
    "(^b|\\.)", "[^[:alnum:]-]", "[]x]", "[^]a-z0-9.-]", "^[--f]", "[b-]r?", "x{,2}", "[\\]]", "[.]",
    "^()e|^$", "a**]", "|", "^*", "a{0}", "(", ")", "[", "*", "+a", "{2}", "\\d", "[[:x:]]", "[b-a]",
    "[a-b-c]", "a{2,1}", "a{1001}", "e\\", "[[:alpha:]", "[a-", "(?:eth)", "\\beth", "e??", "\\.7$",
    "[[:^alpha:]]0",
    "[^[:^alpha:]]l",
)  # fmt: skip


@pytest.fixture
def network() -> Generator[tuple[Machine, Machine]]:
    with cabled() as machines:
        yield machines


def add_cables(machine: Machine) -> None:
    """Give a machine interfaces with the names above, each with a cable that ends in ``peerN``."""
    for number, name in enumerate(NAMES):
        machine.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"peer{number}")
        for side, address in ((name, f"fe80::1:{number}"), (f"peer{number}", f"fe80::2:{number}")):
            machine.run("ip", "link", "set", side, "addrgenmode", "none")
            machine.run("ip", "address", "add", f"{address}/64", "dev", side, "nodad")
            machine.run("ip", "link", "set", side, "up")


def heard_from(machine: Machine, commands: list[list[str]]) -> Iterator[tuple[int, str, set[str]]]:
    """Status, standard error and the interfaces each command announced something on."""
    done = subprocess.run(
        machine.argv(sys.executable, "-m", "tests.support.announced", json.dumps(commands)),
        capture_output=True,
        check=True,
        timeout=RUN_SECONDS,
        env=verb_environ(),
    )
    for status, said, heard in json.loads(done.stdout):
        yield status, said, {NAMES[int(end.removeprefix("peer"))] for end in heard if end.startswith("peer")}


def test_pattern_names_the_same_interfaces(network: tuple[Machine, Machine], tmp_path: Path) -> None:
    """Every pattern of interfaces means to us what it means to Go, or is refused by both."""
    add_cables(network[0])
    config = GoMesh(tmp_path / "mesh", ["a"])["a"].config()
    commands = []
    for number, pattern in enumerate(PATTERNS):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({**config, "mcd-send": {pattern: 1}}))
        commands.append([require("nncp-daemon"), "-cfg", str(path), "-mcd-once"])
    different: dict[str, object] = {}
    for pattern, theirs in zip(PATTERNS, heard_from(network[0], commands), strict=True):
        try:
            compiled = compile_posix(pattern)
        except ConfigError as error:
            if theirs[0] == 0:
                different[pattern] = (str(error), theirs)
        else:
            ours = {name for name in NAMES if compiled.search(name)}
            # Go gives up at the first interface that cannot multicast.
            is_loopback_meant = bool(compiled.search("lo")) and "%lo]" in theirs[1]
            if not is_loopback_meant and (theirs[0] != 0 or ours != theirs[2]):
                different[pattern] = (ours, theirs)
    assert not different
