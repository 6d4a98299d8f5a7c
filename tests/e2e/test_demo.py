"""The demonstration, as a newcomer runs it."""

import os
import subprocess
from pathlib import Path

from tests.support.gateways import MODULE, clean_environ
from tests.support.peers import require


def play(place: Path, path: str) -> subprocess.CompletedProcess[str]:
    environ = clean_environ(TMPDIR=str(place), PATH=path)
    return subprocess.run(
        [*MODULE, "demo"], capture_output=True, check=False, text=True, timeout=200, env=environ
    )


def test_the_demonstration_shows_packet_mail_and_article_and_cleans_up(place: Path) -> None:
    """Without the Go tools: exit status 0, each step in words, and nothing is left."""
    done = play(place, "/nonexistent")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in (
        "one packet of ",
        "Packet type: encrypted",
        "Subject: The road is open again",
        "Every byte of it is as Alice sent it",
        "Path: news.town.example!!news.village.example!.POSTED.127.0.0.1!not-for-mail",
        "She is brown, and answers to the name of Usenet.",
        "The Go NNCP tools are not installed here",
    ):
        assert part in done.stdout
    assert list(place.iterdir()) == []


def test_the_demonstration_mixes_with_the_go_tools_where_they_are(place: Path) -> None:
    """With the Go tools a mail goes each way between them and us."""
    require("nncp-toss", "nncp-exec", "nncp-xfer", "nncp-cfgnew", "nncp-cfgmin")
    done = play(place, os.environ["PATH"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Unchanged.") == 2
    assert list(place.iterdir()) == []
