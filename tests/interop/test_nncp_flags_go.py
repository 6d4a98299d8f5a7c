import re
import subprocess
from collections.abc import Mapping

import pytest

from gateway.cli.nncp.flags import Verb, parse, usage_of
from gateway.cli.nncp.verbs import VERBS
from tests.support.gonncp import is_go_8_8
from tests.support.peers import require

RUN_SECONDS = 60

NEWER: Mapping[str, frozenset[str]] = {
    "toss": frozenset({"gen-ack"}),
    "call": frozenset({"autotoss-gen-ack"}),
    "caller": frozenset({"autotoss-gen-ack"}),
    "daemon": frozenset({"autotoss-gen-ack"}),
    "ack": frozenset({"minsize int", "minsize uint"}),
    "rm": frozenset({"ack"}),
}
"""Flags that the Go commands have, or have so, from version 8.11 on."""

LINES: list[tuple[str, list[str]]] = [
    ("exec", ["-bad"]),
    ("exec", ["-cfg"]),
    ("exec", ["-nice"]),
    ("exec", ["-minsize", "abc", "-version"]),
    ("exec", ["-minsize=-1", "-version"]),
    ("exec", ["-minsize", "+1", "-version"]),
    ("exec", ["-minsize", "0x10", "-version"]),
    ("exec", ["-minsize", "010", "-version"]),
    ("exec", ["-minsize", "08", "-version"]),
    ("exec", ["-minsize", "1_0", "-version"]),
    ("exec", ["-minsize", " 1", "-version"]),
    ("exec", ["-minsize", "1 ", "-version"]),
    ("exec", ["-minsize", "", "-version"]),
    ("exec", ["-minsize", "0o17", "-version"]),
    ("exec", ["-minsize", "0b11", "-version"]),
    ("exec", ["-minsize", "1.0", "-version"]),
    ("exec", ["-minsize", "18446744073709551615", "-version"]),
    ("exec", ["-minsize", "18446744073709551616", "-version"]),
    ("exec", ["-version", "-bad"]),
    ("exec", ["-version=false", "-h"]),
    ("exec", ["--version"]),
    ("exec", ["-version=T"]),
    ("exec", ["-version=yes"]),
    ("exec", ["-version="]),
    ("exec", ["---version"]),
    ("exec", ["-=x"]),
    ("exec", ["-="]),
    ("exec", ["-cfg", "-version", "-version"]),
    ("exec", ["-cfg=", "-version"]),
    ("exec", ["-h"]),
    ("exec", ["-help"]),
    ("exec", ["--help"]),
    ("exec", ["-warranty"]),
    ("stat", ["-log", "x"]),
    ("stat", ["-quiet"]),
    ("stat", ["-pkt=x"]),
    ("stat", ["-pkt", "-version"]),
    ("hash", ["-cfg", "x"]),
    ("hash", ["-seek", "x"]),
    ("cfgnew", ["-area", "-version", "-version"]),
    ("toss", ["-cycle", "1x"]),
]


def run(verb: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    argv = [require(f"nncp-{verb}"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=RUN_SECONDS)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_verb_has_the_flags_of_the_go_command(verb: Verb) -> None:
    """Each verb has the flags of the Go command, of the same types, with the same defaults."""

    def flags_of(usage: str) -> list[tuple[str, str]]:
        found = re.findall(r"^  -([^\t\n]*)(?:\n    )?\t(.*)$", usage, flags=re.MULTILINE)
        newer = NEWER.get(verb.name, frozenset())
        return [(flag, purpose.partition(" (default ")[2]) for flag, purpose in found if flag not in newer]

    def usages_of(usage: str) -> list[str]:
        found = re.findall(rf"^(?:Usage:|      ) \S*(nncp-{verb.name} .*)$", usage, flags=re.MULTILINE)
        return [line for line in found if not line.endswith(" -ack")]

    theirs = run(verb.name, ["-h"]).stderr
    assert flags_of(usage_of(verb)) == flags_of(theirs)
    # nncp-cfgnew prints no such line, and 8.11 words some of them differently.
    if verb.name != "cfgnew" and is_go_8_8():
        assert usages_of(usage_of(verb)) == usages_of(theirs)


@pytest.mark.parametrize(("verb", "arguments"), LINES)
def test_command_line_is_taken_or_refused_as_by_go(
    verb: str, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong flag is refused with the same words and exit status as by the Go command."""
    theirs = run(verb, arguments)
    ours = parse(VERBS[verb], arguments)
    said = capfd.readouterr().err.splitlines()
    assert ours == theirs.returncode
    if ours == 2:
        assert said[0] == theirs.stderr.splitlines()[0]
