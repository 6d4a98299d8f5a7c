"""The tutorial, command by command, as a newcomer types it."""

import shlex
import subprocess
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.support import maildir
from tests.support.gateways import MODULE, START_SECONDS, clean_environ
from tests.support.peers import require
from tests.support.ports import free_port
from tests.support.processes import Running, is_listening, tail, wait_until

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-mail.md"
PORTS = ("2525", "2526")
"""Of the village and the town, as the tutorial has them."""


def commands(text: str) -> str:
    """The indented lines."""
    return "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))


def test_every_command_of_the_tutorial_does_what_it_says(place: Path) -> None:
    """By hand and with daemons, each mail arrives once; nothing is done outside of the directory."""
    require("curl")
    program = place / "nncp-gateway"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(MODULE)} "$@"\n')
    program.chmod(0o755)
    environ = clean_environ(HOME=str(place), PATH=f"{place}:/usr/bin:/bin")
    text = TUTORIAL.read_text()
    ports = {port: free_port() for port in PORTS}
    for written, port in ports.items():
        text = text.replace(f":{written}", f":{port}")
    by_hand, with_daemons = text.split("## 5. ")
    home = place / "try"

    def type_in(script: str, directory: Path) -> None:
        argv = ["sh", "-e", "-c", script]
        done = subprocess.run(
            argv, cwd=directory, env=environ, capture_output=True, check=False, text=True, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr

    type_in(commands(by_hand), place)
    assert len(maildir.messages(home / "town" / "mail")) == 1
    with ExitStack() as daemons:
        for name, port in zip(("village", "town"), ports.values(), strict=True):
            argv = [*MODULE, "-c", f"{home}/{name}/gateway.toml", "serve"]
            daemon = daemons.enter_context(Running(argv, home / f"{name}.log", env=environ))
            daemon.wait_ready(partial(is_listening, port), START_SECONDS, name)
        script = commands(with_daemons)
        assert script.count(" serve\n") == len(PORTS)
        type_in("\n".join(line for line in script.splitlines() if not line.endswith(" serve")), home)
        wait_until(
            lambda: len(maildir.messages(home / "town" / "mail")) == 2,
            60,
            "the second mail",
            explain=lambda: tail(home / "town.log"),
        )
