"""A node of the demonstration: its directory, its commands, its daemon, its mailbox."""

import contextlib
import io
import re
import signal
import smtplib
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

from gateway.cli.main import run
from gateway.config.own_program import PROGRAM_NAME, own_command
from gateway.durable import Disk
from gateway.errors import GatewayError

Result = TypeVar("Result")

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
STOP_SECONDS = 30.0
_SMTP_PORT = re.compile(r"SMTP on 127\.0\.0\.1:(\d+)")


class DemoFault(GatewayError):
    """A step of the demonstration did not do what it should."""


def say(text: str = "") -> None:
    """Print for the person who watches."""
    print(text, flush=True)


def show(text: str) -> None:
    """Print something that a program wrote, set off from our own words."""
    for line in text.rstrip("\n").splitlines():
        say(f"    | {line}")


def wait_for(look: Callable[[], Result | None], what: str) -> Result:
    """Look again and again until there is something.

    Raises:
        DemoFault: it took too long.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            raise DemoFault(f"waited {WAIT_SECONDS:g} s in vain for {what}")
        time.sleep(POLL_SECONDS)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would point NNCP tools to another node."""
    return {name: value for name, value in environ.items() if not name.startswith(("NNCP", "NOTIFY_SOCKET"))}


class DemoNode:
    """One node of ours; as a context manager its daemon runs.

    Args:
        directory: is made.
        domain: what it delivers, into ``mailbox``.
        environ: the environment of its programs.
    """

    def __init__(self, directory: Path, domain: str, environ: Mapping[str, str]) -> None:
        self.name = directory.name
        self.domain = domain
        self.directory = directory
        self.config_path = directory / "gateway.toml"
        self.mailbox = directory / "mail"
        self.log_path = directory / "serve.log"
        self._environ = environ
        self._daemon: subprocess.Popen[bytes] | None = None

    def command(self, *words: str, is_told: bool = True) -> str:
        """Run one of our commands; returns what it printed.

        Args:
            words: behind ``nncp-gateway``.
            is_told: whether the command is shown.

        Raises:
            DemoFault: it failed.
        """
        if is_told:
            typed = " ".join(words).replace(str(self.directory.parent), ".")
            say(f"  {self.name}$ {PROGRAM_NAME} {typed}")
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(["-c", str(self.config_path), *words], self._environ)
        if status != 0:
            raise DemoFault(f"{' '.join(words)} ended with {status}: {err.getvalue()}{out.getvalue()}")
        return out.getvalue()

    def configure(self, table: str, *lines: str) -> None:
        """Put lines into a table of the configuration; its text stays as it is."""
        text, header = self.config_path.read_text(encoding="utf-8"), f"\n[{table}]\n"
        added = header + "".join(f"{line}\n" for line in lines)
        text = text.replace(header, added, 1) if header in text else text + added
        Disk().write_file(self.config_path, text.encode(), 0o600)

    def packets(self) -> list[Path]:
        """The packets that wait to be carried away."""
        boxes = (self.directory / "spool").glob("*/tx/*")
        # A neighbour's directory is there under its name as well, as a link.
        return sorted({path.resolve() for path in boxes if path.is_file() and not path.name.startswith(".")})

    def mails(self) -> list[Path]:
        """What was delivered."""
        return sorted((self.mailbox / "new").glob("*"))

    def send_by_smtp(self, sender: str, recipient: str, message: bytes) -> None:
        """Hand a mail, with LF line ends, to the node as any mail program does.

        Raises:
            DemoFault: it was not taken.
        """
        client = smtplib.SMTP(timeout=WAIT_SECONDS)
        try:
            client.connect("127.0.0.1", self.port(_SMTP_PORT))
            client.sendmail(sender, [recipient], message.replace(b"\n", b"\r\n"))
            client.quit()
        except (smtplib.SMTPException, OSError) as error:
            raise DemoFault(f"the daemon of {self.name} did not take the mail: {error}") from error
        finally:
            client.close()

    def port(self, pattern: re.Pattern[str]) -> int:
        """The port that the daemon says in its log.

        Args:
            pattern: of the line, with the port as its group.

        Raises:
            DemoFault: it said none in time.
        """

        def look() -> int | None:
            if self._daemon is not None and self._daemon.poll() is not None:
                raise DemoFault(f"the daemon of {self.name} ended: {self._log()}")
            found = pattern.search(self._log())
            return None if found is None else int(found[1])

        return wait_for(look, f"the daemon of {self.name}")

    def _log(self) -> str:
        return self.log_path.read_text(encoding="utf-8") if self.log_path.exists() else ""

    def restart(self) -> None:
        """Stop the daemon in good order and start it again."""
        self.__exit__()
        self.log_path.unlink()
        self.__enter__()

    def __enter__(self) -> Self:
        command = [*own_command(), "-c", str(self.config_path), "serve"]
        with self.log_path.open("ab") as log:
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self._environ)
            )
        return self

    def __exit__(self, *_: object) -> None:
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
