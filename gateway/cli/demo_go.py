"""The part of the demonstration with the Go NNCP tools: their packets and ours in one network."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo_nodes import DemoFault, DemoNode, say, show, wait_for
from gateway.config.edit_hjson import HjsonText
from gateway.config.nncp_document import parse_document
from gateway.durable import Disk

TOOLS = ("nncp-cfgnew", "nncp-cfgmin", "nncp-exec", "nncp-xfer", "nncp-toss")
RUN_SECONDS = 60
SENDER, RECIPIENT = "carla@harbour.example", "bob@town.example"
DOMAIN = "harbour.example"


@dataclass(frozen=True, slots=True)
class GoTools:
    """Where the Go tools are.

    Args:
        paths: absolute path of each.
        version: what they say of themselves.
        environ: the environment they run in.
    """

    paths: Mapping[str, str]
    version: str
    environ: Mapping[str, str]

    def run(self, tool: str, *words: str, stdin: bytes = b"") -> str:
        """Run one of them; returns what it printed.

        Raises:
            DemoFault: it failed.
        """
        done = subprocess.run(
            [self.paths[tool], *words],
            input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS, env=dict(self.environ),
        )  # fmt: skip
        if done.returncode != 0:
            raise DemoFault(f"{tool} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode("utf-8", "replace")


def go_tools(environ: Mapping[str, str]) -> GoTools | None:
    """The Go tools, or None: they are not installed."""
    paths = {tool: shutil.which(tool, path=environ.get("PATH")) for tool in TOOLS}
    found = {tool: path for tool, path in paths.items() if path is not None}
    if len(found) != len(TOOLS):
        return None
    tools = GoTools(found, "", environ)
    version = tools.run("nncp-exec", "-version").splitlines()[0]
    return GoTools(found, version, environ) if "built with go" in version else None


def show_go(tools: GoTools, home: Path, village: DemoNode, town: DemoNode, stick: Path) -> None:
    """Let a node of the Go tools send a mail to the town, and the village one to it."""
    say(f"9. A harbour joins them. It runs the Go NNCP tools ({tools.version}), which know")
    say("   nothing of us. Each of the two configurations learns the other's keys.")
    config = _make_harbour(tools, home)
    block = home / "block.txt"
    block.write_text(tools.run("nncp-cfgmin", "-cfg", str(config)), encoding="utf-8")
    for node in (village, town):
        node.command("accept", home.name, "--domain", DOMAIN, str(block))
        _teach(config, node)
    # The daemons read the configuration when they start.
    for node in (village, town):
        node.restart()
    say()
    _from_go(tools, config, town, stick)
    _to_go(tools, config, home, village, stick)


def _make_harbour(tools: GoTools, home: Path) -> Path:
    """A node of the Go tools; mail for it ends in a file."""
    for directory in (home, home / "spool"):
        directory.mkdir()
    text = tools.run("nncp-cfgnew", "-nocomments")
    # cfgnew has no option for these two.
    text = text.replace("spool: /var/spool/nncp\n", f"spool: {home / 'spool'}\n")
    text = text.replace("log: /var/spool/nncp/log\n", f"log: {home / 'log'}\n")
    config = home / "nncp.hjson"
    Disk().write_file(config, text.encode(), 0o600)
    handler = home / "sendmail"
    handler.write_text(f'#!/bin/sh\n/bin/cat > "{home}/mail.tmp"\n/bin/mv "{home}/mail.tmp" "{home}/mail"\n')
    handler.chmod(0o700)
    return config


def _teach(config: Path, node: DemoNode) -> None:
    """Put one of our nodes into the Go configuration, as a person would with an editor."""
    block = parse_document(node.command("invite", is_told=False), config)
    neigh = block["neigh"]
    if not isinstance(neigh, dict):
        raise DemoFault("our own block has no neigh")
    member = dict(neigh["self"])
    member["exec"] = {"sendmail": [str(config.parent / "sendmail")]}
    text = HjsonText(config.read_text(encoding="utf-8"), str(config)).insert(("neigh",), {node.name: member})
    Disk().write_file(config, text.encode(), 0o600)


def _from_go(tools: GoTools, config: Path, town: DemoNode, stick: Path) -> None:
    say("10. From the harbour to the town: the Go tools make the packet, as the NNCP manual has it.")
    message = _message(SENDER, RECIPIENT, "From a node with the Go tools")
    say(f"  harbour$ nncp-exec {town.name} sendmail {RECIPIENT} < mail; nncp-xfer stick")
    common = ("-cfg", str(config), "-quiet", "-noprogress")
    body = f"Return-Path: <{SENDER}>\n".encode() + message
    tools.run("nncp-exec", *common, town.name, "sendmail", RECIPIENT, stdin=body)
    tools.run("nncp-xfer", *common, "-mkdir", "-tx", str(stick))
    before = set(town.mails())
    town.command("xfer", str(stick))
    arrived = wait_for(lambda: next(iter(set(town.mails()) - before), None), "the mail of the harbour")
    _compare(arrived, message)


def _to_go(tools: GoTools, config: Path, home: Path, village: DemoNode, stick: Path) -> None:
    say("11. From the village to the harbour: we make the packet, the Go tools toss it, and start")
    say("    what they have as sendmail there, a small script.")
    message = _message("alice@village.example", f"carla@{DOMAIN}", "To a node with the Go tools")
    village.send_by_smtp("alice@village.example", f"carla@{DOMAIN}", message)
    village.command("xfer", "--mkdir", str(stick))
    say("  harbour$ nncp-xfer stick; nncp-toss")
    common = ("-cfg", str(config), "-quiet", "-noprogress")
    tools.run("nncp-xfer", *common, "-rx", str(stick))
    tools.run("nncp-toss", *common)
    arrived = home / "mail"
    wait_for(lambda: arrived if arrived.exists() else None, "the mail in the harbour")
    _compare(arrived, message)


def _compare(arrived: Path, message: bytes) -> None:
    content = arrived.read_bytes()
    if not content.endswith(message):
        raise DemoFault(f"the mail in {arrived} is not as it was sent")
    show(content.decode("utf-8", "replace"))
    say("   Unchanged.\n")


def _message(sender: str, recipient: str, subject: str) -> bytes:
    lines = (
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: {subject}",
        "",
        "One network, two programs.",
        "",
    )
    return "\n".join(lines).encode()
