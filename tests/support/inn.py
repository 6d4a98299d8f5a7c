"""A private INN in one directory: innd for peers on one port of 127.0.0.1, nnrpd for readers on another.

It runs as user and group news, as innd insists, so it needs root. Articles are plain files, one for
each, in ``home/articles/GROUP/AS/PATH/NUMBER``.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.peers import NEWS_BIN, require, require_root
from tests.support.ports import free_port
from tests.support.processes import Running, as_user, is_listening, tail, wait_until

START_SECONDS = 60
RUN_SECONDS = 60
USER = "news"
# sun_path holds 108 bytes, and innd listens on HOME/run/control.
HOME_PATH_LIMIT_BYTES = 90

_DIRECTORIES = (
    *("etc/filter", "db", "articles", "overview", "incoming/tmp", "incoming/bad", "outgoing"),
    *("innfeed", "archive", "log", "run", "http", "bin"),
)

# nnrpdposthost stays unset, so that rnews uses innd's Unix socket: over TCP it waits 20 ms an article.
_INN_CONF = """\
mta: "/bin/false %s"
organization: "test"
pathhost: {pathhost}
domain: {pathhost}
pathnews: /usr/lib/news
runasuser: news
runasgroup: news
hismethod: hisv6
ovmethod: tradindexed
enableoverview: true
storeonxref: true
wireformat: false
port: {port}
bindaddress: 127.0.0.1
sourceaddress: 127.0.0.1
server: 127.0.0.1
artcutoff: 0
maxartsize: 20000000
localmaxartsize: 20000000
docancels: none
pgpverify: false
doinnwatch: false
htmlstatus: false
logstatus: false
status: 0
timer: 0
icdsynccount: 10
incominglogfrequency: 1
logipaddr: false
nntplinklog: true
maxconnections: 50
nnrpdloadlimit: 0
wanttrash: false
pathspool: {home}
patharchive: {home}/archive
patharticles: {home}/articles
pathbin: /usr/lib/news/bin
pathcontrol: /usr/lib/news/bin/control
pathdb: {home}/db
pathetc: {home}/etc
pathfilter: {home}/etc/filter
pathhttp: {home}/http
pathincoming: {home}/incoming
pathlog: {home}/log
pathoutgoing: {home}/outgoing
pathoverview: {home}/overview
pathrun: {home}/run
pathtmp: {home}/incoming/tmp
"""

_FILES = {
    "etc/storage.conf": "method tradspool {\n class: 0\n newsgroups: *\n}\n",
    "etc/incoming.conf": 'streaming: true\nmax-connections: 50\npeer ME { hostname: "127.0.0.1" }\n',
    "etc/readers.conf": (
        'auth "local" { hosts: "*" default: "<localhost>" }\n'
        'access "local" { users: "<localhost>" newsgroups: "*" access: RPAI }\n'
    ),
    "etc/newsfeeds": "ME:*::\n",
    "etc/expire.ctl": "/remember/:10\n*:A:1:10:never\n",
    "etc/control.ctl": "all:*:*:drop\nnewgroup:*:*:drop\n",
    **dict.fromkeys(
        (
            "etc/passwd.nntp", "etc/moderators", "etc/distrib.pats", "etc/nnrpd.track", "etc/localgroups",
            "etc/subscriptions", "etc/inn-secrets.conf", "db/newsgroups", "db/active.times", "db/history",
        ),
        "",
    ),
}  # fmt: skip
_INNFEED = """\
pid-file: innfeed.pid
log-file: innfeed.log
backlog-directory: {home}/innfeed
initial-connections: 1
max-connections: 2
streaming: true
force-ipv4: true
initial-reconnect-time: 1
close-period: 3600
peer {name} {{
  ip-name: 127.0.0.1
  port-number: {port}
}}
"""
_SECRET_FILES = ("etc/passwd.nntp", "etc/incoming.conf", "etc/inn-secrets.conf")
_OWN_GROUPS = (
    "control",
    "control.cancel",
    "control.checkgroups",
    "control.newgroup",
    "control.rmgroup",
    "junk",
)


class InnInstance:
    """One INN; as a context manager it is started and, at the end, killed.

    Args:
        directory: is made; every user must be able to enter it (see the fixture ``place``).
        pathhost: its name in Path headers.
        groups: the newsgroups that it carries.

    Attributes:
        port: where innd speaks NNTP with peers.
        reader_port: where nnrpd speaks NNTP with readers.
        rnews: a wrapper of rnews that needs no environment, for exec handles.
    """

    def __init__(self, directory: Path, pathhost: str, groups: Sequence[str] = ()) -> None:
        require_root()
        self._innd = require("innd", "nnrpd", "rnews", "ctlinnd", "makedbz")
        self.home = directory.resolve()
        assert len(os.fsencode(self.home)) <= HOME_PATH_LIMIT_BYTES, (
            f"{self.home}: too long for a Unix socket"
        )
        self.pathhost = pathhost
        self.port = free_port()
        self.reader_port = free_port()
        self.rnews = self.home / "bin/rnews"
        self._inn_conf = self.home / "etc/inn.conf"
        self._running: list[Running] = []
        self._make_tree(groups)
        self.run("makedbz", "-i", "-o", "-s", "10000", "-f", str(self.home / "db/history"))

    def _make_tree(self, groups: Sequence[str]) -> None:
        for name in _DIRECTORIES:
            (self.home / name).mkdir(parents=True)
        self._inn_conf.write_text(_INN_CONF.format(home=self.home, pathhost=self.pathhost, port=self.port))
        for name, text in _FILES.items():
            (self.home / name).write_text(text)
        (self.home / "db/active").write_text(
            "".join(f"{group} 0000000000 0000000001 n\n" for group in _OWN_GROUPS)
            + "".join(f"{group} 0000000000 0000000001 y\n" for group in groups)
        )
        self.rnews.write_text(
            f'#!/bin/sh\nINNCONF={self._inn_conf} PATH={NEWS_BIN}:$PATH exec {NEWS_BIN}/rnews "$@"\n'
        )
        for directory, names, files in os.walk(self.home):
            for name in (".", *names, *files):
                path = Path(directory, name)
                shutil.chown(path, USER, USER)
                path.chmod(0o755 if path.is_dir() else 0o644)
        self.rnews.chmod(0o755)
        for name in _SECRET_FILES:
            (self.home / name).chmod(0o640)

    def _environment(self) -> dict[str, str]:
        path = f"{NEWS_BIN}:{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "INNCONF": str(self._inn_conf), "PATH": path}

    def run(
        self, tool: str, *args: str, stdin: bytes = b"", is_checked: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program of INN's as user news with this configuration: ``run("rnews", stdin=...)``."""
        done = subprocess.run(
            as_user(USER, [require(tool), *args]), input=stdin, capture_output=True, check=False,
            timeout=RUN_SECONDS, env=self._environment(), cwd=self.home,
        )  # fmt: skip
        if is_checked and done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise AssertionError(
                f"{tool} {' '.join(args)} ended with {done.returncode}:\n{said}{self.log_text()}"
            )
        return done

    def ctlinnd(self, *args: str) -> None:
        """Command the running innd: ``ctlinnd("newgroup", "misc.test")``."""
        self.run("ctlinnd", "-s", *args)

    def add_feed(self, *entries: str) -> None:
        """Append entries to newsfeeds and reload it once if innd runs."""
        with (self.home / "etc/newsfeeds").open("a") as out:
            out.writelines(f"{entry}\n" for entry in entries)
        if self._running:
            self.ctlinnd("reload", "newsfeeds", "feed added")

    def add_innfeed(self, entry: str, port: int) -> None:
        """Let innfeed bring all that comes to a port of 127.0.0.1 as soon as it comes.

        Args:
            entry: begins the peer's entry in newsfeeds: its name, and whose articles it does not get.
            port: where the peer takes them.
        """
        settings = self.home / "etc/innfeed.conf"
        settings.write_text(_INNFEED.format(home=self.home, name=entry.partition("/")[0], port=port))
        shutil.chown(settings, USER, USER)
        self.add_feed(f"{entry}:*:Tm:innfeed!", f"innfeed!:!*:Tc,Wnm*:{NEWS_BIN}/innfeed -c {settings}")

    def start(self) -> None:
        """Start innd and nnrpd, and wait until both accept connections."""
        assert not self._running, "already started"
        try:
            self._launch([self._innd, "-f", "-c0"], self.port)
            reader = [
                "-D",
                "-f",
                "-b",
                "127.0.0.1",
                "-p",
                str(self.reader_port),
                "-P",
                str(self.home / "run/nnrpd.pid"),
            ]
            self._launch([require("nnrpd"), *reader], self.reader_port)
        except AssertionError as error:
            error.add_note(self.log_text())
            self.kill()
            raise

    def _launch(self, argv: Sequence[str], port: int) -> None:
        log = self.home / f"log/{Path(argv[0]).name}.out"
        running = Running(argv, log, env=self._environment(), cwd=self.home, user=USER)
        self._running.append(running)
        running.wait_ready(lambda: is_listening(port), START_SECONDS, f"listening on port {port}")

    def stop(self) -> None:
        """End it in good order. Idempotent."""
        if self._running:
            self.run("ctlinnd", "-s", "-t", "20", "shutdown", "test ends", is_checked=False)
            for running in self._running:
                running.stop()
            self.kill()

    def kill(self) -> None:
        """End it with all its processes at once. Idempotent."""
        for running in self._running:
            running.kill_group()
        self._running = []
        for name in ("innd.pid", "nnrpd.pid", "control", "nntpin"):
            (self.home / "run" / name).unlink(missing_ok=True)

    def articles(self, group: str) -> list[Path]:
        """The stored articles of a group, in order of their numbers."""
        directory = self.home / "articles" / group.replace(".", "/")
        if not directory.is_dir():
            return []
        return sorted(
            (path for path in directory.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
        )

    def wait_for_articles(self, group: str, count: int, deadline_seconds: float = 60) -> list[Path]:
        """Wait until ``count`` articles or more are in a group; returns them all."""
        return wait_until(
            lambda: found if len(found := self.articles(group)) >= count else [],
            deadline_seconds,
            f"{count} articles in {group}",
            explain=self.log_text,
        )

    def log_text(self) -> str:
        """The ends of its logs."""
        return "".join(
            f"{path.name}:\n{tail(path)}" for path in sorted((self.home / "log").iterdir()) if path.is_file()
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
