"""A private Exim in one directory, on one port of 127.0.0.1, beside an installed Postfix.

All of it runs as one user: ``Debian-exim`` when the tests run as root, else the user who runs them.
Mail for its local domains, any user, goes to one Maildir; ``Return-path`` and ``Envelope-to`` in
front of each message tell the envelope. All other mail needs a router or is refused.
"""

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.mail_server import MailServer
from tests.support.peers import require
from tests.support.ports import free_port
from tests.support.processes import Running, as_user, tail

RUN_SECONDS = 60

_ACCEPT_QUEUE = "smtp_accept_queue_per_connection"
_CONFIG = """\
primary_hostname = {hostname}
exim_user = {user}
exim_group = {group}
deliver_drop_privilege = true
spool_directory = {home}/spool
# Exim starts itself again for bounces and at exit: that must be this binary.
exim_path = {binary}
log_file_path = {home}/log/%slog
pid_file_path = {home}/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
keep_environment = PATH
trusted_users = {user} : nncp : root
never_users =
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check_rcpt
# Unset, it would offer STARTTLS with a certificate that is slow to make.
tls_advertise_hosts =
smtp_accept_max = 100
{queue}
message_size_limit = 100M
smtputf8_advertise_hosts = *
domainlist local_domains = {domains}
{main}
begin acl
check_rcpt:
{acl}
accept
begin routers
{routers}
local_mail:
  driver = accept
  domains = +local_domains
  transport = maildir_all
begin transports
{transports}
maildir_all:
  driver = appendfile
  directory = {home}/mail/all
  create_directory
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
begin retry
* * F,2h,2s
"""


class EximInstance(MailServer):
    """One Exim; as a context manager it is started and, at the end, killed.

    Args:
        directory: is made; every user must be able to enter it (see the fixture ``place``).
        hostname: the name it goes by.
        local_domains: mail for these is delivered to ``maildir``; default ``hostname``.
        main: more lines for the main section.
        routers: routers that come before the local one.
        transports: more transports.
        acl: what comes before all recipients are accepted.
    """

    def __init__(
        self,
        directory: Path,
        hostname: str,
        local_domains: Sequence[str] = (),
        *,
        main: str = "",
        routers: str = "",
        transports: str = "",
        acl: str = "",
    ) -> None:
        # Exim follows no path with "..": it would retry for ever, silently.
        self.home = directory.resolve()
        # A copy, since its user may be unable to enter the checkout.
        self._binary = self.home / "bin/exim4"
        installed = require("exim4")
        self.hostname = hostname
        self.port = free_port()
        self.maildir = self.home / "mail/all"
        self.sendmail = self.home / "bin/sendmail"
        self.rsmtp = self.home / "bin/rsmtp"
        self.config_path = self.home / "etc/exim.conf"
        is_root = os.geteuid() == 0
        self.user = "Debian-exim" if is_root else pwd.getpwuid(os.geteuid()).pw_name
        self._user_to_be = self.user if is_root else None
        self._make_tree()
        shutil.copyfile(installed, self._binary)
        self._binary.chmod(0o755)
        self.config_path.write_text(
            _CONFIG.format(
                home=self.home, hostname=hostname, port=self.port, binary=self._binary, user=self.user,
                group=grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name,
                domains=" : ".join(local_domains or (hostname,)),
                main=main, routers=routers, transports=transports, acl=acl,
                queue="" if _ACCEPT_QUEUE in main else f"{_ACCEPT_QUEUE} = 0",
            )
        )  # fmt: skip
        self.run("-bV")

    def _make_tree(self) -> None:
        for name in ("", "etc", "bin", "spool", "log", "mail"):
            path = self.home / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
            if self._user_to_be is not None and name in {"spool", "log", "mail"}:
                shutil.chown(path, self.user)
        for script, option in ((self.sendmail, ""), (self.rsmtp, " -bS")):
            script.write_text(f'#!/bin/sh\nexec {self._binary} -C {self.config_path}{option} "$@"\n')
            script.chmod(0o755)

    def run(
        self, *args: str, stdin: bytes = b"", is_checked: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run exim with this configuration, as its user: ``run("-bS", stdin=...)``, ``run("-qff")``."""
        argv = as_user(self._user_to_be, [self._binary, "-C", self.config_path, *args])
        done = subprocess.run(
            argv, input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS, cwd="/"
        )
        if is_checked and done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise AssertionError(
                f"exim {' '.join(args)} ended with {done.returncode}:\n{said}{self.log_text()}"
            )
        return done

    def launch(self) -> Running:
        argv = [str(self._binary), "-C", str(self.config_path), "-bdf", "-q2s"]
        return Running(argv, self.home / "daemon.out", user=self._user_to_be)

    def log_text(self) -> str:
        """The ends of its logs."""
        return "".join(
            tail(path) for path in (*sorted((self.home / "log").iterdir()), self.home / "daemon.out")
        )
