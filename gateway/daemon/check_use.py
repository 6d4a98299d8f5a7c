"""Whether what the configuration says will come true: room on the disk, calls, handles, the daemon.

Nothing here keeps the daemon from starting.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.config.gateway_toml import GatewayConfig
from gateway.daemon.notify import WAKE_NAME, send_wake
from gateway.durable import free_bytes
from gateway.msgqueue.entry import Role, State
from gateway.msgqueue.peek import peek_counts
from gateway.nodes import SELF_NAME, Node
from gateway.receive.again import BATCH_SUFFIX
from gateway.receive.quarantine import DIRECTORY_NAME
from gateway.routing.rights import Rights
from gateway.status.permissions import Finding

MAIL_HANDLES = frozenset({"rsmtp", "sendmail", "rmail", "nncp-rmail-v1"})
COMMAND_MARK = "|"
"""An address that begins with it is a command."""


def check_use(config: GatewayConfig) -> list[Finding]:
    """What will not work as the configuration has it.

    Args:
        config: both files; the state directory is there.

    Raises:
        StoreError: the disk can't be asked.
    """
    nodes = neighbours(config)
    return [
        *_check_room(config.state_directory, config.reserve_bytes),
        *_check_calls(config, nodes),
        *_check_handles(config, nodes),
        *_check_newsreaders(config),
        *_check_daemon(config),
    ]


def neighbours(config: GatewayConfig) -> list[Node]:
    """All nodes but this one."""
    return [node for node in config.nncp.book if node.name != SELF_NAME]


def is_served(config: GatewayConfig) -> bool:
    """Whether a daemon runs on the state directory."""
    return send_wake(config.state_directory)


def relayed(config: GatewayConfig) -> list[str]:
    """The neighbours that reach others through us."""
    rights = config.receive.rights
    return [node.name for node in neighbours(config) if rights.get(node.id, Rights()).relay_to.patterns]


def undecided(queue_directory: Path, options: str = "") -> list[str]:
    """What waits for a person in a queue, by how much of it there is.

    Args:
        queue_directory: of the queue.
        options: of ``queue``, for the command that shows it.

    Raises:
        StoreError: the queue can't be read.
    """
    counts = peek_counts(queue_directory)
    found = [
        f"{count} {state}"
        for state in (State.HELD, State.DEAD)
        if (count := sum(counts.get((role, state), 0) for role in Role))
    ]
    unread_count = sum(1 for _ in (queue_directory / DIRECTORY_NAME).glob(f"*{BATCH_SUFFIX}"))
    if unread_count:
        found.append(f"{unread_count} in quarantine (nncp-gateway queue {options}quarantine list)")
    return found


def _check_room(directory: Path, reserve_bytes: int) -> Iterator[Finding]:
    left_bytes = free_bytes(directory)
    if left_bytes < reserve_bytes:
        figures = f"{left_bytes} bytes free, and [queue] reserve_bytes keeps {reserve_bytes}"
        yield _warning(f"{directory} has {figures}: no mail is taken in", "make room on that disk")


def _check_calls(config: GatewayConfig, nodes: Sequence[Node]) -> Iterator[Finding]:
    nncp, online = config.nncp, config.online
    called = [node for node in nodes if node.online.calls]
    if online.is_calling and not called:
        text = f"{config.path}: [online] calls is true, but no neighbour in {nncp.path} has calls"
        yield _warning(text, "write calls into its entry there; nobody is called without them")
    if called and not online.is_calling:
        names = ", ".join(node.name for node in called)
        text = f"{nncp.path}: {names} has calls, but {config.path} does not say that they are made"
        yield _warning(text, "[online] calls = true, unless an nncp-caller runs")
    for node in called:
        is_found = node.online.addresses or nncp.discovery.listen
        if not is_found and not all(call.address for call in node.online.calls):
            text = f"{nncp.path}: neigh.{node.name} has calls, but no address to call"
            yield _warning(text, 'addrs: {main: "HOST:5400"}')
    for node in nodes:
        for name, address in node.online.addresses.items():
            if not address.startswith(COMMAND_MARK) and ":" not in address:
                text = f"{nncp.path}: neigh.{node.name}.addrs.{name}: {address!r} has no port"
                yield _warning(text, f'"{address}:5400", or the port it listens on')


def _check_handles(config: GatewayConfig, nodes: Sequence[Node]) -> Iterator[Finding]:
    missing: dict[str, list[str]] = {}
    for node in nodes:
        for handle, words in node.exec.items():
            if words and words[0].startswith("/") and not os.access(words[0], os.X_OK):
                missing.setdefault(words[0], []).append(f"{node.name}.{handle}")
        if node.id in config.batch.by_node and MAIL_HANDLES.isdisjoint(node.exec):
            text = f"{config.nncp.path}: neigh.{node.name}.exec has no handle for mail: its mail stays in rx"
            yield _warning(text, f"nncp-gateway accept {node.name}, with its block")
    for program, places in missing.items():
        text = f"{config.nncp.path}: exec of {', '.join(places)}: {program} can't be started"
        yield _warning(text, "put it there, or change the path")


def _check_newsreaders(config: GatewayConfig) -> Iterator[Finding]:
    if config.news is not None and config.news.reader is not None and config.nntp is None:
        text = f"{config.path}: [news.reader] keeps articles, but there is no place where newsreaders connect"
        yield _warning(text, '[nntp] listen = ["127.0.0.1:1119"]')


def _check_daemon(config: GatewayConfig) -> Iterator[Finding]:
    """A daemon reads the files when it starts; its socket is as old as it is."""
    if not is_served(config):
        return
    with suppress(OSError):
        started = (config.state_directory / WAKE_NAME).stat().st_mtime
        for path in (config.path, config.nncp.path):
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_mtime > started:
                text = f"{path} was changed after the daemon had started, and it does not know that yet"
                yield _warning(text, "restart the daemon")


def _warning(text: str, remedy: str) -> Finding:
    return Finding(text, remedy, is_fatal=False)
