import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.passphrase import ask_new_passphrase
from gateway.errors import ConfigError
from tests.support.nncp_verbs import verb_environ
from tests.support.terminal import type_at

ASK = (
    "import sys; from gateway.config.passphrase import *; from gateway.errors import ConfigError\n"
    "try: print(ask_passphrase())\n"
    "except ConfigError as error: sys.exit(str(error))"
)


def test_answer_is_not_shown(tmp_path: Path) -> None:
    typed = type_at([sys.executable, "-c", ASK], ["secr\u00e9t "], tmp_path, environ=verb_environ())
    assert typed.stdout == b"b'secr\\xc3\\xa9t '\n"
    assert typed.shown == b"Passphrase:\r\n"


def test_standard_input_may_be_something_else(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text("not a passphrase\n")
    typed = type_at([sys.executable, "-c", ASK], ["secret"], tmp_path, environ=verb_environ(), stdin=body)
    assert typed.stdout == b"b'secret'\n"
    assert typed.shown == b"Passphrase:\r\n"


def test_without_a_terminal_nobody_is_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        input=b"secret\n",
        capture_output=True,
        check=False,
        timeout=60,
        env=verb_environ(),
        start_new_session=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"a passphrase is needed, and there is no terminal to ask for it")


def test_new_passphrase_is_asked_twice() -> None:
    asked: list[str] = []

    def ask(prompt: str) -> bytes:
        asked.append(prompt)
        return b"same"

    assert ask_new_passphrase(ask) == b"same"
    assert asked == ["Passphrase:", "Repeat passphrase:"]
    with pytest.raises(ConfigError, match="Passphrases do not match"):
        ask_new_passphrase(lambda prompt: prompt.encode())
