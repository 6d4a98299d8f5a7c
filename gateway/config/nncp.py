"""NNCP's own configuration: the same file, read with the same rules, as by the Go tools.

Contract: a configuration that the Go tools refuse is refused, with all faults at once, each
``FILE: key.path: fault, allowed: ...``; what they silently pass over (unknown keys) is a
warning. No error or warning quotes the value of a key.

Precedence: NNCPCFG goes before even a path on the command line; NNCPSPOOL and NNCPLOG before the
file, but after the command line, which the caller applies.

Spec: NNCP manual, Configuration file and Commands (common options).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.nncp_document import Object
from gateway.config.nncp_fields import Findings, Section
from gateway.config.nncp_forms import read_document
from gateway.config.nncp_nodes import read_areas, read_neighbours, read_self
from gateway.config.nncp_online import read_texts_by_name
from gateway.errors import ConfigError
from gateway.nodes import SELF_NAME, Book, Node
from gateway.packet.keys import PrivateKeys
from gateway.schedule.call import DEADLINE_SECONDS

DEFAULT_PATH = "/etc/nncp.hjson"
"""Where Debian's package looks."""

NNCPCFG = "NNCPCFG"
NNCPSPOOL = "NNCPSPOOL"
NNCPLOG = "NNCPLOG"
NNCPNOSYNC = "NNCPNOSYNC"
NNCPDEADLINE = "NNCPDEADLINE"

_UMASK = re.compile(r"[0-7]+", re.ASCII)
_UMASK_BITS = 0o777
_SECONDS = re.compile(r"\+?[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MailPair:
    """Who sends a notification, and who gets it."""

    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Which events are told by mail.

    Args:
        file: received files.
        freq: files sent on request.
        exec: executed handles, by ``NODE.HANDLE`` or ``*.HANDLE``.
    """

    file: MailPair | None = None
    freq: MailPair | None = None
    exec: Mapping[str, MailPair] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Discovery:
    """How neighbours in the same network find one another by multicast.

    Args:
        listen: regular expressions of the interfaces to listen on.
        send_seconds: by regular expression of an interface, how often we announce ourselves.
    """

    listen: tuple[str, ...] = ()
    send_seconds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NncpConfig:
    """A configuration that holds together.

    Args:
        path: the file it was read from.
        book: the nodes and our keys.
        spool: spool directory, the environment considered.
        log: path of the log or ``FD:N``, the environment considered.
        umask: forced file mode mask, or None: the process's own.
        noprogress: whether progress is hidden by default; None: not said.
        nohdr: whether no copies of packet headers are kept.
        notify: which events are told by mail.
        discovery: how neighbours find one another.
        yggdrasil_aliases: short names for Yggdrasil keys; kept, and used by nothing here.
        warnings: what is odd, each with the file and the path of the key.
    """

    path: Path
    book: Book
    spool: Path
    log: str
    umask: int | None
    noprogress: bool | None
    nohdr: bool
    notify: Notify
    discovery: Discovery
    yggdrasil_aliases: Mapping[str, str]
    warnings: tuple[str, ...]

    def apply_umask(self) -> None:
        """Set the process's file mode mask, if the configuration forces one."""
        if self.umask is not None:
            os.umask(self.umask)


def config_path(given: str | None, environ: Mapping[str, str]) -> Path:
    """Where the configuration is.

    Args:
        given: what the command line says, or None.
        environ: the environment; its NNCPCFG goes before ``given``.
    """
    return Path(environ.get(NNCPCFG) or given or DEFAULT_PATH)


def is_syncing(environ: Mapping[str, str]) -> bool:
    """Whether files are to be forced to the disk: NNCPNOSYNC forbids it, unless it is empty."""
    return not environ.get(NNCPNOSYNC)


def deadline_seconds(environ: Mapping[str, str]) -> int:
    """How long online sessions may be idle, where the configuration says nothing.

    Raises:
        ConfigError: NNCPDEADLINE is no such time.
    """
    text = environ.get(NNCPDEADLINE)
    if not text:
        return DEADLINE_SECONDS
    if not _SECONDS.fullmatch(text) or int(text) < 1:
        raise ConfigError(f"{NNCPDEADLINE} of the environment: allowed: a whole number of seconds from 1")
    return int(text)


def load_nncp_config(path: Path, environ: Mapping[str, str]) -> NncpConfig:
    """Read and check a configuration.

    Args:
        path: the file or directory, see ``config_path``.
        environ: the environment, for NNCPSPOOL, NNCPLOG and NNCPDEADLINE.

    Raises:
        ConfigError: it cannot be used; one line for each fault.
    """
    return check_document(path, read_document(path), environ)


def check_document(path: Path, document: Object, environ: Mapping[str, str]) -> NncpConfig:
    """Check a configuration that was read already.

    Args:
        path: what it was read from, for messages.
        document: its content.
        environ: the environment, for NNCPSPOOL and NNCPLOG.

    Raises:
        ConfigError: it cannot be used; one line for each fault.
    """
    findings = Findings()
    root = Section(findings, "", document)
    own = _read_own(root)
    nodes = read_neighbours(root, deadline_seconds(environ))
    _check_selves(root, own, nodes)
    areas = read_areas(root, nodes)
    spool, log = _required_path(root, "spool"), _required_path(root, "log")
    umask = _read_umask(root)
    noprogress, nohdr = root.flag("noprogress"), root.flag("nohdr")
    notify = _read_notify(root)
    discovery = _read_discovery(root)
    yggdrasil_aliases = read_texts_by_name(root, "yggdrasil-aliases")
    root.finish()
    if findings.errors:
        raise ConfigError("\n".join(f"{path}: {error}" for error in findings.errors))
    return NncpConfig(
        path=path,
        book=Book(own, nodes, areas),
        spool=Path(environ.get(NNCPSPOOL) or spool),
        log=environ.get(NNCPLOG) or log,
        umask=umask,
        noprogress=noprogress,
        nohdr=bool(nohdr),
        notify=notify,
        discovery=discovery,
        yggdrasil_aliases=yggdrasil_aliases,
        warnings=tuple(f"{path}: {warning}" for warning in findings.warnings),
    )


def _read_own(root: Section) -> PrivateKeys | None:
    section = root.section(SELF_NAME)
    return None if section is None else read_self(section)


def _check_selves(root: Section, own: PrivateKeys | None, nodes: Mapping[str, Node]) -> None:
    public = nodes.get(SELF_NAME)
    has_fault = any(error.startswith("neigh.self") for error in root.findings.errors)
    if public is None:
        if not has_fault:
            root.refuse("neigh", "the entry self is missing, allowed: one with our own public keys")
    elif own is not None and own.id != public.id:
        root.refuse("self.id", "differs from neigh.self.id, allowed: one and the same id")


def _required_path(root: Section, key: str) -> str:
    error_count = len(root.findings.errors)
    found = root.absolute_path(key)
    if found is None and len(root.findings.errors) == error_count:
        root.refuse(key, "missing, allowed: an absolute path")
    return found or ""


def _read_umask(root: Section) -> int | None:
    umask = root.text("umask")
    if umask is None:
        return None
    if not _UMASK.fullmatch(umask):
        root.refuse("umask", 'allowed: octal digits in quotes, such as "027"')
        return None
    return int(umask, 8) & _UMASK_BITS


def _read_notify(root: Section) -> Notify:
    section = root.section("notify")
    if section is None:
        return Notify()
    file, freq = section.section("file"), section.section("freq")
    notify = Notify(
        file=None if file is None else _read_pair(file),
        freq=None if freq is None else _read_pair(freq),
        exec={name: _read_pair(pair) for name, pair in section.named_sections("exec")},
    )
    section.finish()
    return notify


def _read_pair(pair: Section) -> MailPair:
    found = MailPair(pair.text("from") or "", pair.text("to") or "")
    pair.finish()
    return found


def _read_discovery(root: Section) -> Discovery:
    listen = root.texts("mcd-listen") or ()
    intervals = root.names("mcd-send")
    if intervals is None:
        return Discovery(listen)
    found = {pattern: intervals.signed(pattern) for pattern in intervals.unread()}
    return Discovery(listen, {pattern: seconds for pattern, seconds in found.items() if seconds is not None})
