"""Nodes of ours in directories of their own: made by ``init`` and ``accept``, run by our commands.

Commands run within the test's process unless ``child`` is asked for, since starting Python costs
more than most of them do; ``serving`` starts the daemon as a process of its own.
"""

import contextlib
import io
import json
import logging
import os
import re
import smtplib
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hjson

from gateway.cli.main import run
from tests.support import maildir
from tests.support.network import Machine
from tests.support.processes import Running, tail, wait_until

START_SECONDS = 60
CHILD_SECONDS = 120
MODULE = (sys.executable, "-m", "gateway.cli.main")

_PORT = re.compile(r"SMTP on 127\.0\.0\.1:(\d+)")
_READY = re.compile(r"ready: ")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to.

    Attributes:
        status: its exit status.
        out, err: what it printed.
    """

    status: int
    out: str
    err: str


def clean_environ(**more: str) -> dict[str, str]:
    """Our environment without anything that NNCP tools look at."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("NNCP", "NOTIFY_"))}
    return environ | more


def run_here(words: Sequence[str], stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Done:
    """Run one command line within this process."""
    out, err = _Bytes(), io.StringIO()
    with _standard_input(stdin), kept_logging():
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(list(words), clean_environ() if environ is None else environ)
        out.flush()
        written = out.buffer.getvalue()  # type: ignore[attr-defined] # it is the BytesIO below
    return Done(status, written.decode("utf-8", "surrogateescape"), err.getvalue())


def run_child(words: Sequence[str], stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Done:
    """Run one command line as a process of its own."""
    done = subprocess.run(
        [*MODULE, *words],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=CHILD_SECONDS,
        env=dict(clean_environ() if environ is None else environ),
    )
    return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class GatewayNode:
    """One node.

    Args:
        directory: is made; its name is what others call the node.
        domain: delivered into ``mailbox``.
        options: more options of ``init``.
    """

    def __init__(self, directory: Path, domain: str, *options: str) -> None:
        self.name = directory.name
        self.domain = domain
        self.home = directory
        self.config_path = directory / "gateway.toml"
        self.nncp_path = directory / "nncp.hjson"
        self.spool = directory / "spool"
        self.mailbox = directory / "mail"
        self.log_path = directory / "serve.log"
        words = ["init", "--directory", str(directory), "--hostname", f"mail.{domain}", "--domain", domain]
        words += ["--deliver", f"maildir:{self.mailbox}", "--smtp-listen", "127.0.0.1:0", *options]
        done = run_here(words)
        assert done.status == 0, done.err
        # A test carries several times within a second.
        self.set_toml("batch", "flush_interval_seconds = 0\n")
        self.id: str = self.nncp()["self"]["id"]

    def nncp(self) -> dict[str, Any]:
        """The NNCP configuration as it stands in the file."""
        loaded: dict[str, Any] = hjson.loads(self.nncp_path.read_text())
        return loaded

    def run(self, *words: str, stdin: bytes = b"", is_checked: bool = True, is_child: bool = False) -> Done:
        """Run a command of this node; a failure fails the test unless told otherwise."""
        runner = run_child if is_child else run_here
        done = runner(["-c", str(self.config_path), *words], stdin)
        if is_checked and done.status != 0:
            raise AssertionError(
                f"{' '.join(words)} on {self.name} ended with {done.status}:\n{done.err}{done.out}"
            )
        return done

    def accept(self, other: "GatewayNode", *options: str) -> None:
        """Make another node known here, by its own name, with a route for its domain."""
        block = other.run("invite").out
        words = ("accept", other.name, "--domain", other.domain, *options)
        self.run(*words, stdin=block.encode())

    def set_toml(self, table: str, text: str) -> None:
        """Put lines into a table of ``gateway.toml``, which must not have them yet."""
        toml = self.config_path.read_text()
        header = f"[{table}]\n"
        toml = toml.replace(header, header + text, 1) if header in toml else f"{toml}\n{header}{text}"
        self.config_path.write_text(toml)

    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Done:
        """Put one message in the outbox, through the pipe command."""
        return self.run("send", "-f", sender, "--", *recipients, stdin=message)

    def carry_to(self, other: "GatewayNode", stick: Path, *options: str) -> None:
        """Put what waits on a stick, and let the other take it."""
        stick.mkdir(exist_ok=True)
        self.run("xfer", "--tx", "--mkdir", *options, str(stick))
        other.run("xfer", "--rx", str(stick))

    def packets(self, other_id: str, box: str = "tx") -> list[Path]:
        """The packets in one box of a neighbour."""
        directory = self.spool / other_id / box
        return sorted(path for path in directory.glob("*") if path.is_file() and len(path.name) == 52)

    def queue(self, *options: str) -> list[dict[str, Any]]:
        """The messages of the queue."""
        listed: list[dict[str, Any]] = json.loads(self.run("queue", "list", "--json", *options).out)
        return listed

    def states(self, *options: str) -> list[str]:
        """The states of all recipients."""
        messages = self.queue("--all", *options)
        return [recipient["state"] for message in messages for recipient in message["recipients"]]

    def mails(self) -> list[bytes]:
        """What was delivered here, the oldest first."""
        return [path.read_bytes() for path in maildir.messages(self.mailbox)]

    def wait_for_mails(self, count: int, seconds: float = 60) -> list[bytes]:
        """Wait for that many mails or more."""
        found = maildir.wait_for_messages(self.mailbox, count, seconds, lambda: tail(self.log_path))
        return [path.read_bytes() for path in found]

    @contextlib.contextmanager
    def serving(self, *options: str, on: Machine | None = None) -> Generator[Running]:
        """Run the daemon, here or on another machine; it is ready when this yields, and is stopped then."""
        before = len(self.log_text())
        argv = [*MODULE, "-c", str(self.config_path), "serve", *options]
        argv = argv if on is None else on.argv(*argv)
        with Running(argv, self.log_path, env=clean_environ()) as daemon:
            daemon.wait_ready(lambda: _READY.search(self.log_text()[before:]), START_SECONDS, "ready")
            yield daemon

    def log_text(self) -> str:
        """What the daemons of this node wrote."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def port(self) -> int:
        """The SMTP port of the daemon that was started last."""
        return int(_PORT.findall(self.log_text())[-1])

    def submit(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Hand one message, with LF line ends, to the daemon by SMTP."""
        # Not as a context manager: one that fails while it connects would leave its socket open.
        client = smtplib.SMTP(timeout=60)
        try:
            client.connect("127.0.0.1", self.port())
            client.sendmail(sender, list(recipients), message.replace(b"\n", b"\r\n"))
            client.quit()
        finally:
            client.close()

    def wait_for_states(self, states: Sequence[str], seconds: float = 60) -> None:
        """Wait until the recipients are in these states, in any order."""
        wait_until(
            lambda: sorted(self.states()) == sorted(states),
            seconds,
            f"{self.name}: {', '.join(states)}",
            explain=lambda: f"{self.states()}\n{tail(self.log_path)}",
        )


def pair(one: GatewayNode, other: GatewayNode, *options: str) -> None:
    """Let two nodes get to know each other."""
    one.accept(other, *options)
    other.accept(one, *options)


def mail(number: int, sender: str, recipient: str, body: str = "hello\n") -> bytes:
    """A message with LF line ends."""
    lines = (
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: number {number}",
        f"Message-ID: <{number}@test>",
    )
    return "\n".join((*lines, "", body)).encode()


class _Bytes(io.TextIOWrapper):
    """Standard output that keeps bytes, as ``queue show --body`` writes them."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", write_through=True)


@contextlib.contextmanager
def _standard_input(content: bytes) -> Iterator[None]:
    before = sys.stdin
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        with io.TextIOWrapper(file, encoding="utf-8") as text:
            sys.stdin = text
            try:
                yield
            finally:
                sys.stdin = before


@contextlib.contextmanager
def kept_logging() -> Iterator[None]:
    """Undo what a command does to the logging of the process."""
    root, mail_log = logging.getLogger(), logging.getLogger("gateway.mail")
    before = root.handlers[:], root.level, mail_log.handlers[:], mail_log.level, mail_log.propagate
    try:
        yield
    finally:
        for handler in {*root.handlers, *mail_log.handlers} - {*before[0], *before[2]}:
            handler.close()
        root.handlers[:], mail_log.handlers[:] = before[0], before[2]
        root.setLevel(before[1])
        mail_log.setLevel(before[3])
        mail_log.propagate = before[4]
