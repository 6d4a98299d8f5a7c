"""Find the real programs that a test needs: NNCP's Go tools, Postfix, Exim, INN, swaks.

``require`` skips the test when a program is missing, and fails it when the environment variable
``REQUIRE_INTEROP`` is ``1`` and this release has the program. Instances of the peers:
``tests.support.postfix``, ``.exim``, ``.inn``, ``.gonncp``.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PEERS_PREFIX = PROJECT / ".peers"
NEWS_BIN = Path("/usr/lib/news/bin")
NOT_EVERYWHERE = {"recsel": "recutils"}
"""Programs and packages that a supported release may lack: Debian 13 has no recutils."""

_EXTRA_PATH = (
    "/usr/sbin",
    "/sbin",
    str(NEWS_BIN),
    str(PEERS_PREFIX / "exim/usr/sbin"),
    str(PEERS_PREFIX / "leafnode/usr/sbin"),
)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """How an SMTP session of swaks ended.

    Attributes:
        returncode: 0 accepted, 23 to 28 refused at MAIL, RCPT, DATA or the final dot.
        text: the dialogue without the message.
    """

    returncode: int
    text: str


def find(program: str) -> str | None:
    """The path of a program on PATH or where peers live, None if it is not installed."""
    places = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_EXTRA_PATH]
    return shutil.which(program, path=os.pathsep.join(places))


def require(program: str, *more: str) -> str:
    """The path of ``program``; the test is skipped when it, or one of ``more``, is not installed."""
    missing = [name for name in (program, *more) if find(name) is None]
    if missing and not any(map(_is_offered, missing)):
        pytest.skip(f"NOT RUN: this release has no {', '.join(missing)}")
    if missing:
        unavailable(f"{', '.join(missing)} not installed: run ./run test as root")
    found = find(program)
    assert found is not None
    return found


def _is_offered(program: str) -> bool:
    """Whether this release has a program, as far as apt can tell."""
    package = NOT_EVERYWHERE.get(program)
    if package is None or shutil.which("apt-cache") is None:
        return True
    argv = ["apt-cache", "show", "--no-all-versions", package]
    return bool(subprocess.run(argv, capture_output=True, check=False).stdout)


def require_root() -> None:
    """Skip the test unless it runs as root."""
    if os.geteuid() != 0:
        unavailable("needs root: run ./run test as root")


def require_readable_by(user: str) -> None:
    """Skip the test where another user can't read this program, as in a clone below /root."""
    argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", "test", "-r", __file__]
    if subprocess.run(argv, check=False).returncode != 0:
        pytest.skip(f"user {user} cannot read {PROJECT}: clone it where everybody can")


def unavailable(reason: str) -> NoReturn:
    """Skip the running test, or fail it where every peer must be there."""
    if os.environ.get("REQUIRE_INTEROP") == "1":
        pytest.fail(f"{reason} (REQUIRE_INTEROP=1)", pytrace=False)
    pytest.skip(reason)


def swaks(
    port: int,
    sender: str,
    recipients: Sequence[str],
    data: bytes | Path,
    *,
    options: Sequence[str] = (),
    is_checked: bool = True,
) -> Dialogue:
    """Send one message by SMTP to 127.0.0.1 with swaks, in one session.

    Args:
        port: of the server.
        sender: "" is the null sender.
        recipients: all of one transaction.
        data: the message; goes out as ``smtp_data`` gives it and otherwise unchanged.
        options: more swaks options.
        is_checked: whether a refusal fails the test, with the dialogue.
    """
    program = require("swaks")
    raw = data if isinstance(data, bytes) else data.read_bytes()
    with tempfile.NamedTemporaryFile(suffix=".eml") as message:
        message.write(smtp_data(raw) + b".")  # swaks ends the line
        message.flush()
        argv = [program, "--server", "127.0.0.1", "--port", str(port), "--helo", "client.test"]
        argv += ["--from", sender or "<>", "--to", ",".join(recipients), "--timeout", "60"]
        argv += ["--data", f"@{message.name}", "--no-data-fixup", "--suppress-data", *options]
        done = subprocess.run(argv, check=False, capture_output=True, timeout=120)
    dialogue = (done.stdout + done.stderr).decode("utf-8", "replace")
    if is_checked and done.returncode != 0:
        raise AssertionError(f"swaks ended with {done.returncode}:\n{dialogue}")
    return Dialogue(done.returncode, dialogue)


def smtp_data(message: bytes) -> bytes:
    """A message as it goes after DATA, without the final dot: CRLF line ends, dots doubled."""
    lines = re.sub(rb"\r?\n", b"\r\n", message)
    if lines and not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return re.sub(rb"^\.", b"..", lines, flags=re.MULTILINE)
