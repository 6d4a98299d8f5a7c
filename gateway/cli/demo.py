"""``demo``: two nodes in a temporary directory; a mail and an article travel from one to the other."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import click

from gateway.cli.commands import Invocation
from gateway.cli.demo_go import go_tools, show_go
from gateway.cli.demo_news import add_news, show_news
from gateway.cli.demo_nodes import DemoFault, DemoNode, clean_environment, say, show, wait_for
from gateway.config.own_program import own_command
from gateway.exits import OK

VILLAGE, TOWN = "village", "town"
SENDER, RECIPIENT = "alice@village.example", "bob@town.example"


@click.command()
@click.option("--keep", is_flag=True, help="Leave the temporary directory for a closer look.")
@click.pass_obj
def demo(invocation: Invocation, *, keep: bool) -> int:
    """Show two nodes at work: a mail and an article of news travel from one to the other on a stick.

    Everything happens in a temporary directory. Exit status 0: both arrived unchanged.
    """
    started = time.monotonic()
    place = tempfile.mkdtemp(prefix="nncp-gateway-demo-")
    environ = clean_environment(invocation.environ)
    try:
        _play(Path(place), environ)
    finally:
        if keep:
            say(f"All files are left in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    say(f"That was all of it: {time.monotonic() - started:.0f} seconds, and everything is cleaned up.")
    return OK


def _play(place: Path, environ: Mapping[str, str]) -> None:
    # Maildirs and spools of both nodes: nobody else on this machine has to see them.
    os.umask(0o077)
    village = DemoNode(place / VILLAGE, f"{VILLAGE}.example", environ)
    town = DemoNode(place / TOWN, f"{TOWN}.example", environ)
    stick = place / "stick"
    stick.mkdir()
    say("Two places without a network between them, a village and a town, exchange mail and news.")
    say("A program runs in each of them, and somebody carries a stick.\n")
    _make(village)
    _make(town)
    _pair(village, town)
    with village, town:
        _mail(village, town, stick)
        show_news(village, town, stick)
        tools = go_tools(environ)
        if tools is None:
            say("9. The Go NNCP tools are not installed here (nncp-exec, nncp-toss, nncp-xfer and")
            say("   others), so the part where their packets and ours mix is skipped.\n")
        else:
            show_go(tools, place / "harbour", village, town, stick)


def _make(node: DemoNode) -> None:
    number = 1 if node.name == VILLAGE else 2
    say(f"{number}. A node for the {node.name}: keys, two configuration files, a queue. It takes mail by")
    say(f"   SMTP, and delivers what is for {node.domain} into a Maildir.")
    node.command(
        "init", "--directory", str(node.directory), "--hostname", f"mail.{node.domain}",
        "--domain", node.domain, "--deliver", f"maildir:{node.mailbox}", "--smtp-listen", "127.0.0.1:0",
    )  # fmt: skip
    say()


def _pair(village: DemoNode, town: DemoNode) -> None:
    say("3. They get to know each other: each gives the other a block of text with its public keys.")
    for giver, taker in ((village, town), (town, village)):
        block = giver.directory / "block.txt"
        block.write_text(giver.command("invite"), encoding="utf-8")
        taker.command("accept", giver.name, "--domain", giver.domain, str(block))
    say("   A few lines more in gateway.toml, and they exchange news as well.")
    add_news(village, town)
    add_news(town, village)
    say()


def _mail(village: DemoNode, town: DemoNode, stick: Path) -> None:
    message = _message()
    say("4. Both daemons run (nncp-gateway serve). Alice in the village sends a mail to Bob in the")
    say("   town: her mail program speaks SMTP with the daemon, which answers 250 once it is on disk.")
    village.send_by_smtp(SENDER, RECIPIENT, message)
    show(village.command("queue", "list"))
    say("   It waits there for others, to travel with them in one packet, a minute at most.\n")
    say("5. The stick is plugged in. What waits is put into an encrypted packet, and the packet on")
    say("   the stick.")
    village.command("xfer", "--mkdir", str(stick))
    packet = _one_packet(stick)
    say(f"   On the stick: one packet of {packet.stat().st_size} bytes for a mail of {len(message)}. It says")
    say("   who it is from and whom it is for; all else is sealed. The name is the hash of its bytes:")
    show(packet.name)
    show(_pkt(village, packet))
    say()
    say("6. The stick travels to the town. There the packet is taken, checked to its last byte, opened;")
    say("   the mail goes into the town's queue and from there to Bob's mailbox.")
    town.command("xfer", str(stick))
    arrived = wait_for(lambda: next(iter(town.mails()), None), "the mail in the town's mailbox")
    say("\n7. Bob's new mail:")
    content = arrived.read_bytes()
    show(content.decode("utf-8", "replace"))
    if not content.endswith(message):
        raise DemoFault("the mail arrived, but not as it was sent")
    say("   Every byte of it is as Alice sent it; in front stand the lines of those who carried it.")
    say("   And this is what the town's queue says of it:")
    show(town.command("queue", "list", "--all"))
    say()


def _message() -> bytes:
    lines = [
        "From: Alice <alice@village.example>",
        "To: Bob <bob@town.example>",
        "Subject: The road is open again",
        f"Date: {formatdate()}",
        "Message-ID: <demo-1@village.example>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Hello Bob,",
        "",
        "the road is open again, so this stick comes to you with the bread.",
        ".A line that begins with a dot, and one of spaces:   ",
        "   ",
        "Alice",
        "",
    ]
    return "\n".join(lines).encode()


def _one_packet(stick: Path) -> Path:
    packets = [path for path in stick.rglob("*") if path.is_file()]
    if len(packets) != 1:
        raise DemoFault(f"there should be one packet on the stick, and there are {len(packets)}")
    return packets[0]


def _pkt(node: DemoNode, packet: Path) -> str:
    say(f"  {node.name}$ nncp-gateway nncp pkt < {packet.name[:8]}...")
    with packet.open("rb") as source:
        done = subprocess.run(
            [*own_command(), "nncp", "pkt", "-cfg", str(node.directory / "nncp.hjson")],
            stdin=source, capture_output=True, check=False, text=True,
        )  # fmt: skip
    if done.returncode != 0:
        raise DemoFault(f"nncp pkt ended with {done.returncode}: {done.stderr}")
    return done.stdout
