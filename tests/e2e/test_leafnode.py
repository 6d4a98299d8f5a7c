"""leafnode as the reader at a leaf, with our endpoint upstream, as ``inn/README.md`` has it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.gateways import GatewayNode, pair
from tests.support.inn_kit import KIT
from tests.support.news import GROUP, article, batch, give_news
from tests.support.peers import find, require_root
from tests.support.ports import free_port

USER = "news"
RUN_SECONDS = 60
DIRECTORIES = ("leaf.node", "failed.postings", "interesting.groups", "message.id", "out.going", "temp.files")
EXAMPLE = "example.org"
"""leafnode refuses names within it."""


class Leafnode:
    """A leafnode in a namespace of its own, since its directories are compiled in.

    Args:
        place: of its files.
        port: of the server upstream.
    """

    def __init__(self, place: Path, port: int) -> None:
        require_root()
        if find("fetchnews") is None or find("unshare") is None:
            pytest.skip("leafnode is not installed: run ./run test as root")
        # In a chroot whose root is no mount point, what is mounted here would be seen outside as well.
        private = subprocess.run(
            ["unshare", "-m", "true"], capture_output=True, check=False, timeout=RUN_SECONDS
        )
        if private.returncode:
            pytest.skip(f"NOT RUN: no mounts of our own here: {private.stderr.decode().strip()}")
        self._etc, self._spool = place / "etc", place / "spool"
        (self._etc / "leafnode").mkdir(parents=True)
        for name in (*DIRECTORIES, *(f"message.id/{number:03}" for number in range(1000))):
            (self._spool / name).mkdir(parents=True)
        # A group is fetched once somebody has read it; this is how leafnode remembers that.
        (self._spool / "interesting.groups" / GROUP).touch()
        readme = (KIT / "README.md").read_text()
        lines = [line.strip() for line in readme.splitlines() if " = " in line]
        config = [line for line in lines if line.split()[0] in {"server", "port", "expire", "hostname"}]
        assert len(config) == 4
        (self._etc / "leafnode/config").write_text(
            "\n".join(config).replace("1119", str(port)).replace(EXAMPLE, "village-a.org") + "\n"
        )
        for path in (self._etc, self._spool, *self._etc.rglob("*"), *self._spool.rglob("*")):
            shutil.chown(path, USER, USER)
            path.chmod(0o2775 if path.is_dir() else 0o664)

    def run(self, program: str, *words: str, stdin: bytes = b"") -> str:
        """Run one of its programs; returns what it says."""
        mounts = f"mount --bind {self._etc} /etc/news && mount --bind {self._spool} /var/spool/news"
        argv = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", str(find(program)), *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        return said


def test_leafnode_fetches_from_us_and_posts_by_us(place: Path) -> None:
    """What came to the leaf is read in leafnode, offline, and what is written there goes to the neighbour."""
    leaf, hub = GatewayNode(place / "leaf", "leaf.test"), GatewayNode(place / "hub", "hub.test")
    pair(leaf, hub)
    give_news(leaf, hub='feed = "*"\naccept = "*"\n')
    give_news(hub, leaf='accept = "*"\n')
    port = free_port()
    leaf.set_toml("nntp", f'listen = ["127.0.0.1:{port}"]\n')
    leaf.set_toml("news.reader", 'feed = "*"\n')
    hub.set_toml("news.reader", 'feed = "*"\n')
    leafnode = Leafnode(place / "leafnode", port)
    leaf.run("pipe", "rnews", stdin=batch([article(number) for number in range(5)]))
    leaf.run("deliver")
    with leaf.serving():
        assert "5 articles fetched" in leafnode.run("fetchnews", "-vvv", "-w")
        read = b"GROUP misc.test\r\nARTICLE <3@a.test>\r\n"
        mine = b"From: anna@leaf.test\r\nNewsgroups: misc.test\r\nSubject: mine\r\n\r\nhi\r\n"
        post = b"POST\r\n" + mine + b".\r\nQUIT\r\n"
        said = leafnode.run("leafnode", stdin=read + post)
        assert "211 5" in said
        assert "Subject: number 3" in said
        assert "240 " in said
        assert "1 article posted" in leafnode.run("fetchnews", "-vvv", "-w")
    leaf.run("flush")
    leaf.carry_to(hub, place / "stick")
    hub.run("toss")
    assert "6 delivered" in hub.run("deliver").out
