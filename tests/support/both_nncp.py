"""The same command on the same node, by Go NNCP or by us."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.gonncp import GoMesh, GoNode
from tests.support.nncp_verbs import run_verb_process

OURS, GO = "ours", "go"
_WHEN = re.compile(r"^\S+Z ", re.MULTILINE)


def run_nncp(
    who: str, node: GoNode, verb: str, *arguments: str | Path, stdin: bytes = b"", is_checked: bool = True
) -> "subprocess.CompletedProcess[bytes]":
    """Run ``nncp VERB`` with a node's configuration.

    Args:
        who: OURS or GO.
        node: whose configuration.
        verb: without ``nncp-``.
        arguments: flags and arguments.
        stdin: the input.
        is_checked: whether a status other than 0 fails the test.
    """
    texts = [str(argument) for argument in arguments]
    if who == GO:
        return node.run(f"nncp-{verb}", *texts, stdin=stdin, check=is_checked)
    return run_verb_process(verb, "-cfg", node.config_path, *texts, stdin=stdin, is_checked=is_checked)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a recording handler was given."""

    arguments: str
    environment: dict[str, str]
    body: bytes


class Recorder:
    """A handler that writes down what it was given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)

    @property
    def argv(self) -> list[str]:
        where = self.directory
        script = (
            f'd=$(/usr/bin/mktemp -d {where}/XXXXXX); printf "[%s]" "$@" > $d/args; '
            "/usr/bin/env > $d/env; /bin/cat > $d/body; echo handled; /bin/mv $d $d.done"
        )
        return ["/bin/sh", "-c", script, "sh", "configured"]

    def runs(self) -> list[Ran]:
        """What was recorded, in order of arguments and body."""
        found = []
        for place in self.directory.glob("*.done"):
            lines = (place / "env").read_text().splitlines()
            environment = dict(line.split("=", 1) for line in lines)
            # What the shell itself adds.
            for name in ("PWD", "OLDPWD", "SHLVL", "_"):
                environment.pop(name, None)
            found.append(Ran((place / "args").read_text(), environment, (place / "body").read_bytes()))
        return sorted(found, key=lambda ran: (ran.arguments, ran.body))

    def clear(self) -> None:
        """Forget what was recorded."""
        shutil.rmtree(self.directory)
        self.directory.mkdir()

    def only(self) -> Ran:
        """The single run."""
        [ran] = self.runs()
        return ran


def carry(mesh: GoMesh, source: str, target: str, *, sender: str = GO, receiver: str = GO) -> None:
    """Take packets from one node to another through a stick, each half by Go or by us."""
    stick = mesh.directory / f"stick-{source}-{target}"
    stick.mkdir(exist_ok=True)
    run_nncp(sender, mesh[source], "xfer", "-quiet", "-mkdir", "-tx", "-node", target, stick)
    run_nncp(receiver, mesh[target], "xfer", "-quiet", "-rx", stick)


def without_times(text: str | bytes) -> list[str]:
    """Lines that are printed for people, without their times, sorted."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return sorted(_WHEN.sub("", decoded).splitlines())


def records_of(log: str, without: Sequence[str] = ("When",)) -> list[list[str]]:
    """The records of a log, each without some of its fields, sorted."""
    records = [record.split("\n") for record in log.strip("\n").split("\n\n") if record]
    return sorted([line for line in record if line.split(":")[0] not in without] for record in records)
