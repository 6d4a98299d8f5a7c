"""The files of ``inn/``, put into an INN and a node of a test with the names of this place."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.gateways import CHILD_SECONDS, GatewayNode
from tests.support.inn import USER, InnInstance
from tests.support.news import script
from tests.support.peers import NEWS_BIN, PROJECT
from tests.support.processes import as_user

KIT = PROJECT / "inn"
ANY_PROGRAM = f"{NEWS_BIN}:{os.defpath}"


def kit_text(name: str, names: dict[str, str]) -> str:
    """A file of the kit with other names in it; each of them must be there."""
    text = (KIT / name).read_text()
    for old, new in names.items():
        assert old in text, f"{old} is not in {name}"
        text = text.replace(old, new)
    return text


def add_feed(inn: InnInstance, name: str, **names: str) -> None:
    """Put a file of the kit into newsfeeds, all of it at once, and reload it."""
    entries = kit_text(name, {"gw.example.org": "gw.a.test"} | names)
    inn.add_feed(*entries.splitlines())


def add_to_file(inn: InnInstance, file: str, sample: str) -> None:
    """Let a file of INN's hold what a file of the kit says, and nothing else."""
    path = inn.home / "etc" / file
    path.write_text((KIT / sample).read_text())
    shutil.chown(path, USER, USER)
    path.chmod(0o640)


def channel_program(inn: InnInstance, node: GatewayNode, program: Path) -> Path:
    """The script of the kit for this INN and node."""
    names = {
        "nncp-gateway news-channel": f"{program} -c {node.config_path} news-channel",
        "/var/spool/news/outgoing": str(inn.home / "outgoing"),
    }
    return script(inn.home / "bin/channel", *kit_text("nncp-gateway-channel", names).splitlines()[1:])


def run_kit(
    inn: InnInstance, name: str, *words: str, path: str = ANY_PROGRAM, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of the kit as cron does, as user news."""
    env = {"PATH": path, "INNCONF": str(inn.home / "etc/inn.conf"), "PYTHONPATH": str(PROJECT), **environ}
    return subprocess.run(
        as_user(USER, [str(KIT / name), *words]), capture_output=True, check=False, timeout=CHILD_SECONDS,
        env=env, cwd="/",
    )  # fmt: skip
