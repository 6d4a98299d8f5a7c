"""A shell at a node: ``nncp-exec`` and the others are ours, the configuration is the node's.

Commands that people wrote for Go NNCP run in it as they are.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.gonncp import GoNode
from tests.support.nncp_verbs import verb_environ

PROGRAM = Path(sys.executable).with_name("nncp-gateway")
SHELL_SECONDS = 120


class NodeShell:
    """Runs shell commands as the operator of a node would.

    Args:
        node: whose configuration.
    """

    def __init__(self, node: GoNode) -> None:
        self.node = node
        self._names = node.home / "bin"
        self._names.mkdir(exist_ok=True)
        subprocess.run(
            [PROGRAM, "links", self._names], check=True, capture_output=True, timeout=SHELL_SECONDS
        )

    @property
    def environ(self) -> dict[str, str]:
        """What the commands, and the handlers that they start, find in their environment."""
        inherited = verb_environ(NNCPCFG=str(self.node.config_path), HOME=str(self.node.home))
        # Signatures and defaults of whoever runs the tests must not change what git does.
        return {
            **inherited,
            "PATH": f"{self._names}:{inherited.get('PATH', '/usr/bin:/bin')}",
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }

    def run(self, script: str, *, is_checked: bool = True) -> str:
        """Run a script by ``sh -e`` in the node's directory; returns what it printed.

        Args:
            script: shell commands.
            is_checked: whether a failure fails the test, with what was said.
        """
        done = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=self.node.home,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SHELL_SECONDS,
        )
        if is_checked and done.returncode != 0:
            raise AssertionError(f"{script}\nended with {done.returncode}:\n{done.stderr.decode()}")
        return done.stdout.decode()


def carry_by_stick(sender: NodeShell, receiver: NodeShell) -> None:
    """Take what waits at one node to the other, and toss it there."""
    stick = sender.node.home / f"stick-{receiver.node.name}"
    stick.mkdir(exist_ok=True)
    sender.run(f"nncp-xfer -quiet -mkdir -tx -node {receiver.node.name} {stick}")
    receiver.run(f"nncp-xfer -quiet -rx {stick}; nncp-toss -quiet")
