"""A private Postfix in one directory, on one port of 127.0.0.1. Needs root, as Postfix does.

Mail for its local domains, any user, goes to one Maildir; ``Return-Path``, ``X-Original-To`` and
``Delivered-To`` in front of each message tell the envelope. All other mail needs a transport or is
bounced; no name is ever looked up. Headers pass as they came: nothing missing is added to mail that
comes by SMTP. It writes a log of its own, without syslog.
"""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from grp import getgrnam
from pathlib import Path

from tests.support.mail_server import START_SECONDS, MailServer
from tests.support.peers import require, require_root
from tests.support.ports import free_port
from tests.support.processes import Running, tail

DAEMONS = Path("/usr/lib/postfix/sbin")

# As "postfix check" would make them, two seconds faster: name, owner, group, mode.
_QUEUE_DIRECTORIES = (
    *((name, "postfix", "root", 0o700) for name in ("active", "bounce", "corrupt", "defer", "deferred")),
    *(
        (name, "postfix", "root", 0o700)
        for name in ("flush", "hold", "incoming", "private", "saved", "trace")
    ),
    ("maildrop", "postfix", "postdrop", 0o1730),
    ("public", "postfix", "postdrop", 0o2710),
    ("pid", "root", "root", 0o755),
)

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
myhostname = {hostname}
mydomain = {hostname}
myorigin = {hostname}
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
default_transport = error:no route
relay_transport = error:no route
transport_maps = texthash:{home}/etc/transport
relay_domains =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:all/
virtual_minimum_uid = 1
virtual_uid_maps = static:{mail_uid}
virtual_gid_maps = static:{mail_gid}
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 104857600
biff = no
append_dot_mydomain = no
local_header_rewrite_clients =
recipient_delimiter = +
smtputf8_enable = yes
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 10s
"""

_MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class PostfixInstance(MailServer):
    """One Postfix; as a context manager it is started and, at the end, killed.

    Args:
        directory: is made; every user must be able to enter it (see the fixture ``place``).
        hostname: the name it goes by.
        local_domains: mail for these is delivered to ``maildir``; default ``hostname``.
    """

    def __init__(self, directory: Path, hostname: str, local_domains: Sequence[str] = ()) -> None:
        require_root()
        require("postconf", "postfix")
        self.home = directory.resolve()
        self.hostname = hostname
        self.port = free_port()
        self.maildir = self.home / "mail/all"
        self.sendmail = self.home / "bin/sendmail"
        self._etc = self.home / "etc"
        self._make_tree()
        self._write_config(local_domains or (hostname,))

    def _make_tree(self) -> None:
        for name in ("", "etc", "queue", "data", "mail", "bin"):
            path = self.home / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        shutil.chown(self.home / "data", "postfix", "postfix")
        shutil.chown(self.home / "mail", "mail", "mail")
        for name, owner, group, mode in _QUEUE_DIRECTORIES:
            path = self.home / "queue" / name
            path.mkdir()
            os.chown(path, pwd.getpwnam(owner).pw_uid, getgrnam(group).gr_gid)
            path.chmod(mode)
        self.sendmail.write_text(f'#!/bin/sh\nexec /usr/sbin/sendmail -C {self._etc} "$@"\n')
        self.sendmail.chmod(0o755)

    def _write_config(self, domains: Sequence[str]) -> None:
        mail = pwd.getpwnam("mail")
        main_cf = _MAIN_CF.format(
            home=self.home,
            hostname=self.hostname,
            domains=" ".join(domains),
            mail_uid=mail.pw_uid,
            mail_gid=mail.pw_gid,
        )
        for name, text in (
            ("main.cf", main_cf),
            ("master.cf", _MASTER_CF.format(port=self.port)),
            ("transport", ""),
        ):
            (self._etc / name).write_text(text)
            self._backdate(name)

    def _backdate(self, name: str) -> None:
        """Postfix reads a file that changed within the last second again and again, for two seconds."""
        long_ago = time.time() - 60
        os.utime(self._etc / name, (long_ago, long_ago))

    def set(self, setting: str) -> None:
        """Set a main.cf parameter: ``"name = value"``; a running Postfix is restarted."""
        argv = [require("postconf"), "-c", str(self._etc), "-e", setting]
        subprocess.run(argv, check=True, capture_output=True, timeout=START_SECONDS)
        self._changed("main.cf")

    def add_transport(self, line: str) -> None:
        """Route a domain: ``"b.test smtp:[127.0.0.1]:2525"``; a running Postfix is restarted."""
        self._append("transport", line)

    def add_service(self, line: str) -> None:
        """Add a line to master.cf, a pipe transport for instance; a running Postfix is restarted."""
        self._append("master.cf", line)

    def _append(self, name: str, line: str) -> None:
        with (self._etc / name).open("a") as out:
            out.write(f"{line}\n")
        self._changed(name)

    def _changed(self, name: str) -> None:
        self._backdate(name)
        if self._running is not None:
            self.stop()
            self.start()

    def _config_fault(self) -> str:
        """What is wrong with main.cf: Postfix's daemons tell only syslog, postmap tells us."""
        argv = [require("postmap"), "-c", str(self._etc), "-q", "none", f"texthash:{self._etc}/transport"]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=START_SECONDS)
        return done.stderr.decode("utf-8", "replace")

    def launch(self) -> Running:
        return Running([DAEMONS / "master", "-s", "-c", self._etc], self.home / "master.out")

    def explain(self) -> str:
        return self._config_fault() + self.log_text()

    def queued(self) -> list[Path]:
        """The queue files that still wait for delivery, deferred ones included."""
        queue = self.home / "queue"
        found = (
            path
            for name in ("maildrop", "incoming", "active", "deferred")
            for path in (queue / name).rglob("*")
        )
        return [path for path in found if path.is_file()]

    def log_text(self) -> str:
        """The end of the mail log and of what the master process said."""
        return f"{tail(self.home / 'maillog')}{tail(self.home / 'master.out')}"
