"""Whether files and directories are safe and usable, each fault with its remedy.

Several users may work on one spool (this program, the Go tools, a mail server's pipe); what one
of them makes the others must be able to remove.
"""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OTHERS_MAY_READ = stat.S_IROTH | stat.S_IWOTH
GROUP_MAY_WRITE = stat.S_IWGRP


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Args:
        text: what, with the path.
        remedy: what to do about it.
        is_fatal: whether the daemon must not start so.
    """

    text: str
    remedy: str
    is_fatal: bool

    def __str__(self) -> str:
        return f"{self.text}; remedy: {self.remedy}"


def check_secret(path: Path, what: str = "private keys") -> Iterator[Finding]:
    """A file with private keys or the like: nobody outside of its owner and group may open it."""
    mode = path.stat().st_mode
    if mode & OTHERS_MAY_READ:
        yield Finding(
            f"{path} holds {what} and every user may open it (mode {stat.S_IMODE(mode):04o})",
            f"chmod o-rwx {path}",
            is_fatal=True,
        )


def check_trusted(path: Path) -> Iterator[Finding]:
    """A file that says what is run: only its owner may change it."""
    mode = path.stat().st_mode
    if mode & (stat.S_IWOTH | stat.S_IWGRP):
        yield Finding(
            f"{path} says which commands run, and others may change it (mode {stat.S_IMODE(mode):04o})",
            f"chmod go-w {path}",
            is_fatal=bool(mode & stat.S_IWOTH),
        )


def check_directory(path: Path, what: str) -> Iterator[Finding]:
    """A directory we work in: there, a directory, ours to write."""
    if not path.is_dir():
        yield Finding(
            f"{path} ({what}) is {'no directory' if path.exists() else 'missing'}",
            f"install -d -m 0750 -o {_own_user()} {path}",
            is_fatal=True,
        )
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        yield Finding(
            f"{path} ({what}) can't be written by the user {_own_user()} who runs this",
            f"run this as the owner, {_user_name(path.stat().st_uid)}, or chown -R {_own_user()} {path}",
            is_fatal=True,
        )


def check_umask(spool: Path, umask: int) -> Iterator[Finding]:
    """A spool shared by a group: what we make in it the group must be able to change."""
    status = spool.stat()
    if not status.st_mode & GROUP_MAY_WRITE:
        return
    if umask & GROUP_MAY_WRITE:
        yield Finding(
            f"{spool} is shared by a group, but files made with umask {umask:03o} can't be changed by it",
            'umask: "007" in the NNCP configuration',
            is_fatal=False,
        )
    if not status.st_mode & stat.S_ISGID:
        yield Finding(
            f"{spool} is shared by a group, but new directories in it would belong to another one",
            f"chmod g+s {spool}",
            is_fatal=False,
        )


def check_owners(spool: Path) -> Iterator[Finding]:
    """Directories of neighbours that another user made and that we can't work in."""
    owner = spool.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        name = _user_name(owner)
        yield Finding(
            f"this runs as root, and {spool} belongs to {name}, who can't change what root makes in it",
            f"run this as {name}: setpriv --reuid={name} --regid={name} --init-groups ...",
            is_fatal=False,
        )
    for entry in sorted(spool.iterdir()):
        if entry.is_symlink() or not entry.is_dir():
            continue
        for box in (entry, entry / "rx", entry / "tx"):
            if box.is_dir() and not os.access(box, os.W_OK | os.X_OK, effective_ids=True):
                yield Finding(
                    f"{box} belongs to {_user_name(box.stat().st_uid)} and can't be written by {_own_user()}",
                    f"chown -R {_own_user()} {entry}, and run all NNCP tools as one user",
                    is_fatal=True,
                )
                break


def _own_user() -> str:
    return _user_name(os.geteuid())


def _user_name(uid: int) -> str:

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
