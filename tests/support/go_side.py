"""A node with the Go tools that keeps what comes for its handle ``sendmail``, as NNCP's recipes have it."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.gateways import GatewayNode
from tests.support.gonncp import GoNode
from tests.support.peers import require

HANDLER = """\
#!/bin/sh
# Keeps what it is given, as a mail server would; the environment has no PATH.
number=$(/bin/ls {home}/got | /usr/bin/wc -l)
/usr/bin/printf '%s\\n' "$@" >{home}/got/$number.args
/bin/cat >{home}/got/$number.mail.tmp
/bin/mv {home}/got/$number.mail.tmp {home}/got/$number.mail
"""


class GoSide:
    """A Go node that keeps what comes for its handle ``sendmail``."""

    def __init__(self, place: Path, name: str) -> None:
        require("nncp-toss", "nncp-exec", "nncp-xfer", "nncp-cfgmin")
        self.node = GoNode(place / name, name)
        config = {
            "spool": str(self.node.spool),
            "log": str(self.node.log_path),
            "self": self.node.keys,
            "neigh": {"self": self._public(self.node.keys)},
        }
        self.node.save(config)
        (self.node.home / "got").mkdir()
        self.handler = self.node.home / "sendmail"
        self.handler.write_text(HANDLER.format(home=self.node.home))
        self.handler.chmod(0o755)

    @staticmethod
    def _public(keys: dict[str, str]) -> dict[str, str]:
        return {key: keys[key] for key in ("id", "exchpub", "signpub", "noisepub")}

    def know(self, other: GatewayNode, via: Sequence[str] = ()) -> None:
        """Put a node of ours into the Go configuration."""
        config = self.node.config()
        entry = self._public(other.nncp()["self"]) | {"exec": {"sendmail": [str(self.handler)]}}
        config["neigh"][other.name] = entry | ({"via": list(via)} if via else {})
        self.node.save(config)

    def meet(self, other: GatewayNode, *options: str) -> None:
        """Let both know each other; ours reads what nncp-cfgmin prints."""
        self.know(other)
        block = self.node.run("nncp-cfgmin").stdout
        words = ("accept", self.node.name, "--domain", f"{self.node.name}.test", *options)
        other.run(*words, stdin=block)

    def mails(self) -> list[tuple[list[str], bytes]]:
        """The arguments and the input of each run of the handler."""
        got = sorted((self.node.home / "got").glob("*.mail"))
        return [(path.with_suffix(".args").read_text().splitlines(), path.read_bytes()) for path in got]

    def take(self, stick: Path) -> None:
        self.node.run("nncp-xfer", "-quiet", "-rx", str(stick))
        self.node.toss()

    def give(self, stick: Path) -> None:
        stick.mkdir(exist_ok=True)
        self.node.run("nncp-xfer", "-quiet", "-mkdir", "-tx", str(stick))

    def send(self, to: str, recipients: Sequence[str], sender: str, message: bytes) -> None:
        body = f"Return-Path: <{sender}>\n".encode() + message
        self.node.run("nncp-exec", "-quiet", "-noprogress", to, "sendmail", *recipients, stdin=body)
